"""Returns of hours and days out of snapshots: as they come, anew, and beside statements."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.settings import Settings
from models import reckoned
from models.session import Database
from models.stores.performance import want_renewal
from services.snapshot import keeper
from services.snapshot.keeper import Keeper
from tests.services.snapshot.kept import (
    begin_statement,
    figures,
    hour,
    renew_all,
    state,
    take,
    trade,
)
from tests.services.snapshot.world import FIRST, SECOND, Hand, run_sql, seed

USD = "USD"


def told(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def expect(*rows: tuple[str | None, str | None, str]) -> list[tuple[Any, ...]]:
    return [(number(came), number(twr), quality) for came, twr, quality in rows]


async def hours(database: Database) -> list[tuple[Any, ...]]:
    return told(await figures(database, "hour"), "came", "twr", "quality")


async def anew(database: Database, account: str = FIRST) -> None:
    """Forget what was reckoned, and reckon all of it at once."""
    await run_sql(
        database,
        "UPDATE performance_metrics SET net_contribution = NULL, twr = NULL, drawdown = NULL, "
        "data_quality = 'incomplete', linked_index = NULL, peak_index = NULL, since = NULL, "
        "trades_until = NULL, extreme = 0 WHERE resolution = 'hour'",
    )
    await run_sql(database, "DELETE FROM performance_metrics WHERE resolution = 'day'")
    async with database.write() as writer:
        await want_renewal(writer, {account: None})
    await renew_all(database, account)


@pytest.fixture(autouse=True)
async def _known(database: Database) -> None:
    await seed(database, FIRST, SECOND)


async def test_hours_are_linked_as_they_come(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await trade(database, "a", hour(0.5), quantity="100", price="160", commission="1.5")
    await take(database, 1, "110000", {USD: "33998.5"})
    await take(database, 2, "99000", {USD: "33998.5"})
    await take(database, 3, "109000", {USD: "43998.5"})
    assert await hours(database) == expect(
        (None, "0", "incomplete"),
        ("0", "0.1", "complete"),
        ("0", "-0.01", "complete"),
        ("10000", "-0.01", "estimated"),
    )
    rows = await figures(database, "hour")
    assert [row["drawdown"] for row in rows] == [0, 0, Decimal("-0.1"), Decimal("-0.1")]
    assert [row["since"] for row in rows] == [None, hour(0), hour(1), hour(2)]


async def test_a_missed_hour_is_bridged(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 3, "110000", {USD: "50000"})
    assert (await hours(database))[1] == (0, Decimal("0.1"), "complete")


async def test_an_hour_whose_cash_is_not_told_waits_for_the_next(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 1, "100500", None)
    await take(database, 2, "120000", {USD: "60000"})
    assert await hours(database) == expect(
        (None, "0", "incomplete"), (None, None, "incomplete"), ("10000", "0.090909090909", "estimated")
    )
    rows = await figures(database, "hour")
    assert [row["since"] for row in rows] == [None, hour(0), hour(0)]


async def test_what_was_told_first_without_cash_is_no_beginning(database: Database) -> None:
    await take(database, 0, "100000", None)
    await take(database, 1, "120000", {USD: "60000"})
    await take(database, 2, "126000", {USD: "60000"})
    assert (await hours(database))[1:] == expect((None, "0", "incomplete"), ("0", "0.05", "complete"))


async def test_after_what_can_be_a_deposit_or_not_no_return_is_told(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 1, "100300", {USD: "50300"})
    await take(database, 2, "100400", {USD: "50300"})
    assert (await hours(database))[1:] == expect((None, None, "incomplete"), ("0", None, "incomplete"))


async def test_another_base_currency_breaks_the_chain(database: Database) -> None:
    await take(database, 0, "110000", {USD: "50000"})
    await take(database, 1, "100000", {"EUR": "45000"}, base="EUR")
    await take(database, 2, "101000", {"EUR": "45000"}, base="EUR")
    assert (await hours(database))[1:] == expect((None, None, "incomplete"), ("0", None, "incomplete"))


async def test_an_account_that_is_emptied_and_filled_again_goes_on(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await trade(database, "a", hour(0.5), quantity="-375", price="160")
    await take(database, 1, "110000", {USD: "110000"})
    await take(database, 2, "0", {USD: "0"})
    await take(database, 3, "0", {USD: "0"})
    await take(database, 4, "5000", {USD: "5000"})
    await trade(database, "b", hour(4.5), quantity="-5", price="100")
    await take(database, 5, "5500", {USD: "5500"})
    await take(database, 6, "5500", {USD: "5500"})
    assert (await figures(database, "hour"))[-1]["twr"] == Decimal("0.21")


async def test_an_execution_that_is_told_late_is_counted_by_the_next_hour(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 1, "100000", {USD: "40000"})
    assert (await hours(database))[1][0] == -10000
    await trade(database, "a", hour(0.5), quantity="100", price="100", received_at=hour(1.5))
    await take(database, 2, "101000", {USD: "40000"})
    assert (await hours(database))[1:] == expect(("0", "0", "complete"), ("0", "0.01", "complete"))


async def test_a_commission_that_is_told_late_counts_too(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await trade(database, "a", hour(0.5), quantity="100", price="100")
    await take(database, 1, "100000", {USD: "39998"})
    assert (await hours(database))[1][2] == "estimated"
    await run_sql(
        database,
        "INSERT INTO commission_reports (exec_id, commission, currency, received_at, epoch) "
        "VALUES ('a.01', 2, 'USD', :at, 1)",
        at=hour(1.5),
    )
    await take(database, 2, "100000", {USD: "39998"})
    assert (await hours(database))[1][2] == "complete"


async def test_a_correction_takes_the_place_of_what_it_corrects(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await trade(database, "a", hour(0.4), quantity="200", price="100", commission="2")
    await run_sql(
        database,
        'INSERT INTO executions SELECT (jsonb_populate_record(e, \'{"exec_id": "a.02", "revision": 2, '
        '"quantity": 100}\')).* FROM executions e',
    )
    await run_sql(database, "UPDATE executions SET corrected_by = 'a.02' WHERE exec_id = 'a.01'")
    await take(database, 1, "100000", {USD: "39998"})
    assert (await hours(database))[1] == (0, 0, "complete")


async def test_an_older_snapshot_that_comes_later_finds_its_place(database: Database) -> None:
    for at in (0, 1, 3, 2):
        await take(database, at, str(100000 + 1000 * at), {USD: "50000"})
    assert (await figures(database, "hour"))[2]["twr"] is None, "not reckoned yet"
    await renew_all(database)
    assert [row["twr"] for row in await figures(database, "hour")] == [
        0,
        Decimal("0.01"),
        Decimal("0.02"),
        Decimal("0.03"),
    ]
    assert [row["since"] for row in await figures(database, "hour")] == [None, hour(0), hour(1), hour(2)]


def scenario(seed: int) -> list[tuple[str, Any]]:
    """What happens to an account: hours missed, cash not told, trades early, late and in time."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable script, not a secret
    cash, held, steps = Decimal(50000), Decimal(50000), []
    for at in range(45):
        for _ in range(chance.choice((0, 0, 1, 2))):
            size = Decimal(chance.randrange(-20, 20) or 1)
            when = hour(at - 1 + chance.choice((0.3, 0.6, 0.97, 0.999, 1.001, 1.03)))
            is_late = chance.random() < 0.2
            steps.append(("trade", (when, size, when + timedelta(hours=4 * is_late, seconds=1))))
            cash, held = cash - size * 100 - Decimal("1.25"), held + size * 100
        if chance.random() < 0.1:
            cash += chance.choice((5000, -3000, 20))
        held = (held * Decimal(chance.randrange(985, 1016)) / 1000).quantize(Decimal("0.01"))
        if chance.random() < 0.85:
            steps.append(("take", (at, cash + held, None if chance.random() < 0.1 else cash)))
    steps.append(("take", (46, cash + held, cash)))
    return steps


@pytest.mark.parametrize("seed_of_it", range(3))
async def test_reckoned_as_it_came_or_all_at_once_it_is_the_same_to_the_last_digit(
    database: Database, seed_of_it: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is told late is passed on with the next hour.
    pending: list[tuple[int, Any]] = []
    for name, step in enumerate(scenario(seed_of_it)):
        if step[0] == "trade":
            pending.append((name, step[1]))
            continue
        at, worth, cash = step[1]
        for known in [one for one in pending if one[1][2] <= hour(at) + timedelta(seconds=3)]:
            pending.remove(known)
            when, size, received = known[1]
            await trade(
                database,
                f"e{known[0]}",
                when,
                quantity=str(size),
                price="100",
                commission="1.25",
                received_at=received,
            )
        await take(database, at, worth, None if cash is None else {USD: cash})
    await renew_all(database)
    as_it_came = await figures(database)
    assert len({row["came"] for row in as_it_came}) > 1
    assert sum(row["twr"] is not None for row in as_it_came) > 3
    await anew(database)
    assert await figures(database) == as_it_came
    for name, value in (
        ("HOURS_AT_ONCE", 9),
        ("_BEFORE", timedelta(hours=4)),
        ("_AROUND", timedelta(hours=2)),
    ):
        monkeypatch.setattr(reckoned, name, value)
    await anew(database)
    assert await figures(database) == as_it_came


async def test_days_are_rolled_up_once_they_are_over(database: Database) -> None:
    worths = [100000 + 100 * at for at in range(40)]
    for at, worth in enumerate(worths):
        cash = "50000" if at < 20 else "60000"
        await take(database, at, str(worth + (10000 if at >= 20 else 0)), {USD: cash})
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: hour(38)})
    await renew_all(database, now=hour(30))
    [monday] = await figures(database, "day")
    # The hour that ends at midnight in New York, five in the morning here, is the last of its day.
    assert (monday["day"], monday["source"], monday["worth"]) == (date(2026, 11, 16), "snapshot", 101400)
    assert monday["ts"] == datetime(2026, 11, 17, 5, tzinfo=UTC)
    await renew_all(database)
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: hour(38)})
    await renew_all(database)
    _, tuesday, _ = await figures(database, "day")
    assert (tuesday["worth"], tuesday["came"], tuesday["daily_pnl"]) == (113800, 10000, 2400)
    assert tuesday["twr"] == (Decimal(2400) / Decimal(111400)).quantize(Decimal("1E-12"))
    assert tuesday["quality"] == "estimated"


async def test_a_day_is_reckoned_by_the_first_hour_after_it(
    database: Database, settings: Settings, clock: Hand
) -> None:
    for at in (0, 10, 20):
        await take(database, at, "100000", {USD: "50000"})
    clock.now = hour(20)
    await Keeper(database, settings, clock=clock).renew()
    assert [row["day"] for row in await figures(database, "day")] == [date(2026, 11, 16)]


@pytest.mark.parametrize(
    ("first", "counts"),
    [
        (datetime(2026, 11, 1, 4, tzinfo=UTC), [25, 24]),
        (datetime(2026, 3, 8, 5, tzinfo=UTC), [23, 24]),
        (datetime(2026, 12, 31, 5, tzinfo=UTC), [24, 24]),
    ],
)
async def test_a_day_has_the_hours_that_it_has_in_new_york(
    database: Database, first: datetime, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.services.snapshot.kept.START", first)
    for at in range(sum(counts) + 1):
        # Each hour brings a thousand.
        await take(database, at, str(1000 * (at + 1)), {USD: str(1000 * (at + 1))})
    await renew_all(database)
    days = [row for row in await figures(database, "day") if row["came"] is not None]
    assert [row["came"] for row in days] == [1000 * count for count in counts]
    assert {row["twr"] for row in days} == {0}


async def test_a_statement_says_what_was_brought_and_its_cash_shows_when(database: Database) -> None:
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 1, "100400", {USD: "50400"})
    await take(database, 2, "102400", {USD: "50400"})
    assert [row[1] for row in await hours(database)] == [0, None, None]
    async with database.write() as writer:
        number = await begin_statement(writer)
        await state(writer, number, {date(2026, 11, 16): "102500"}, {hour(5): "400"})
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    assert await hours(database) == expect(
        (None, "0", "incomplete"), ("400", "0", "complete"), ("0", "0.019920318725", "complete")
    )
    await run_sql(database, "UPDATE imports SET status = 'undone', undone_at = now()")
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    assert [row[1] for row in await hours(database)] == [0, None, None]


async def test_what_a_statement_tells_and_no_cash_shows_counts_at_its_time(database: Database) -> None:
    for at in range(4):
        await take(database, at, "100000", {USD: "50000"})
    async with database.write() as writer:
        number = await begin_statement(writer)
        await state(writer, number, {date(2026, 11, 16): "100000"}, {hour(1.5): "-5000", hour(40): "1"})
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    rows = await figures(database, "hour")
    assert told(rows, "came", "quality")[1:] == [(0, "complete"), (-5000, "estimated"), (0, "complete")]


async def test_days_of_statements_and_of_snapshots_are_one_chain(database: Database) -> None:
    for at in range(0, 24 * 5, 3):
        await take(database, at, str(100000 + 100 * at), {USD: "50000"})
    async with database.write() as writer:
        number = await begin_statement(writer)
        await state(writer, number, {date(2026, 11, 15): "99000", date(2026, 11, 17): "104000"})
        await want_renewal(writer, {FIRST: None})
    await renew_all(database, now=hour(24 * 4))
    days = await figures(database, "day")
    assert told(days, "day", "source", "worth", "came") == [
        (date(2026, 11, 15), "statement", 99000, None),
        # What came between the statement and the first snapshot of the day nobody knows.
        (date(2026, 11, 16), "snapshot", 101200, None),
        (date(2026, 11, 17), "snapshot", 103600, 0),
        (date(2026, 11, 17), "statement", 104000, 0),
        (date(2026, 11, 18), "snapshot", 106000, 0),
        (date(2026, 11, 19), "snapshot", 108400, 0),
    ]
    assert {row["twr"] for row in days[1:]} == {None}
    async with database.write() as writer:
        await state(writer, await begin_statement(writer, "y"), {date(2026, 11, 16): "101000"})
        await want_renewal(writer, {FIRST: None})
    await renew_all(database, now=hour(24 * 4))
    counting = {
        row["day"]: row["twr"]
        for row in await figures(database, "day")
        if row["source"] == "statement" or row["day"].day > 17
    }
    worths = {15: 99000, 16: 101000, 17: 104000, 18: 106000, 19: 108400}
    assert {day.day: round(twr, 9) for day, twr in counting.items()} == {
        day: round(Decimal(worth) / 99000 - 1, 9) for day, worth in worths.items()
    }


async def test_two_workers_at_once_come_to_the_same(database: Database) -> None:
    for at in range(30):
        await take(database, at, str(100000 + 10 * at), {USD: "50000"})
    await renew_all(database)
    expected = await figures(database)
    await run_sql(database, "UPDATE performance_metrics SET twr = 7 WHERE resolution = 'hour'")
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: None})
    await asyncio.gather(
        *(renew_all(database) for _ in range(3)), take(database, 30, "100300", {USD: "50000"})
    )
    await renew_all(database)
    assert (await figures(database))[: len(expected) - 1] == expected[:-1]
    assert [row["twr"] for row in await figures(database, "hour")][-1] == Decimal("0.003")


async def test_what_is_known_no_more_in_full_stays_as_it_was_reckoned(database: Database) -> None:
    for at, cash in enumerate(("50000", "60000", "60000", "60000")):
        await take(database, at, str(100000 + Decimal(cash)), {USD: cash})
    before = await figures(database, "hour")
    await run_sql(database, "DELETE FROM cash_balances WHERE at < :at", at=hour(2))
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    assert await figures(database, "hour") == before


async def test_the_extremes_of_days_and_weeks_are_known(database: Database) -> None:
    for at in range(60):
        worth = {5: "90000", 30: "95000", 33: "99999"}.get(at, str(97000 + at))
        await take(database, at, worth, {USD: "50000"})
    rows = await run_sql(
        database, "SELECT ts, extreme FROM performance_metrics WHERE resolution = 'hour' AND extreme > 0"
    )
    found = {int((row["ts"] - hour(0)).total_seconds() // 3600): row["extreme"] for row in rows}
    # Of the days up to the hours 8, 32 and 56, and of the week.
    assert found == {5: 2, 33: 2, 8: 1, 30: 1, 32: 1, 34: 1, 57: 1, 59: 1}


async def test_an_account_that_fails_is_said_once_and_keeps_nobody_waiting(
    database: Database, settings: Settings, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for account in (FIRST, SECOND):
        await take(database, 0, "100000", {USD: "50000"}, account=account)
        async with database.write() as writer:
            await want_renewal(writer, {account: None})

    async def renew(writer: Any, account: str, now: datetime) -> bool:
        if account == FIRST:
            raise ValueError("as if")
        return await reckoned.renew(writer, account, now)

    monkeypatch.setattr(keeper, "renew", renew)
    one = Keeper(database, settings, clock=clock)
    with capture_logs() as logs:
        await one.renew()
        await one.renew()
    assert [entry["event"] for entry in logs] == ["performance_not_reckoned"]
    rows = await run_sql(database, "SELECT account FROM performance_renewals")
    assert [row["account"] for row in rows] == [FIRST]
