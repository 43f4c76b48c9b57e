"""A trade that a statement told of without the broker's id is told live later on: it is one trade."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.run import undo_import
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import Link, commission, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import trade
from tests.services.position_sync.ledger_rows import ledger_rows

KEPT = "SELECT exec_id, source, confirmed_by FROM executions ORDER BY executed_at, exec_id"
HELD = "SELECT quantity, commission FROM positions"

Undo = Callable[[int | None], Awaitable[None]]


@pytest.fixture
def undo(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Undo:
    async def run(import_id: int | None) -> None:
        assert import_id is not None
        await undo_import(database, streams, settings, import_id, clock=clock)

    return run


@pytest.mark.parametrize("seconds", [0, 1, 2])
async def test_it_is_known_by_the_brokers_id_from_then_on(
    seconds: float, bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    report = await bring(trade("", "10", seconds=1), trade("b.01", "-4", "11", seconds=60))
    link = Link()
    await relay.handle([link.entry(execution("a.01", "10", seconds=seconds))])
    await relay.handle([link.entry(commission("a.01", "1", seconds=seconds))])
    assert await rows(KEPT) == [
        {"exec_id": "a.01", "source": "live", "confirmed_by": report.import_id},
        {"exec_id": "b.01", "source": "flex", "confirmed_by": report.import_id},
    ]
    assert await rows(HELD) == [{"quantity": 6, "commission": 2}]
    assert (await validate_ledger(database)).differences == {}


async def test_another_trade_than_the_statement_tells_of_is_another(
    bring: Import, relay: Relay, rows: Rows
) -> None:
    await bring(trade("", "10", seconds=10))
    told = [("10", "10.01", 10), ("9", "10", 10), ("-10", "10", 10), ("10", "10", 12), ("10", "10", 8)]
    others = [
        execution(f"{number}.01", size, price, seconds=seconds)
        for number, (size, price, seconds) in enumerate(told)
    ]
    await relay.handle([Link().entry(*others)])
    assert len(await rows(KEPT)) == 6


async def test_of_two_alike_each_is_told_live_once(bring: Import, relay: Relay, rows: Rows) -> None:
    await bring(trade("", "10", seconds=1), trade("", "10", seconds=1))
    link = Link()
    for number in (1, 2, 3):
        await relay.handle([link.entry(execution(f"{number}.01", "10", seconds=1))])
        told = await rows(KEPT)
        assert len(told) == max(number, 2)
    assert [(one["exec_id"], one["confirmed_by"] is None) for one in told] == [
        ("1.01", False),
        ("2.01", False),
        ("3.01", True),
    ]


async def test_the_nearest_in_time_is_taken_for_it(bring: Import, relay: Relay, rows: Rows) -> None:
    await bring(trade("", "10", seconds=1), trade("", "10", seconds=2))
    await relay.handle([Link().entry(execution("b.01", "10", seconds=2), execution("a.01", "10", seconds=1))])
    assert [one["exec_id"] for one in await rows(KEPT)] == ["a.01", "b.01"]


async def test_it_is_told_again_and_stated_again_and_nothing_changes(
    bring: Import, relay: Relay, database: Database
) -> None:
    told = [trade("", "10", seconds=1), trade("", "10", seconds=1), trade("", "-3", seconds=5)]
    await bring(*told)
    live = [execution("a.01", "10", seconds=1), execution("b.01", "10", seconds=1)]
    await relay.handle([Link().entry(*live)])
    before = await ledger_rows(database)
    await relay.handle([Link(epoch=9).entry(*live)])
    report = await bring(*told, name="b.xml")
    assert report.sections["trades"].matched == 3
    assert await ledger_rows(database) == before


@pytest.mark.parametrize("early", [True, False])
async def test_a_statements_commission_stands_and_what_was_told_live_comes_back_without_it(
    early: bool, bring: Import, relay: Relay, database: Database, undo: Undo, rows: Rows
) -> None:
    link = Link()
    if early:
        await relay.handle([link.entry(commission("a.01", "1", seconds=1))])
    report = await bring(trade("", "10", commission="1.5", seconds=1))
    await relay.handle([link.entry(execution("a.01", "10", seconds=1))])
    await relay.handle([link.entry(commission("a.01", "1", seconds=2))])
    assert await rows(HELD) == [{"quantity": 10, "commission": Decimal("1.5")}]
    await undo(report.import_id)
    assert await rows(KEPT) == [{"exec_id": "a.01", "source": "live", "confirmed_by": None}]
    assert await rows(HELD) == [{"quantity": 10, "commission": 1}]
    assert (await validate_ledger(database)).differences == {}


async def test_it_stays_cancelled_if_the_statement_cancelled_it(
    bring: Import, relay: Relay, database: Database, undo: Undo, rows: Rows
) -> None:
    report = await bring(
        trade("", "10", commission="1", seconds=1, trade_id="7"),
        trade("", "-10", commission="-1", seconds=1, trade_id="7", cancels=True),
    )
    await relay.handle([Link().entry(execution("a.01.01", "10", seconds=1))])
    assert await rows(HELD) == []
    assert (await validate_ledger(database)).differences == {}
    await undo(report.import_id)
    assert [one["quantity"] for one in await rows(HELD)] == [10]


async def test_a_correction_is_the_trade_that_the_statement_tells_of(
    bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    await bring(trade("", "8", seconds=1))
    told = [execution("a.01.01", "10", seconds=1), execution("a.01.02", "8", seconds=1)]
    await relay.handle([Link().entry(*told)])
    assert [one["quantity"] for one in await rows(HELD)] == [8]
    assert (await validate_ledger(database)).differences == {}
