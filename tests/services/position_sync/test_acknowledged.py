"""What somebody said to know of counts until it is gone and comes again, or is much worse."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from core.domain.rules import Finding, Magnitude
from models.queries.rules.catalogue import BY_NAME, RULES
from models.session import Database
from models.stores.issues import acknowledge
from services.position_sync.rule_check import check_rules
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.test_rule_check import ISSUES, NOW, finding, rule_of


async def _find(database: Database, *findings: Finding, magnitude: Magnitude | None) -> Any:
    rule = rule_of(findings, magnitude=magnitude)
    (report,) = await check_rules(database, rules=[rule], now=NOW)
    return report.opened, report.resolved


async def test_what_became_much_worse_than_what_was_acknowledged_wants_attention_again(
    database: Database, rows: Rows
) -> None:
    known = "SELECT acknowledged_at IS NOT NULL AS known, reopened, note FROM issues"
    find = partial(_find, magnitude=Magnitude("count", "units", times=Decimal(2)))
    await find(database, finding(magnitude=10))
    (issue,) = await rows(ISSUES)
    async with database.write() as writer:
        await acknowledge(writer, issue["id"], by="token", note="a transfer", now=NOW)
    for magnitude in (19, 3, 19):
        assert await find(database, finding(magnitude=magnitude)) == (0, 0)
    assert await rows(known) == [{"known": True, "reopened": 0, "note": "a transfer"}]
    assert await find(database, finding(magnitude=20)) == (1, 0)
    assert await rows(known) == [{"known": False, "reopened": 1, "note": None}]
    past = "SELECT acknowledged_by, magnitude, note, ended FROM issue_acknowledgements ORDER BY id"
    first = {"acknowledged_by": "token", "magnitude": Decimal(10), "note": "a transfer", "ended": "worse"}
    assert await rows(past) == [first]
    (again,) = await rows(ISSUES)
    assert again["opened_at"] == again["last_seen"] > again["first_seen"]
    async with database.write() as writer:
        await acknowledge(writer, issue["id"], by="page", note=None, now=NOW)
    assert await find(database, finding(magnitude=39)) == (0, 0)
    assert await find(database) == (0, 1)
    assert await find(database, finding(magnitude=1)) == (1, 0)
    assert await rows(past) == [
        first,
        {"acknowledged_by": "page", "magnitude": Decimal(20), "note": None, "ended": "again"},
    ]


async def test_what_was_acknowledged_before_it_had_a_magnitude_is_held_against_the_first(
    database: Database, rows: Rows
) -> None:
    find = partial(_find, magnitude=Magnitude("count", "units", times=Decimal(2)))
    await find(database, finding())
    (issue,) = await rows(ISSUES)
    async with database.write() as writer:
        await acknowledge(writer, issue["id"], by="token", note=None, now=NOW)
    assert await find(database, finding(magnitude=7)) == (0, 0)
    assert await find(database, finding(magnitude=0)) == (0, 0)
    assert await find(database, finding(magnitude=14)) == (1, 0)


@pytest.mark.parametrize(
    ("name", "known", "no_worse", "worse"),
    [
        ("account-value", "0.02", "0.029", "0.03"),
        ("account-value", "0.002", "0.0069", "0.007"),
        ("fx-hole", "1", "7", "8"),
        ("snapshot-gap", "3", "26", "27"),
        ("snapshot-gap", "100", "199", "200"),
        ("data-gap", "100", "100", "101"),
        ("broker-difference", "100", "100", "100.0001"),
        ("lots-sum", "100", "100", "100.0001"),
        ("cost-difference", "0.02", "1.01", "1.02"),
        ("cost-difference", "50", "99", "100"),
        ("realized-difference", "1", "1.0049", "1.02"),
        ("missing-commission", "1", "5", "6"),
        ("missing-commission", "20", "39", "40"),
        ("statement-difference", "0.01", "1", "1.01"),
        ("statement-difference", "500", "999", "1000"),
        ("dead-fact", "2", "11", "12"),
        ("dead-fact", "30", "59", "60"),
    ],
)
async def test_what_is_worse_is_told_by_each_rule_in_its_own_unit(
    name: str, known: str, no_worse: str, worse: str, database: Database, rows: Rows
) -> None:
    find = partial(_find, magnitude=BY_NAME[name].magnitude)
    bad = {told: finding()._replace(magnitude=Decimal(told)) for told in (known, no_worse, worse)}
    await find(database, bad[known])
    (issue,) = await rows(ISSUES)
    async with database.write() as writer:
        await acknowledge(writer, issue["id"], by="token", note=None, now=NOW)
    assert await find(database, bad[no_worse]) == (0, 0)
    assert await find(database, bad[worse]) == (1, 0)


def test_each_rule_that_tells_how_bad_it_is_tells_what_is_worse() -> None:
    told = {rule.name: rule.magnitude for rule in RULES if rule.magnitude is not None}
    assert all(one.times >= 1 and one.more >= 0 and one.meaning for one in told.values())
    assert told["account-value"].worse == "at least 1.5 times as much, and by 0.005 or more"
    assert told["fx-hole"].worse == "by 7 or more"
    assert told["lots-sum"].worse == "by however little"
    assert {name: one.kind for name, one in told.items()} == {
        "account-value": "share",
        "fx-hole": "time",
        "lots-sum": "count",
        "snapshot-gap": "time",
        "data-gap": "time",
        "broker-difference": "count",
        "cost-difference": "amount",
        "realized-difference": "amount",
        "missing-commission": "count",
        "statement-difference": "amount",
        "dead-fact": "count",
    }
