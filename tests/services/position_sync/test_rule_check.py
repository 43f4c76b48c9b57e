"""The inbox says what rules found: once, until it is gone, whoever looked and whoever was killed over it."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from core.domain.rules import Finding
from core.settings import Settings
from models.queries.rules import catalogue
from models.queries.rules.catalogue import RULES
from models.queries.rules.rule import Rule, Scope
from models.session import Database, Reader
from models.stores.issues import Looked, Recorded, acknowledge, ask_check, record_look
from services.position_sync import rule_check
from services.position_sync.rule_check import check_rules, check_when_due
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.test_app import running
from tests.waiting import eventually

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUES = "SELECT * FROM issues ORDER BY id"


def rule_of(findings: Sequence[Finding], **fields: Any) -> Rule:
    """A rule that finds these."""

    async def check(_reader: Reader, scope: Scope) -> AsyncIterator[Finding]:
        for finding in findings:
            if scope.account is None or finding.account == scope.account:
                yield finding

    told = {"title": "", "severity": "error", "checks": "", "remedy": "", "check": check, **fields}
    return Rule(name="made-up", **told)


def finding(
    subject: str = "s",
    account: str | None = None,
    about: datetime | None = None,
    magnitude: int | None = None,
) -> Finding:
    bad = None if magnitude is None else Decimal(magnitude)
    return Finding(account, subject, f"{subject} is wrong", {"amount": Decimal("1.50")}, about, bad)


async def find(database: Database, *findings: Finding, **scope: Any) -> Any:
    (report,) = await check_rules(database, rules=[rule_of(findings)], now=NOW, **scope)
    return report.opened, report.resolved


@pytest.fixture
async def accounts(database: Database) -> Database:
    async with database.write() as writer:
        for account in ("A", "B"):
            await writer.execute(
                text(
                    "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
                    "VALUES (:account, true, now(), now())"
                ),
                {"account": account},
            )
    return database


async def test_the_same_finding_is_one_issue_resolved_when_it_is_gone_and_open_when_it_comes_again(
    database: Database, rows: Rows
) -> None:
    assert await find(database, finding()) == (1, 0)
    assert await find(database, finding()) == (0, 0)
    (first,) = await rows(ISSUES)
    assert (first["times_seen"], first["reopened"], first["resolved_at"]) == (2, 0, None)
    assert first["first_seen"] == first["opened_at"] < first["last_seen"]
    assert (first["summary"], first["details"]["amount"]) == ("s is wrong", "1.50")
    async with database.write() as writer:
        await acknowledge(writer, first["id"], by="token", note="known", now=NOW)
    assert await find(database, finding()) == (0, 0)
    (known,) = await rows(ISSUES)
    assert (known["acknowledged_by"], known["note"]) == ("token", "known")
    assert await find(database) == (0, 1)
    (gone,) = await rows(ISSUES)
    assert gone["resolved_at"] is not None
    assert await find(database) == (0, 0)
    assert await find(database, finding()) == (1, 0)
    (again,) = await rows(ISSUES)
    assert (again["id"], again["reopened"], again["resolved_at"]) == (first["id"], 1, None)
    assert again["opened_at"] > again["first_seen"] == first["first_seen"]
    assert (again["acknowledged_at"], again["note"]) == (None, None)


async def test_what_is_about_a_time_that_is_not_looked_at_any_more_stays(
    database: Database, rows: Rows
) -> None:
    old, new = NOW - timedelta(days=40), NOW - timedelta(days=1)
    assert await find(database, finding("old", about=old), finding("new", about=new)) == (2, 0)
    assert await find(database) == (0, 1)
    standing = "SELECT subject FROM issues WHERE resolved_at IS NULL"
    assert await rows(standing) == [{"subject": "old"}]
    assert await find(database, since=old) == (0, 1)


async def test_a_look_at_some_days_resolves_nothing_that_is_about_no_time(
    accounts: Database, rows: Rows
) -> None:
    standing = finding("stands"), finding("is", "A")
    yesterday = NOW - timedelta(days=1)
    new = finding("new", about=NOW - timedelta(hours=1))
    assert await find(accounts, *standing, new) == (3, 0)
    assert await find(accounts, since=yesterday) == (0, 1)
    assert await find(accounts, since=yesterday, account="A") == (0, 0)
    left = "SELECT subject FROM issues WHERE resolved_at IS NULL ORDER BY subject"
    assert [row["subject"] for row in await rows(left)] == ["is", "stands"]
    assert await find(accounts, account="A") == (0, 1), "all of the account was looked at"
    assert await find(accounts) == (0, 1)


async def test_looking_at_one_account_says_nothing_of_the_others(accounts: Database, rows: Rows) -> None:
    of_both = finding("s", "A"), finding("s", "B")
    assert await find(accounts, *of_both, finding("s")) == (3, 0)
    assert await find(accounts, account="A") == (0, 1)
    assert await rows("SELECT account FROM issues WHERE resolved_at IS NULL ORDER BY account") == [
        {"account": "B"},
        {"account": None},
    ]
    (check,) = await rows("SELECT found FROM rule_checks")
    assert check["found"] == 3, "that of all accounts is told"
    assert await check_rules(accounts, rules=[rule_of([], of_accounts=False)], account="A") == []


async def test_a_look_at_one_account_or_at_some_days_is_not_the_looking_of_the_night(
    accounts: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = rule_of([finding("s", "A")])
    monkeypatch.setattr(rule_check, "RULES", (rule,))
    async with accounts.write() as writer:
        await ask_check(writer, uuid.uuid4(), datetime.now(UTC))
    for part in ({"account": "B"}, {"since": datetime.now(UTC) - timedelta(days=3)}):
        await check_rules(accounts, rules=[rule], **part)
    told = await rows("SELECT whole_at, checked_at, found FROM rule_checks")
    assert told == [{"whole_at": None, "checked_at": None, "found": None}]
    await check_when_due(accounts, settings)
    (told,) = await rows("SELECT whole_at = checked_at AS well, found FROM rule_checks")
    assert told == {"well": True, "found": 1}
    assert await rows("SELECT status FROM jobs") == [{"status": "succeeded"}]
    await check_rules(accounts, rules=[rule], since=datetime.now(UTC) - timedelta(days=90))
    (further,) = await rows("SELECT now() - since > interval '80 days' AS further FROM rule_checks")
    assert further["further"], "what looks further back is a whole look"


async def test_a_part_that_is_looked_at_meanwhile_has_the_whole_looked_at_once_more(
    accounts: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def check(_reader: Reader, scope: Scope) -> AsyncIterator[Finding]:
        looked.append(scope.account or "all")
        if looked == ["all"]:
            await check_rules(accounts, account="A", rules=[rule])
        yield finding("s", "B")

    rule = rule_of([], check=check)
    monkeypatch.setattr(rule_check, "RULES", (rule,))
    monkeypatch.setattr(rule_check, "AGAIN_SECONDS", 0.0)
    for _ in range(2):
        await check_when_due(accounts, settings)
    assert looked == ["all", "A", "all"]
    assert await rows("SELECT account FROM issues") == [{"account": "B"}]


async def test_a_rule_that_fails_resolves_nothing_and_stops_no_other(database: Database, rows: Rows) -> None:
    await find(database, finding())

    async def fail(reader: Reader, _scope: Scope) -> AsyncIterator[Finding]:
        yield finding("half of it")
        await reader.execute(text("SELECT 1 / 0"))

    other = rule_of([finding("other")])
    reports = await check_rules(
        database, rules=[rule_of([], check=fail), Rule(**{**_fields(other), "name": "other"})]
    )
    assert [report.error is None for report in reports] == [False, True]
    assert {row["subject"]: row["resolved_at"] for row in await rows(ISSUES)} == {"s": None, "other": None}
    checks = await rows("SELECT rule, error IS NULL AS well, found FROM rule_checks ORDER BY rule")
    assert checks == [
        {"rule": "made-up", "well": False, "found": 1},
        {"rule": "other", "well": True, "found": 1},
    ]


def _fields(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in Rule.__slots__}


async def test_a_query_that_takes_too_long_fails_its_rule_alone(
    database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dawdle(reader: Reader, _scope: Scope) -> AsyncIterator[Finding]:
        await reader.execute(text("SELECT pg_sleep(600)"))
        yield finding()

    monkeypatch.setattr(rule_check, "STATEMENT_SECONDS", 0.05)
    (report,) = await check_rules(database, rules=[rule_of([], check=dawdle)])
    assert report.error is not None
    assert await rows(ISSUES) == []


async def test_what_is_wrong_too_often_is_cut_and_nothing_of_it_is_resolved(
    database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await find(database, finding("z"))
    monkeypatch.setattr(rule_check, "MOST_FINDINGS", 2)
    (report,) = await check_rules(database, rules=[rule_of([finding(one) for one in "abc"])])
    assert (report.is_cut, len(report.findings)) == (True, 2)
    assert [row["subject"] for row in await rows(ISSUES)] == ["z", "a", "b"]
    assert await rows("SELECT subject FROM issues WHERE resolved_at IS NOT NULL") == []
    assert await rows("SELECT is_cut FROM rule_checks") == [{"is_cut": True}]


async def test_what_an_earlier_look_found_is_not_recorded_over_a_later_ones(database: Database) -> None:
    later = datetime.now(UTC)

    async def record(at: datetime, *findings: Finding) -> Recorded:
        look = Looked("made-up", "error", at, at, None, findings, False, Decimal(1), None)
        async with database.write() as writer:
            return await record_look(writer, look)

    assert await record(later, finding()) == (1, 0)
    assert await record(later - timedelta(seconds=1)) == (0, 0)
    assert await record(later + timedelta(seconds=1)) == (0, 1)
    # What a clock wrote that has been set back keeps nobody out.
    await record(later + timedelta(days=1))
    assert await record(later + timedelta(seconds=2), finding()) == (1, 0)


async def test_two_workers_at_once_look_once_and_record_once(
    database: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def check(_reader: Reader, _scope: Scope) -> AsyncIterator[Finding]:
        looked.append("")
        await asyncio.sleep(0)
        yield finding()

    monkeypatch.setattr(rule_check, "RULES", (rule_of([], check=check),))
    await asyncio.gather(*(check_when_due(database, settings) for _ in range(4)))
    assert len(looked) == 1
    assert [row["times_seen"] for row in await rows(ISSUES)] == [1]


async def test_two_who_record_the_same_at_once_have_one_issue_of_it(database: Database, rows: Rows) -> None:
    findings = [finding(str(number)) for number in range(50)]
    await asyncio.gather(
        *(check_rules(database, rules=[rule_of(findings[::step])]) for step in (1, -1, 1, -1))
    )
    assert len(await rows(ISSUES)) == 50


async def test_it_is_done_once_a_night_from_the_owners_hour_on(
    database: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_check, "RULES", (rule_of([]),))
    (clock,) = await rows("SELECT clock_timestamp() AS now")
    nightly = settings.model_copy(update={"rules_hour": clock["now"].hour})
    count = "SELECT done FROM coalesced_jobs WHERE kind = 'rules'"
    for _ in range(2):
        await check_when_due(database, nightly)
        assert await rows(count) == [{"done": 1}], "what was never done is done at once, and then not again"
    async with database.write() as writer:
        await writer.execute(
            text("UPDATE coalesced_jobs SET done_at = date_trunc('hour', clock_timestamp()) - interval '1 s'")
        )
    for _ in range(2):
        await check_when_due(database, nightly)
        assert await rows(count) == [{"done": 2}]
    # The hour that is still to come has not come.
    later = settings.model_copy(update={"rules_hour": (clock["now"].hour + 2) % 24})
    async with database.write() as writer:
        await writer.execute(text("UPDATE coalesced_jobs SET done_at = clock_timestamp() - interval '10 h'"))
    await check_when_due(database, later)
    assert await rows(count) == [{"done": 2}]


async def test_a_worker_looks_at_all_rules_though_nobody_asks(settings: Settings, rows: Rows) -> None:
    async with running(settings):
        done = "SELECT done FROM coalesced_jobs WHERE kind = 'rules' AND done = wanted"
        assert await eventually(lambda: rows(done)) == [{"done": 1}]
    checks = await rows("SELECT rule, error FROM rule_checks")
    assert {row["rule"] for row in checks} == {rule.name for rule in RULES}
    assert {row["error"] for row in checks} == {None}


async def test_who_asks_is_told_what_it_came_to(
    database: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_check, "RULES", (rule_of([finding()]),))
    await check_when_due(database, settings)
    async with database.write() as writer:
        asked = await ask_check(writer, uuid.uuid4(), NOW)
    async with database.write() as writer:
        joined = await ask_check(writer, uuid.uuid4(), NOW)
    assert (joined.id, joined.joined, asked.joined) == (asked.id, True, False)
    await check_when_due(database, settings)
    (job,) = await rows("SELECT * FROM jobs")
    assert (job["id"], job["status"], job["kind"]) == (asked.id, "succeeded", "rules")
    assert job["details"] == {
        "rules": 1,
        "findings": 1,
        "failed": [],
        "open": {"error": 1, "warning": 0, "review": 0},
    }
    assert [row["times_seen"] for row in await rows(ISSUES)] == [2]


async def test_a_worker_killed_midway_leaves_the_rest_to_the_next(
    database: Database, settings: Settings, rows: Rows
) -> None:
    names = [rule.name for rule in RULES]
    async with database.write() as writer:
        asked = await ask_check(writer, uuid.uuid4(), NOW)
    child = os.fork()
    if not child:  # pragma: no cover - it dies
        try:
            asyncio.run(_die_at(settings, names[9]))
        finally:
            os._exit(1)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    done = {row["rule"]: row["looked_at"] for row in await rows("SELECT * FROM rule_checks")}
    assert set(done) == set(names[:9])
    assert await rows("SELECT status FROM jobs") == [{"status": "running"}]
    await check_when_due(database, settings)
    after = {row["rule"]: row["looked_at"] for row in await rows("SELECT * FROM rule_checks")}
    assert set(after) == set(names)
    assert {rule: after[rule] for rule in done} == done, "what had been looked at was not again"
    (job,) = await rows("SELECT id, status FROM jobs")
    assert (job["id"], job["status"]) == (asked.id, "succeeded")


async def _die_at(settings: Settings, name: str) -> None:
    async def die(_reader: Reader, _scope: Scope) -> AsyncIterator[Finding]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield finding()

    rule_check.RULES = tuple(
        Rule(**{**_fields(rule), "check": die}) if rule.name == name else rule for rule in RULES
    )
    await check_when_due(Database(settings.require_database_url(), application="dying"), settings)


async def test_what_takes_too_long_goes_on_in_another_go(
    database: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_check, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(rule_check, "AGAIN_SECONDS", 0.0)
    names = ("one", "two", "three")
    monkeypatch.setattr(
        rule_check, "RULES", tuple(Rule(**{**_fields(rule_of([])), "name": name}) for name in names)
    )
    await check_when_due(database, settings)
    assert {row["rule"] for row in await rows("SELECT rule FROM rule_checks")} == set(names)
    assert await rows("SELECT done FROM coalesced_jobs WHERE kind = 'rules'") == [{"done": 3}]


async def test_what_rules_found_that_are_no_more_is_resolved(
    database: Database, settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await find(database, finding())
    assert "made-up" not in catalogue.BY_NAME
    monkeypatch.setattr(rule_check, "RULES", ())
    await check_when_due(database, settings)
    assert [row["resolved_at"] is None for row in await rows(ISSUES)] == [False]
    assert await rows("SELECT rule FROM rule_checks") == []


async def test_of_nothing_nothing_is_found(database: Database) -> None:
    reports = await check_rules(database)
    assert [report.rule for report in reports] == list(RULES)
    assert [report.error for report in reports] == [None] * len(RULES)
    assert [one for report in reports for one in report.findings] == []
