"""What is held at the end of a day is of the trades that are reported by that day, whatever their time."""

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from core.domain.days import moment_of
from core.domain.stated import StatedTrade
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.run import undo_import
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import GOLD, START, Link, commission, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.importing.test_absences import (
    BOUGHT,
    EVENTS,
    FRIDAY,
    MONDAY,
    POSITIONS,
    holding,
    inventory,
)
from tests.services.position_sync.ledger_rows import ledger_rows

DIFFERENCES = "SELECT kind, cause, ours, stated FROM statement_differences ORDER BY kind"
WEEK = datetime(2026, 11, 16, 5, tzinfo=START.tzinfo)


def seconds(clock: time, day: date = FRIDAY) -> float:
    return (moment_of(day, clock) - START).total_seconds()


def traded(exec_id: str, quantity: str, clock: time, reported_on: date | None) -> StatedTrade:
    return trade(exec_id, quantity, commission="0", seconds=seconds(clock), reported_on=reported_on)


@pytest.mark.parametrize("quantity", ["3", "-10", "-12"])
@pytest.mark.parametrize(
    ("hour", "reported_on"),
    [(time(20, 10), MONDAY), (time(20, 10), None), (time(18, 30), MONDAY)],
    ids=["overnight", "overnight, as its time says", "in the morning of another continent"],
)
async def test_what_is_the_next_days_is_not_among_what_was_held(
    hour: time, reported_on: date | None, quantity: str, bring: Import, database: Database, rows: Rows
) -> None:
    after = Decimal(10) + Decimal(quantity)
    await bring(
        period(10, starts_at=WEEK),
        BOUGHT,
        traded("b.01", quantity, hour, reported_on),
        holding("10", cost=Decimal(100)),
        inventory(),
        *([holding(str(after), MONDAY)] if after else ()),
        inventory(MONDAY),
    )
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert sum(one["quantity"] for one in await rows(POSITIONS)) == after
    assert await rows(DIFFERENCES) == []
    assert (await validate_ledger(database)).differences == {}


async def test_a_correction_that_is_reported_later_leaves_the_trade_on_its_day(
    bring: Import, database: Database, rows: Rows
) -> None:
    await bring(
        period(10, starts_at=WEEK),
        BOUGHT,
        traded("b.01", "3", time(15), FRIDAY),
        traded("b.02", "2", time(15), MONDAY),
        holding("12"),
        inventory(),
    )
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert (await validate_ledger(database)).differences == {}


async def test_what_is_told_live_in_the_night_is_not_among_what_was_held(
    bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    told = [execution("a.01", "10", seconds=1), execution("b.01", "-4", seconds=seconds(time(20, 1)))]
    await relay.handle([Link().entry(*told)])
    await bring(period(10, starts_at=WEEK), BOUGHT, holding("10", cost=Decimal(100)), inventory())
    assert [one["quantity"] for one in await rows(POSITIONS)] == [6]
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert await rows(DIFFERENCES) == []
    assert (await validate_ledger(database)).differences == {}


async def test_what_is_reported_on_a_day_is_among_what_was_held_though_it_was_traded_later(
    bring: Import, database: Database, rows: Rows
) -> None:
    await bring(
        period(10, starts_at=WEEK),
        BOUGHT,
        traded("b.01", "-4", time(20, 40), FRIDAY),
        holding("6"),
        holding("6", MONDAY),
    )
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert await rows(DIFFERENCES) == []
    assert (await validate_ledger(database)).differences == {}


async def test_what_the_ledger_lacks_costs_what_the_day_leaves_for_it(
    bring: Import, database: Database, rows: Rows
) -> None:
    """Of the ten that had cost 100 it knows four; what came in the night has its own cost."""
    await bring(
        trade("a.01", "4", "10", "0", seconds=1, reported_on=FRIDAY),
        trade("b.01", "2", "20", "0", seconds=seconds(time(20, 10)), reported_on=MONDAY),
        holding("10", cost=Decimal(100)),
    )
    assert await rows("SELECT quantity, cost_basis, estimated FROM positions") == [
        {"quantity": Decimal(12), "cost_basis": Decimal(140), "estimated": False}
    ]
    assert (await validate_ledger(database)).differences == {}


async def test_what_is_open_only_in_the_night_is_not_taken_to_be_gone(bring: Import, rows: Rows) -> None:
    await bring(traded("a.01", "10", time(20, 10), MONDAY), inventory())
    assert [one["status"] for one in await rows(POSITIONS)] == ["open"]


async def test_what_was_closed_in_the_night_and_is_left_out_was_gone_before(
    bring: Import, database: Database, rows: Rows
) -> None:
    await bring(BOUGHT, traded("b.01", "-10", time(20, 10), MONDAY), inventory())
    told = [(one["quantity"], one["cause"]) for one in await rows(EVENTS)]
    assert told == [(10, None), (-10, None), (-10, "unexplained")]
    assert (await validate_ledger(database)).differences == {}


async def test_a_future_traded_in_its_evening_is_the_next_days(bring: Import, rows: Rows) -> None:
    await bring(
        trade("a.01", "1", seconds=seconds(time(17)), instrument=GOLD, opens=True),
        trade("b.01", "2", seconds=seconds(time(18, 1)), instrument=GOLD, opens=True),
        inventory(),
    )
    assert [one["quantity"] for one in await rows(EVENTS)] == [1, -1, 2]


async def test_a_book_that_is_folded_from_the_night_on_is_what_it_is_from_the_start(
    bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    """What was sold and bought again in the night: what follows begins from flat, within a day's word."""
    link = Link()
    night = [
        execution("b.01", "-10", seconds=seconds(time(20, 5))),
        execution("c.01", "3", seconds=seconds(time(20, 10))),
        execution("d.01", "1", seconds=seconds(time(22))),
    ]
    await relay.handle([link.entry(execution("a.01", "10", seconds=1), *night)])
    await bring(BOUGHT, holding("10"), inventory())
    await relay.handle([link.entry(commission("d.01", "1", seconds=seconds(time(22))))])
    await relay.handle([link.entry(execution("d.02", "2", seconds=seconds(time(22))))])
    await relay.handle([link.entry(execution("e.01", "1", seconds=seconds(time(21))))])
    await relay.handle([link.entry(execution("f.01", "1", seconds=seconds(time(20, 15))))])
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert (await validate_ledger(database)).differences == {}


async def test_the_day_that_a_statement_tells_goes_with_it(
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    told = [execution("a.01", "10", seconds=1), execution("b.01", "-4", seconds=seconds(time(18, 30)))]
    await relay.handle([Link().entry(*told)])
    await bring(BOUGHT, holding("10"), name="a.xml")
    before = await ledger_rows(database)
    assert "opening_balance" in {one["cause"] for one in await rows(EVENTS)}
    report = await bring(traded("b.01", "-4", time(18, 30), MONDAY), name="b.xml")
    assert {one["cause"] for one in await rows(EVENTS)} == {None}
    assert report.import_id is not None
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert await ledger_rows(database) == before
    assert (await validate_ledger(database)).differences == {}
