"""What a statement says besides trades: it is kept, it enters the ledger, and it goes with its import."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from core.domain.stated import (
    StatedAccount,
    StatedBalance,
    StatedCashFlow,
    StatedEvent,
    StatedInstrument,
    StatedPosition,
    StatedRate,
    StatedValue,
    Statement,
)
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.report import Tally
from services.position_sync.importing.run import run_import, undo_import
from services.position_sync.reconcile import reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    Link,
    at,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import Spoken, period, source, trade
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.waiting import SECONDS

_lines = count(1)


def event(quantity: str, cause: Any = "split", *, seconds: float = 0, **more: Any) -> StatedEvent:
    told = {name: Decimal(value) if name in {"cost", "price"} else value for name, value in more.items()}
    return StatedEvent(
        line=next(_lines),
        section="CorporateAction",
        account=ACCOUNT,
        instrument=ACME,
        at=at(seconds),
        cause=cause,
        quantity=Decimal(quantity),
        **told,
    )


def holding(quantity: str, cost: str | None = None, *, seconds: float = 0) -> StatedPosition:
    return StatedPosition(
        line=next(_lines),
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=at(seconds),
        quantity=Decimal(quantity),
        cost=None if cost is None else Decimal(cost),
    )


async def test_a_split_and_a_holding_enter_the_ledger(bring: Import, rows: Rows) -> None:
    report = await bring(
        trade("a.01.01", "10", commission="0", seconds=1),
        event("20", seconds=2),
        holding("30", "100", seconds=3),
    )
    assert report.sections["events"] == Tally(new=1)
    assert report.sections["positions"] == Tally(new=1)
    [held] = await rows("SELECT quantity, cost_basis, estimated FROM positions")
    assert held == {"quantity": Decimal(30), "cost_basis": Decimal(100), "estimated": False}
    causes = await rows("SELECT cause, inferred FROM position_events WHERE type = 'adjusted'")
    assert causes == [{"cause": "split", "inferred": False}]


async def test_what_was_held_before_the_statement_is_an_opening_balance(bring: Import, rows: Rows) -> None:
    await bring(trade("a.01.01", "-4", "12", "0", seconds=1), holding("6", "60", seconds=3))
    told = await rows("SELECT quantity, cause FROM position_events ORDER BY seq")
    assert told == [
        {"quantity": Decimal(10), "cause": "opening_balance"},
        {"quantity": Decimal(-4), "cause": None},
    ]


async def test_an_adjustment_vanishes_once_a_statement_explains_it(
    bring: Import,
    rows: Rows,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    link = Link()
    await relay.handle(
        [link.entry(position("10", seconds=10, sweep="a"), positions_completed("a", 1, seconds=11))]
    )
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)
    told = [position("30", "10", seconds=90, sweep="b"), positions_completed("b", 1, seconds=91)]
    await relay.handle([link.entry(*told)])
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)
    [open_one] = await rows("SELECT cause FROM reconciliation_differences WHERE resolved_at IS NULL")
    assert open_one == {"cause": "unexplained"}
    await bring(
        period(),
        trade("a.01.01", "10", commission="0", seconds=1),
        event("20", "transfer", cost="200", seconds=50),
    )
    causes = await rows("SELECT cause FROM position_events ORDER BY executed_at, seq")
    assert [one["cause"] for one in causes] == [None, "transfer"]
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "import", clock=clock)
    assert await rows("SELECT id FROM reconciliation_differences WHERE resolved_at IS NULL") == []


async def test_two_statements_that_state_the_same_state_it_once(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, clock: Hand, rows: Rows
) -> None:
    told = [trade("a.01.01", "10", seconds=1), event("10", seconds=2), holding("20", "101", seconds=3)]
    first = await bring(*told, name="a.xml")
    before = await ledger_rows(database)
    second = await bring(*told, holding("20", "102", seconds=4), name="b.xml")
    assert second.sections["events"] == Tally(matched=1)
    assert second.sections["positions"] == Tally(new=1, matched=1)
    assert await ledger_rows(database) == before
    for report in (first, second):
        assert report.import_id is not None
        await undo_import(database, streams, settings, report.import_id, clock=clock)
        assert (await ledger_rows(database) == before) is (report is first)
    assert await rows("SELECT id FROM positions") == []
    assert await rows("SELECT exec_id FROM executions") == []


async def test_what_a_file_says_twice_is_counted_as_repeated(bring: Import) -> None:
    flow = StatedCashFlow(
        line=next(_lines),
        section="CashTransaction",
        account=ACCOUNT,
        kind="deposit",
        at=at(0),
        amount=Decimal(5),
        currency="USD",
        transaction_id="7",
    )
    report = await bring(flow, flow, holding("1", seconds=3), holding("1", seconds=3))
    assert report.sections["cash"] == Tally(new=1, ignored={"repeated": 1})
    assert report.sections["positions"] == Tally(new=1, ignored={"repeated": 1})


async def test_while_a_file_is_read_nothing_is_locked_that_live_work_writes(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, tmp_path: Path, relay: Relay
) -> None:
    """A long file would otherwise keep the live stream waiting for as long as it takes to read."""
    told = [trade("a.01.01", "10", seconds=1), event("10", seconds=2), period()]
    reading, go_on = threading.Event(), threading.Event()

    class Slow(Spoken):
        def __iter__(self) -> Iterator[Statement]:
            yield from told * 2_000
            reading.set()
            go_on.wait(20)

    slow = source(tmp_path, *told)._replace(read=lambda _file, _name: Slow(told))
    run = asyncio.create_task(run_import(database, streams, settings, slow, trigger="cli", clock=clock))
    try:
        await asyncio.to_thread(reading.wait, 20)
        async with asyncio.timeout(SECONDS):
            await relay.handle([Link().entry(execution("b.01.01", "1"))])
    finally:
        go_on.set()
    report = await run
    assert report.sections["trades"].new == 1


async def test_cash_rates_values_and_what_names_things_are_kept(bring: Import, rows: Rows) -> None:
    def line() -> dict[str, Any]:
        return {"line": next(_lines), "section": "any"}

    flow = {"account": ACCOUNT, "at": at(0), "currency": "USD"}
    report = await bring(
        StatedAccount(account=ACCOUNT, base_currency="EUR", alias="mine", **line()),
        StatedInstrument(instrument=ACME, isin="US0000000001", figi="BBG1", **line()),
        StatedCashFlow(kind="deposit", amount=Decimal(1000), transaction_id="7", **flow, **line()),
        StatedCashFlow(kind="dividend", amount=Decimal("2.5"), **flow, **line()),
        StatedCashFlow(kind="dividend", amount=Decimal("2.5"), **flow, **line()),
        StatedBalance(account=ACCOUNT, as_of=date(2026, 11, 20), currency="USD", cash=Decimal(5), **line()),
        StatedRate(as_of=date(2026, 11, 20), currency="USD", into="EUR", rate=Decimal("0.9"), **line()),
        StatedValue(account=ACCOUNT, as_of=date(2026, 11, 20), net_liquidation=Decimal(99), **line()),
    )
    sections = {name: report.sections[name].new for name in ("cash", "cash_balances", "fx_rates", "values")}
    assert sections == {"cash": 3, "cash_balances": 1, "fx_rates": 1, "values": 1}, "two alike are two"
    assert await rows("SELECT base_currency, alias FROM broker_accounts") == [
        {"base_currency": "EUR", "alias": "mine"}
    ]
    assert await rows("SELECT isin, figi, cusip FROM instruments") == [
        {"isin": "US0000000001", "figi": "BBG1", "cusip": ""}
    ]
    external = await rows("SELECT external FROM cash_flows ORDER BY amount DESC")
    assert [one["external"] for one in external] == [True, False, False]
