"""`lotkeeper login …` on a real database."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
import typer

from models.stores import leases
from tests.services.cli.conftest import Said, Sql, noted

Run = Callable[..., Said]
GONE, HERE, NEW = "10.0.0.7:4001", "127.0.0.1:4002", "127.0.0.1:7497"
LISTED = "SELECT account FROM broker_accounts WHERE listed ORDER BY account"
LINKS = "SELECT login FROM broker_links ORDER BY login"


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str, sql: Sql) -> Run:
    """A login that nobody serves any more, one that is served, and one that lists nothing yet."""
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(
        "INSERT INTO broker_sessions "  # noqa: S608 - ours
        "(epoch, login, holder, place, started_at) OVERRIDING SYSTEM VALUE VALUES "
        f"(1, '{GONE}', 'attic:1', 'p1', now()), (2, '{GONE}', 'attic:2', 'p1', now()), "
        f"(3, '{HERE}', 'desk:3', 'p2', now())",
        "INSERT INTO broker_accounts "  # noqa: S608 - ours
        "(account, paper, listed, login, first_seen_at, last_seen_at) VALUES "
        f"('U1', false, true, '{GONE}', now(), now()), ('U2', false, false, '{GONE}', now(), now()), "
        f"('U3', false, true, '{HERE}', now(), now()), ('U4', false, true, '{GONE}', now(), now())",
        "INSERT INTO broker_links "  # noqa: S608 - ours
        "(login, gateway, ibkr, state, reason, since, updated_at, epoch, heard_at) "
        f"VALUES ('{GONE}', 'up', 'up', 'live', '', now(), now(), 2, now() - interval '3 hours'), "
        f"('{HERE}', 'up', 'up', 'live', '', now(), now(), 3, now()), "
        f"('{NEW}', 'down', 'unknown', 'needs_login', 'needs_login', now(), now(), 0, now())",
    )
    return lotkeeper


def listed(sql: Sql) -> list[str]:
    return [row["account"] for row in sql(LISTED)]


def test_each_login_is_listed_with_its_link_its_accounts_and_who_serves_it(lk: Run) -> None:
    told = {one["login"]: one for one in lk("login", "list", "--json").data}
    assert list(told) == [GONE, HERE, NEW]
    assert (told[GONE]["accounts"], told[GONE]["runs"], told[GONE]["holder"]) == (
        ["U1", "U4"],
        False,
        "attic:2",
    )
    assert told[GONE]["silent_seconds"] >= 3 * 3600
    assert (told[HERE]["accounts"], told[HERE]["runs"], told[HERE]["place"]) == (["U3"], True, "p2")
    assert (told[NEW]["accounts"], told[NEW]["state"], told[NEW]["holder"]) == ([], "needs_login", None)
    _, names, *rows = lk("login", "list", "--plain").out.splitlines()
    assert names.split("\t") == ["login", "link", "since", "accounts", "last heard of", "served by"]
    fields = [row.split("\t") for row in rows]
    assert [(one[0], one[1], one[3], one[5]) for one in fields] == [
        (GONE, "not running, last live", "U1, U4", "attic:2 (p1)"),
        (HERE, "live", "U3", "desk:3 (p2)"),
        (NEW, "needs login", "", ""),
    ]
    assert fields[0][4] == "3 h 0 min ago"


def test_nothing_is_listed_before_any_link_was_heard_of(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    assert lotkeeper("login", "list").out.startswith("No link was heard of yet")


def test_a_login_that_is_given_up_is_told_of_no_more(lk: Run, sql: Sql) -> None:
    said = lk("login", "end", GONE, "--yes")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{GONE} is given up; listed no more: U1, U4. What was recorded stays, ")
    assert listed(sql) == ["U3"]
    assert [row["login"] for row in sql(LINKS)] == [HERE, NEW]
    # Nobody listens under its sessions any more; those of others go on.
    assert sql("SELECT epoch FROM broker_sessions WHERE ended_at IS NULL") == [{"epoch": 3}]
    assert noted(lk) == [("login_end", GONE, "ok")]
    (entry,) = sql("SELECT kind, message, details ->> 'accounts' AS accounts FROM sync_log")
    assert entry == {"kind": "login", "message": f"{GONE} was given up", "accounts": '["U1", "U4"]'}
    (waits,) = sql("SELECT convert_from(payload, 'utf8') AS told FROM outbox")
    assert '{"type":"accounts","accounts":["U1","U4"]}' in waits["told"]
    assert [one["login"] for one in lk("login", "list", "--json").data] == [HERE, NEW]
    again = lk("login", "end", GONE, "--yes")
    assert (again.code, again.err) == (
        2,
        f"Error: There is no login {GONE} here. Known logins: {HERE}, {NEW}.\n",
    )


def test_one_whose_link_was_heard_of_lately_goes_on(lk: Run, sql: Sql) -> None:
    refused = lk("login", "end", HERE, "--yes")
    assert refused.code == 1
    assert f"The link of {HERE} was heard of " in refused.err
    assert "Stop it first (desk:3)" in refused.err
    assert (listed(sql), noted(lk)) == (["U1", "U3", "U4"], [])
    # One that said that it was stopped does not run, however lately that was.
    sql(f"UPDATE broker_links SET reason = 'broker_link_down' WHERE login = '{HERE}'")  # noqa: S608 - ours
    assert lk("login", "end", HERE, "--yes", "--json").data == {"login": HERE, "accounts": ["U3"]}
    assert lk("login", "end", NEW, "--yes").code == 1
    assert [row["login"] for row in sql(LINKS)] == [GONE, NEW]


def test_one_whose_link_holds_its_lock_goes_on_whoever_hears_of_it(lk: Run, sql: Sql, url: str) -> None:
    """The workers, or Redis, may be away: then nobody tells of a link that runs."""
    with asyncio.Runner() as runner:
        link = runner.run(asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql")))
        lock = leases.LOCK_CLASS, leases._number(f"login {GONE}")
        runner.run(link.execute("SELECT pg_advisory_lock($1, $2)", *lock))
        refused = lk("login", "end", GONE, "--yes")
        assert (refused.code, "holds its lock" in refused.err) == (1, True)
        assert listed(sql) == ["U1", "U3", "U4"]
        runner.run(link.close())
    assert lk("login", "end", GONE, "--yes").code == 0


def test_it_asks_whoever_can_answer(lk: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = lk("login", "end", GONE)
    assert refused.code == 2
    assert "Its accounts (U1, U4) would be listed no more. To do it, say --yes." in refused.err
    asked: list[str] = []

    def answer(question: str, **_: object) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", answer)
    assert (lk("login", "end", GONE).code, listed(sql)) == (2, ["U1", "U3", "U4"])
    assert (lk("login", "end", GONE).code, listed(sql)) == (0, ["U3"])
    assert asked == [f"Give {GONE} up? Its accounts (U1, U4) would be listed no more."] * 2
