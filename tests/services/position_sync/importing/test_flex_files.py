"""What Flex tells without an id of its own, all the way into the ledger: once, however often it is told."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.report import Report, Tally
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.statements.flex import FlexFile
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.services.statements.statements import FILES, in_statement, trade

Import = Callable[..., Awaitable[Report]]
EXEC_ID = "0000e0d5.63b3a1f0.01.01"
CANCELS = {
    "ibExecID": "",
    "tradeID": "",
    "origTradeID": "7",
    "transactionType": "TradeCancel",
    "buySell": "BUY (Ca.)",
    "notes": "Ca",
    "openCloseIndicator": "",
}
BOOKED = {"ibExecID": "", "transactionType": "BookTrade", "openCloseIndicator": "C"}


@pytest.fixture
def bring(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, tmp_path: Path
) -> Import:
    """Import a statement with these rows."""

    async def run(*rows: str, name: str = "a.xml") -> Report:
        path = tmp_path / name
        path.write_text(in_statement(*[f"\n{row}" for row in rows]))
        return await run_import(
            database, streams, settings, Source(path, "flex", FlexFile), trigger="cli", clock=clock
        )

    return run


async def test_a_trade_that_is_cancelled_counts_for_nothing_and_its_commission_comes_back(
    bring: Import, rows: Rows
) -> None:
    await bring(trade(tradeID="7"), trade(**CANCELS, quantity="-10", ibCommission="1"))
    assert await rows("SELECT * FROM positions") == []


async def test_a_trade_that_is_cancelled_and_booked_anew_counts_as_it_was_booked_last(
    bring: Import, rows: Rows
) -> None:
    """As IBKR books a correction: the trade, what takes it back, and the trade with the next id."""
    told = [
        trade(tradeID="7", quantity="2", ibCommission="-1.3666"),
        trade(**CANCELS, quantity="-2", ibCommission="0"),
        trade(
            tradeID="7", ibExecID=EXEC_ID[:-1] + "2", quantity="1", ibCommission="0.3333", transactionID="3"
        ),
    ]
    await bring(*told)
    await bring(*told, trade(ibExecID="z.01", conid="5"), name="b.xml")
    [position] = await rows("SELECT quantity, commission FROM positions WHERE conid = 265598")
    assert (position["quantity"], position["commission"]) == (1, Decimal("1.0333"))


async def test_twins_booked_without_ids_are_two_trades_unless_they_are_one_transaction(
    bring: Import, rows: Rows
) -> None:
    twins = [trade(**BOOKED, transactionID=number) for number in ("1", "2", "1", "2")]
    report = await bring(*twins)
    assert report.sections["trades"] == Tally(new=2, ignored={"repeated": 2})
    await bring(*twins, name="b.xml")
    booked = await rows("SELECT quantity FROM executions")
    assert [one["quantity"] for one in booked] == [10, 10]


async def test_every_recorded_file_imports_and_changes_nothing_the_second_time(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, tmp_path: Path
) -> None:
    assert len(FILES) == 5
    for path in FILES:
        for name in ("first", "again", "anew"):
            copy = tmp_path / f"{name}-{path.name}"
            # Another file that states the same: its own bytes differ.
            copy.write_bytes(path.read_bytes() + (b"\n<!-- anew -->" if name == "anew" else b""))
            before = await ledger_rows(database)
            report = await run_import(
                database, streams, settings, Source(copy, "flex", FlexFile), trigger="cli", clock=clock
            )
            tallies = report.sections.values()
            assert not any(one.disputed for one in tallies)
            if name == "first":
                assert report.already is None
                continue
            assert (report.already is not None) is (name == "again")
            assert report.changes == []
            assert await ledger_rows(database) == before
            assert not any(one.new or one.corrected for one in tallies), path.name
