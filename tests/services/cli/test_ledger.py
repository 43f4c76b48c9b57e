"""`lotkeeper ledger …` and `lotkeeper validate …` on a real database, as a person or a program uses them."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.settings import load_settings
from models.queries.realized_differences import RealizedTotal
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.validate import BrokerFound
from tests.services.cli.conftest import Said, Sql, noted, write_demo_runtime
from tests.services.position_sync.facts import ACCOUNT, ACME, GOLD, Link, commission, execution, position

Run = Callable[..., Said]


@pytest.fixture
def ledger_url(url: str) -> str:
    """A database with a small ledger, of which every figure of the broker's agrees."""
    asyncio.run(_fill(url))
    return url


async def _fill(url: str) -> None:
    settings = load_settings(database_url=url, redis_url="redis://127.0.0.1:1")
    database = Database(settings.require_database_url(), application="test")
    # Without Redis what is announced stays in the outbox.
    from core.streams.memory import MemoryStreams  # noqa: PLC0415 - only here

    async def nobody(_account: str, _trigger: str) -> None: ...

    relay = Relay(database, MemoryStreams(), settings, ask_for_comparison=nobody)
    await relay.handle(
        [
            Link().entry(
                execution("a.01", "10", "100"),
                execution("b.01", "10", "110", seconds=1),
                execution("c.01", "-10", "120", seconds=2),
                execution("g.01", "1", "2000", instrument=GOLD, seconds=3),
                commission("a.01"),
                commission("b.01"),
                commission("c.01", realized="198"),
                position("10", "110.1", seconds=5),
            )
        ]
    )
    await database.close()


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, ledger_url: str) -> Run:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", ledger_url)
    return lotkeeper


def test_a_ledger_that_is_right_is_said_to_be_and_is_exit_code_0(lk: Run) -> None:
    said = lk("validate", "ledger")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("The ledger is right: 2 books, 4 executions, ")


def test_differences_are_printed_and_are_exit_code_5(lk: Run, sql: Sql) -> None:
    sql("UPDATE lots SET remaining = 3 WHERE exec_id = 'g.01'")
    said = lk("validate", "ledger")
    assert said.code == 5
    assert "lotkeeper ledger rebuild" in said.err
    (row,) = [line.split() for line in said.out.splitlines() if " lots " in line]
    assert row[:3] == [ACCOUNT, str(GOLD.conid), "lots"]
    assert row[-3:] == ["remaining", "3", "1"]
    told = lk("validate", "ledger", "--json").data
    assert told["differences"] == [
        {
            "account": ACCOUNT,
            "conid": GOLD.conid,
            "table": "lots",
            "key": " ".join(row[3:5]),
            "field": "remaining",
            "stored": "3",
            "fresh": "1",
        }
    ]
    assert (told["differing_books"], told["differences_left_out"]) == (1, 0)
    assert lk("validate").code == 5


def test_books_that_are_to_be_folded_again_are_waiting_and_not_wrong(lk: Run, sql: Sql) -> None:
    sql(f"UPDATE ledger_books SET quantity = 7, dirty = true WHERE conid = {ACME.conid}")  # noqa: S608 - the test's own words
    said = lk("validate", "ledger", "--json")
    assert said.code == 0
    assert said.data["waiting_books"] == [{"account": ACCOUNT, "conid": ACME.conid}]
    assert "1 books wait" in lk("validate", "ledger").out


def test_a_dry_run_says_what_would_change_and_a_rebuild_changes_it(lk: Run, sql: Sql) -> None:
    sql("UPDATE positions SET realized_pnl = 5 WHERE realized_pnl <> 0")
    dry = lk("ledger", "rebuild", "--dry-run")
    assert dry.code == 0
    assert "1 would be changed" in dry.out
    assert next(line.split()[:4] for line in dry.out.splitlines() if line.startswith("USD")) == [
        "USD",
        "5",
        "198",
        "193",
    ]
    assert "realized_pnl" in dry.out
    told = lk("ledger", "rebuild", "--dry-run", "--json").data
    assert [(one["field"], one["stored"], one["fresh"]) for one in told["differences"]] == [
        ("realized_pnl", "5", "198")
    ]
    assert lk("validate", "ledger").code == 5
    done = lk("ledger", "rebuild", "--json")
    assert (done.code, done.data["changed_books"]) == (0, 1)
    assert done.data["realized"] == [
        {"currency": "USD", "before": "5", "unknown_before": 0, "after": "198", "unknown_after": 0}
    ]
    assert lk("validate", "ledger").code == 0
    again = lk("ledger", "rebuild")
    assert "nothing was written" in again.out
    assert noted(lk) == [("ledger_rebuild", "", "ok")] * 2


def test_redis_that_is_away_stops_no_rebuild(
    lk: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    sql("UPDATE positions SET realized_pnl = 5")
    monkeypatch.setenv("LOTKEEPER_REDIS_URL", f"redis://127.0.0.1:{unused_port}/0")
    assert lk("ledger", "rebuild").code == 0
    assert lk("validate", "ledger").code == 0


def test_the_cost_method_is_shown_set_and_folded_with(lk: Run) -> None:
    assert lk("ledger", "method", ACCOUNT).out == f"{ACCOUNT}: fifo\n"
    said = lk("ledger", "method", ACCOUNT, "lifo", "--json")
    assert said.code == 0
    assert said.data["cost_method"] == "lifo"
    assert said.data["rebuilt"]["changed_books"] == 2
    assert said.data["rebuilt"]["realized"][0]["after"] == "98"
    assert lk("ledger", "method", ACCOUNT, "--json").data == {"account": ACCOUNT, "cost_method": "lifo"}
    assert lk("validate", "ledger").code == 0
    assert noted(lk) == [("cost_method", f"{ACCOUNT} lifo", "ok")]


@pytest.mark.parametrize(
    "command",
    [
        ("ledger", "method", "DU404"),
        ("ledger", "method", "DU404", "lifo"),
        ("ledger", "rebuild", "--account", "DU404"),
        ("validate", "--account", "DU404"),
        ("validate", "ledger", "--account", "DU404"),
    ],
)
def test_an_unknown_account_is_named_with_those_that_are_known(lk: Run, command: tuple[str, ...]) -> None:
    said = lk(*command)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"Error: There is no account DU404 here. Known accounts: {ACCOUNT}.\n"


def test_an_unknown_method_is_refused_with_those_there_are(lk: Run) -> None:
    said = lk("ledger", "method", ACCOUNT, "dearest")
    assert said.code == 2
    for method in ("fifo", "lifo", "hifo", "average"):
        assert method in said.err


def test_our_realized_figures_are_held_to_the_brokers(lk: Run, sql: Sql) -> None:
    said = lk("validate", "--json", "--days")
    assert said.code == 0
    (total,) = said.data["broker"]["realized"]
    assert (total["compared"], total["agreeing"], total["differing"], total["missing"]) == (1, 1, 0, 0)
    assert (total["account"], total["currency"]) == (ACCOUNT, "USD")
    assert (total["realized_pnl"], total["broker_realized_pnl"], total["difference"]) == ("198", "198", "0")
    assert [day["day"] for day in said.data["broker"]["days"]] == ["2026-11-20"]
    assert said.data["broker"]["awaited_commissions"][0]["executions"] == 1
    sql("UPDATE commission_reports SET realized_pnl = 197.99 WHERE exec_id = 'c.01'")
    said = lk("validate", "--json")
    assert said.code == 5
    (fill,) = said.data["broker"]["largest"]
    told = (fill["exec_id"], fill["symbol"], fill["realized_pnl"], fill["broker_realized_pnl"])
    assert told == ("c.01", "ACME", "198", "197.99")
    assert fill["difference"] == "0.01"
    text = lk("validate").out
    assert ["c.01", ACCOUNT, "ACME", "USD", "198", "197.99", "0.01"] in [
        line.split() for line in text.splitlines()
    ]


def test_half_a_cent_is_still_the_same(lk: Run, sql: Sql) -> None:
    sql("UPDATE commission_reports SET realized_pnl = 198.005 WHERE exec_id = 'c.01'")
    assert lk("validate").code == 0


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("quantity_mismatch", 5),
        ("missing_local", 5),
        ("missing_broker", 5),
        ("cost_mismatch", 0),
        ("provisional", 0),
    ],
)
def test_what_is_held_must_be_the_brokers_and_costs_are_only_told(
    lk: Run, sql: Sql, kind: str, code: int
) -> None:
    sql(
        "INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since) "  # noqa: S608 - the same
        f"VALUES ('{ACCOUNT}', {ACME.conid}, '{kind}', 1, 2, now())"
    )
    said = lk("validate")
    assert said.code == code
    assert kind in said.out
    sql(
        "UPDATE reconciliation_differences SET acknowledged_at = now(), acknowledged_by = 'anna', "
        "note = 'known', acknowledged_ours = ours, acknowledged_brokers = brokers"
    )
    known = lk("validate")
    assert known.code == 0
    assert kind in known.out, "it is a difference still"
    sql("UPDATE reconciliation_differences SET resolved_at = now()")
    assert lk("validate").code == 0


def test_options_before_the_subcommand_are_refused_not_ignored(lk: Run) -> None:
    said = lk("validate", "--json", "ledger")
    assert said.code == 2
    assert "after `ledger`" in said.err


def test_a_database_of_another_version_is_sent_to_migrate(lk: Run, sql: Sql) -> None:
    sql("UPDATE alembic_version SET version_num = '0001'")
    said = lk("validate", "ledger")
    assert said.code == 3
    assert said.err.endswith("Run: lotkeeper migrate\n")


def test_the_database_of_the_running_stack_is_used(
    lotkeeper: Run, tmp_path: Any, ledger_url: str, sql: Sql
) -> None:
    sql("UPDATE installation SET profile = 'demo'")
    write_demo_runtime(tmp_path / "home", "http://127.0.0.1:1", ledger_url)
    said = lotkeeper("validate", "ledger", "--json")
    assert (said.code, json.loads(said.out)["books"]) == (0, 2)


@pytest.mark.parametrize("command", [("ledger", "rebuild"), ("validate",), ("ledger", "method", "DU1")])
def test_without_a_database_the_setting_is_named(lotkeeper: Run, command: tuple[str, ...]) -> None:
    said = lotkeeper(*command)
    assert said.code == 6
    assert "LOTKEEPER_DATABASE_URL is not set" in said.err


def test_no_figure_is_cut_short_however_narrow_the_terminal(lk: Run, sql: Sql) -> None:
    sql("UPDATE commission_reports SET realized_pnl = 123456789.123456 WHERE exec_id = 'c.01'")
    said = lk("validate")
    assert "123456789.123456" in said.out
    assert ACCOUNT in said.out
    assert "…" not in said.out


def test_an_estimate_that_is_off_is_told_and_is_no_failure() -> None:
    total = RealizedTotal(
        ACCOUNT,
        "USD",
        Decimal(10),
        Decimal(11),
        Decimal(-1),
        2,
        differing=1,
        missing=0,
        unknown=0,
        estimated=1,
    )
    told = BrokerFound([total], [], [], [], [], [])
    assert not told.differs
    assert told._replace(totals=[total._replace(differing=2)]).differs


OF_TOMORROW = (
    "INSERT INTO raw_payloads VALUES ('x', 1, '', now())",
    """INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report)
    VALUES ('flex', 'a.xml', 'x', 'done', 'cli', now() + interval '3 days', now(), '{}')""",
)


def test_what_the_rules_find_is_told_kept_as_an_issue_and_exit_code_5_until_it_is_known(
    lk: Run, sql: Sql
) -> None:
    assert lk("validate").code == 0
    sql(*OF_TOMORROW)
    said = lk("validate")
    assert said.code == 5
    assert "docs/reference/rules.md" in said.err
    assert "future-date: Check the clocks" in said.out
    told = {one["rule"]: one for one in lk("validate", "--json").data["rules"]}
    (finding,) = told["future-date"]["findings"]
    assert (told["future-date"]["severity"], finding["account"]) == ("error", None)
    sql("UPDATE issues SET acknowledged_at = now(), acknowledged_by = 'me' WHERE rule = 'future-date'")
    said = lk("validate")
    assert (said.code, "import" in said.out) == (0, True)
    sql("UPDATE imports SET stated_at = now()")
    assert "future-date" not in lk("validate").out


def test_warnings_are_told_and_are_no_failure(lk: Run) -> None:
    said = lk("validate", "--account", ACCOUNT, "--since", "2026-11-01")
    assert (said.code, "missing-commission" in said.out) == (0, True)
    assert lk("validate", "--since", "yesterday").code == 2


def test_the_rules_are_listed_without_a_database(lotkeeper: Run) -> None:
    said = lotkeeper("validate", "rules")
    assert said.code == 0
    assert "account-value (error) Cash and positions" in said.out
    assert "account_value_least = 1: in the base currency" in said.out
    told = lotkeeper("validate", "rules", "--json").data
    assert "worse: at least 1.5 times as much, and by 0.005 or more" in said.out
    magnitude = {"magnitude", "magnitude_kind", "worse"}
    assert {"name", "title", "severity", "checks", "tolerances", "remedy"} | magnitude == set(told[0])
