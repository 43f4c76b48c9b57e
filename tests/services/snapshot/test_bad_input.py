"""Bad input on the whole way of a snapshot, from what the link left in PostgreSQL to what is kept.

Of a broker that is offline, values that are missing, a clock that jumps, daylight saving and the turn of the
year tells ``test_runs``, of months that nobody prepared ``test_keeper``, and of two workers that arq wakes
``tests/services/cli/test_snapshotting``.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.settings import Settings
from models.session import Database
from services.snapshot.runs import Snapshots
from tests.services.snapshot.world import ACME, CALL, FIRST, HOUR, SECOND, VOD, Hand, run_sql, seed, tell


async def position(database: Database, conid: int) -> dict[str, Any]:
    (row,) = await run_sql(
        database,
        "SELECT mark_price, market_value, fx_rate, market_value_base, fresh FROM snapshot_positions "
        "WHERE conid = :conid",
        conid=conid,
    )
    return row


async def take(database: Database, taker: Snapshots) -> Decimal:
    """Take the hour's snapshot; its coverage."""
    report = await taker.take_hour()
    assert report is not None
    assert (report.status, report.positions) == ("success", 3)
    (row,) = await run_sql(database, "SELECT coverage FROM snapshots")
    return Decimal(row["coverage"])


@pytest.mark.parametrize(
    ("price", "value"),
    [("0", "0"), ("NaN", "NaN"), ("Infinity", "-Infinity"), ("1e40", "1e42"), (None, None)],
)
async def test_a_mark_that_no_share_can_have_is_none_and_its_value_is_unknown_and_not_zero(
    database: Database, taker: Snapshots, price: str | None, value: str | None
) -> None:
    await seed(database, FIRST)
    await run_sql(
        database,
        "UPDATE marks SET market_price = CAST(CAST(:price AS text) AS numeric), "
        "market_value = CAST(CAST(:value AS text) AS numeric) WHERE conid = :acme",
        price=price,
        value=value,
        acme=ACME,
    )
    # It weighs what it had cost: 15,001 of 16,249.802 in all.
    assert await take(database, taker) == Decimal("0.076850")
    assert await position(database, ACME) == {
        "mark_price": None,
        "market_value": None,
        "fx_rate": 1,
        "market_value_base": None,
        "fresh": False,
    }
    assert (await position(database, VOD))["market_value_base"] == Decimal("948.802")


async def test_an_option_that_is_worth_nothing_is_worth_zero(database: Database, taker: Snapshots) -> None:
    await seed(database, FIRST)
    await run_sql(
        database, "UPDATE marks SET market_price = 0, market_value = 0 WHERE conid = :call", call=CALL
    )
    assert await take(database, taker) == 1
    found = await position(database, CALL)
    assert (found["mark_price"], found["market_value"], found["fresh"]) == (0, 0, True)


@pytest.mark.parametrize("rate", [None, "0", "-1.3", "NaN", "nonsense"])
async def test_what_no_rate_converts_has_a_value_in_its_own_currency_only(
    database: Database, taker: Snapshots, rate: str | None
) -> None:
    await seed(database, FIRST)
    if rate is None:
        await run_sql(database, "DELETE FROM account_values WHERE key = 'ExchangeRate' AND currency = 'GBP'")
    else:
        await run_sql(
            database,
            "UPDATE account_values SET value = :rate WHERE key = 'ExchangeRate' AND currency = 'GBP'",
            rate=rate,
        )
    coverage = await take(database, taker)
    assert 0 < coverage < 1, "it counts as much as the others on average"
    assert await position(database, VOD) == {
        "mark_price": Decimal("72.4"),
        "market_value": 724,
        "fx_rate": None,
        "market_value_base": None,
        "fresh": True,
    }
    assert await run_sql(database, "SELECT id FROM fx_rates") == []


async def test_a_rate_of_the_connection_before_this_one_is_none(database: Database, taker: Snapshots) -> None:
    await seed(database, FIRST)
    await run_sql(
        database, "UPDATE account_values SET epoch = 6 WHERE key = 'ExchangeRate' AND currency = 'GBP'"
    )
    await take(database, taker)
    assert (await position(database, VOD))["market_value_base"] is None


@pytest.mark.parametrize("value", ["", "NaN", "1.7976931348623157E308", "n/a"])
async def test_figures_that_are_no_numbers_are_unknown_and_the_rest_is_kept(
    database: Database, taker: Snapshots, value: str
) -> None:
    await seed(database, FIRST)
    await run_sql(
        database,
        "UPDATE account_values SET value = :value WHERE key IN ('TotalCashValue', 'GrossPositionValue') "
        "OR (key = 'CashBalance' AND currency = 'GBP')",
        value=value,
    )
    await take(database, taker)
    (row,) = await run_sql(
        database, "SELECT net_liquidation, total_cash, gross_position_value FROM snapshots"
    )
    assert tuple(row.values()) == (Decimal("118902.44"), None, None)
    cash = await run_sql(database, "SELECT currency FROM cash_balances ORDER BY currency")
    assert [row["currency"] for row in cash] == ["BASE_SUMMARY", "USD"]


async def test_two_schedulers_whose_clocks_differ_take_each_hour_once_at_the_turn_of_the_year(
    database: Database, settings: Settings
) -> None:
    turn = datetime(2027, 1, 1, tzinfo=UTC)
    await seed(database, FIRST, SECOND, at=turn - timedelta(hours=1))
    behind, ahead = Hand(turn - timedelta(seconds=59)), Hand(turn + timedelta(seconds=1))
    await tell(database, turn - timedelta(seconds=30), FIRST, SECOND)
    takers = [Snapshots(database, settings, clock=one) for one in (behind, ahead, behind, ahead)]
    await asyncio.gather(*(one.take_hour() for one in takers))
    rows = await run_sql(database, "SELECT account, hour FROM snapshots ORDER BY hour, account")
    hours = [turn - timedelta(hours=1), turn]
    assert [(row["hour"], row["account"]) for row in rows] == [
        (hour, account) for hour in hours for account in (FIRST, SECOND)
    ]
    runs = await run_sql(database, "SELECT hour, status, attempts FROM snapshot_runs ORDER BY hour")
    assert [tuple(row.values()) for row in runs] == [(hour, "success", 1) for hour in hours]
    # Each snapshot is in the month of the broker's time, and its hour's row in the day that it ends.
    days = await run_sql(database, "SELECT DISTINCT ts, day FROM performance_metrics ORDER BY ts")
    assert [str(row["day"]) for row in days] == ["2026-12-31", "2026-12-31"]


async def test_a_clock_that_jumps_ahead_for_a_moment_and_comes_back_leaves_the_hours_whole(
    database: Database, taker: Snapshots, clock: Hand
) -> None:
    await seed(database, FIRST)
    await taker.take_hour()
    clock.now = HOUR + timedelta(hours=3)
    jumped = await taker.take_hour()
    assert jumped is not None
    assert jumped.failures[FIRST].reason == "old: NetLiquidation"
    for hours in (1, 2, 3):
        clock.now = HOUR + timedelta(hours=hours, minutes=12)
        await tell(database, clock.now, FIRST)
        report = await taker.take_hour()
        assert report is not None
        assert report.status == "success"
    rows = await run_sql(database, "SELECT hour FROM snapshots ORDER BY hour")
    assert [row["hour"] for row in rows] == [HOUR + timedelta(hours=hours) for hours in range(4)]
