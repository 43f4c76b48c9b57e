"""`lotkeeper dead …` on a real database, as a person or a program uses it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from core.events.facts import FrameUnreadable, ResyncFenced
from core.settings import load_settings
from core.streams.memory import MemoryStreams
from core.streams.port import Entry
from models.queries.sync import DeadRow, dead_by_category, last_errors
from models.session import Database
from services.position_sync.relay import Relay
from tests.services.broker.test_recorded_frames import fill
from tests.services.cli.conftest import Said, Sql
from tests.services.position_sync.facts import ACCOUNT, Link, at, execution

Run = Callable[..., Said]
Tell = Callable[..., None]

EPOCH = 3
TRAP = "ALTER TABLE executions ADD CONSTRAINT trap CHECK (exec_id NOT LIKE 'trap%')"
FRAME = json.dumps(fill(when="20260415 19:38:31"))


@pytest.fixture
def tell(url: str) -> Tell:
    """Have the worker deal with entries."""

    async def handle(*entries: Entry) -> None:
        settings = load_settings(database_url=url)
        database = Database(settings.require_database_url(), application="test")

        async def nobody(_account: str, _trigger: str) -> None: ...

        await Relay(database, MemoryStreams(), settings, ask_for_comparison=nobody).handle(entries)
        await database.close()

    return lambda *entries: asyncio.run(handle(*entries))


def unreadable(frame: str, *, seconds: float = 0) -> FrameUnreadable:
    return FrameUnreadable(
        received_at=at(seconds), category="parsing", reason="unknown zone", frame=frame, account="DU1234567"
    )


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str, sql: Sql, tell: Tell) -> Run:
    """What was kept aside: an execution (1), a frame (2) and another (3), a whole entry (4)."""
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(
        "INSERT INTO broker_sessions (epoch, login, started_at, server_version, time_zone) "
        "OVERRIDING SYSTEM VALUE VALUES (3, 'one', now(), 178, 'Europe/Berlin')"
    )
    sql(TRAP)
    link = Link(EPOCH)
    tell(link.entry(execution("a.01", "3"), execution("trap.01", "2", seconds=1)))
    tell(link.entry(unreadable(FRAME)))
    tell(link.entry(unreadable('["4711"]', seconds=1)))
    whole = Link(EPOCH + 1).entry(execution("w.01", "5", seconds=2), execution("w.02", "4", seconds=3))
    tell(Entry("9-9", whole.data.replace(b'"facts"', b'"tcafs"')))
    sql("UPDATE dead_facts SET payload = replace(payload, 'tcafs', 'facts') WHERE category = 'parsing'")
    return lotkeeper


def executions(sql: Sql) -> list[str]:
    return [row["exec_id"] for row in sql("SELECT exec_id FROM executions ORDER BY exec_id")]


def statuses(sql: Sql) -> list[str]:
    return [row["status"] for row in sql("SELECT status FROM dead_facts ORDER BY id")]


def test_what_stands_open_is_listed_without_its_content(lk: Run, sql: Sql) -> None:
    said = lk("dead", "list")
    assert (said.code, said.err) == (0, "")
    lines = [line.split() for line in said.out.splitlines() if line[:1].isdigit()]
    assert [line[:2] for line in lines] == [
        ["1", "database"],
        ["2", "parsing"],
        ["3", "parsing"],
        ["4", "parsing"],
    ]
    assert "unknown zone" in said.out
    assert "2026-11-20 14:30:00" in said.out
    assert ACCOUNT not in said.out
    assert "trap.01" not in said.out
    told = lk("dead", "list", "--json").data
    assert told["count"] == 4
    first = told["dead_facts"][0]
    assert (first["id"], first["status"], first["epoch"], first["seq"], first["occurrences"]) == (
        *(1, "open", EPOCH, 1, 1),
    )
    assert "payload" not in first
    sql("UPDATE dead_facts SET status = 'dropped' WHERE id = 1")
    assert lk("dead", "list", "--json").data["count"] == 3
    assert "dropped" in lk("dead", "list", "--all").out


def test_the_list_can_be_narrowed_and_says_what_it_leaves_out(lk: Run) -> None:
    def ids(*options: str) -> list[int]:
        return [one["id"] for one in lk("dead", "list", "--json", *options).data["dead_facts"]]

    assert ids("--category", "parsing") == [2, 3, 4]
    assert ids("--account", "DU1234567") == [2, 3]
    assert ids("--account", ACCOUNT, "--category", "parsing") == []
    assert ids("--limit", "1") == [1]
    assert "… and 3 more" in lk("dead", "list", "--limit", "1").out
    assert "stands open" in lk("dead", "list", "--category", "auth").out


def test_one_is_shown_whole(lk: Run) -> None:
    said = lk("dead", "show", "1")
    assert said.code == 0
    assert f'"account": "{ACCOUNT}"' in said.out
    assert f"session {EPOCH}, fact 1" in said.out
    told = lk("dead", "show", "2", "--json").data["dead_fact"]
    assert (told["payload"], told["source"]) == (FRAME, "gateway")


def test_what_can_be_applied_now_is_and_is_open_no_more(lk: Run, sql: Sql) -> None:
    sql("ALTER TABLE executions DROP CONSTRAINT trap")
    said = lk("dead", "retry", "1", "2")
    assert (said.code, said.err) == (0, "")
    assert said.out == "1: applied\n2: applied\n"
    assert executions(sql) == ["0000e0d5.1.01.01", "a.01", "trap.01"]
    (told,) = sql("SELECT executed_at, epoch FROM executions WHERE account = 'DU1234567'")
    assert (told["executed_at"].hour, told["epoch"]) == (17, EPOCH), "in the zone of its own session"
    assert sql("SELECT quantity FROM positions WHERE conid = 265598 AND account = 'DU1000001'") == [
        {"quantity": 5}
    ]
    assert statuses(sql) == ["retried", "retried", "open", "open"]
    (row,) = sql("SELECT retries, resolved_at FROM dead_facts WHERE id = 1")
    assert row["retries"] == 1
    assert row["resolved_at"] is not None
    assert len(sql("SELECT 1 FROM outbox")) == 2, "the sweep announces them"
    before = sql("SELECT * FROM dead_facts ORDER BY id")
    assert lk("dead", "retry", "1").out == "Nothing to retry.\n"
    assert sql("SELECT * FROM dead_facts ORDER BY id") == before


def test_what_cannot_be_applied_still_stays_open_with_the_new_reason_and_is_exit_code_1(
    lk: Run, sql: Sql
) -> None:
    said = lk("dead", "retry", "--all", "--json")
    assert said.code == 1
    assert "2 of 4 cannot be applied still" in said.err
    outcomes = {one["id"]: one for one in said.data["outcomes"]}
    assert [outcomes[number]["status"] for number in (1, 2, 3, 4)] == [
        *("failed", "retried", "failed", "retried"),
    ]
    assert 'check constraint "trap"' in outcomes[1]["reason"]
    assert outcomes[3]["reason"] == "unknown message id"
    kept = sql("SELECT status, retries, reason FROM dead_facts WHERE id IN (1, 3) ORDER BY id")
    assert [(row["status"], row["retries"]) for row in kept] == [("open", 1), ("open", 1)]
    assert kept[1]["reason"] == "unknown message id"
    assert "trap.01" not in executions(sql)


def test_a_whole_entry_is_applied_once_whoever_brings_it(lk: Run, sql: Sql, tell: Tell) -> None:
    assert lk("dead", "retry", "4").code == 0
    assert executions(sql) == ["a.01", "w.01", "w.02"]
    assert sql("SELECT facts FROM inbox WHERE epoch = 4") == [{"facts": 2}]
    assert sql("SELECT 1 FROM broker_sessions WHERE first_entry_ms = 0") == []
    fence = ResyncFenced(received_at=at(1), trigger="connect", started_at=at(0), ok=True)
    tell(Link(EPOCH + 1).entry(fence))
    assert sql("SELECT 1 FROM sync_log") == []


def test_who_retried_and_dropped_what_is_written_down(lk: Run, sql: Sql) -> None:
    assert lk("dead", "retry", "1", "2").code == 1
    assert lk("dead", "drop", "1", "3").code == 0
    written = sql("SELECT kind, action, target, outcome FROM audit_log ORDER BY id")
    assert [tuple(row.values()) for row in written] == [
        ("cli", "dead_retry", "1", "still_dead"),
        ("cli", "dead_retry", "2", "ok"),
        ("cli", "dead_drop", "1", "ok"),
        ("cli", "dead_drop", "3", "ok"),
    ]


def test_retrying_can_be_narrowed(lk: Run, sql: Sql) -> None:
    assert lk("dead", "retry", "--all", "--category", "database").code == 1
    assert lk("dead", "retry", "--all", "--account", "DU1234567").code == 1
    assert statuses(sql) == ["open", "retried", "open", "open"]


def test_what_is_dropped_is_kept_and_stands_open_no_more(lk: Run, sql: Sql, tell: Tell, url: str) -> None:
    assert lk("dead", "drop", "3").out == "Dropped: 3.\n"
    assert lk("dead", "drop", "3", "1", "--json").data == {"dropped": [1]}
    assert statuses(sql) == ["dropped", "open", "dropped", "open"]

    async def counted() -> tuple[list[DeadRow], int]:
        database = Database(load_settings(database_url=url).require_database_url(), application="test")
        async with database.read() as reader:
            found = await dead_by_category(reader), len(await last_errors(reader, limit=10))
        await database.close()
        return found

    (by_category,), errors = asyncio.run(counted())
    assert (by_category.category, by_category.kinds, errors) == ("parsing", 2, 2)
    tell(Link(EPOCH + 5).entry(unreadable('["4711"]', seconds=9)))
    (row,) = sql("SELECT status, occurrences, epoch FROM dead_facts WHERE id = 3")
    assert (row["status"], row["occurrences"], row["epoch"]) == ("dropped", 2, EPOCH + 5)
    assert lk("dead", "retry", "3").code == 1, "what is named is tried"
    assert statuses(sql)[2] == "dropped"


def test_what_was_retried_well_and_comes_again_unreadable_stands_open_again(
    lk: Run, sql: Sql, tell: Tell
) -> None:
    assert lk("dead", "retry", "2").code == 0
    tell(Link(EPOCH + 5).entry(unreadable(FRAME, seconds=9)))
    (row,) = sql("SELECT status, resolved_at, occurrences FROM dead_facts WHERE id = 2")
    assert row == {"status": "open", "resolved_at": None, "occurrences": 2}


def test_everything_is_dropped_only_when_that_is_meant(lk: Run, sql: Sql) -> None:
    said = lk("dead", "drop", "--all")
    assert said.code == 2
    assert "--yes" in said.err
    assert set(statuses(sql)) == {"open"}
    assert lk("dead", "drop", "--all", "--yes", "--category", "parsing").code == 0
    assert statuses(sql) == ["open", "dropped", "dropped", "dropped"]
    assert "none of it stood open" in lk("dead", "drop", "2").out


@pytest.mark.parametrize("command", ["show", "retry", "drop"])
def test_an_unknown_id_is_named_and_nothing_is_done(command: str, lk: Run, sql: Sql) -> None:
    said = lk("dead", command, *(("404",) if command == "show" else ("2", "404", "405")))
    assert said.code == 2
    assert "404" in said.err
    assert "lotkeeper dead list --all" in said.err
    assert set(statuses(sql)) == {"open"}


@pytest.mark.parametrize(
    "arguments", [("retry",), ("drop",), ("retry", "1", "--all"), ("retry", "1", "--category", "parsing")]
)
def test_which_ones_has_to_be_said_once(arguments: tuple[str, ...], lk: Run, sql: Sql) -> None:
    assert lk("dead", *arguments).code == 2
    assert set(statuses(sql)) == {"open"}


@pytest.mark.parametrize("arguments", [("list",), ("show", "1"), ("retry", "--all"), ("drop", "1")])
def test_without_a_database_it_is_exit_code_3(
    arguments: tuple[str, ...], lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", f"postgresql://nobody@127.0.0.1:{unused_port}/nothing")
    assert lotkeeper("dead", *arguments).code == 3


def test_redis_that_is_away_stops_no_retry(
    lk: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_REDIS_URL", f"redis://127.0.0.1:{unused_port}/0")
    assert lk("dead", "retry", "2").code == 0
    assert statuses(sql)[1] == "retried"
