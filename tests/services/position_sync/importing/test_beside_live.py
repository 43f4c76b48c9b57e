"""An import and what writes the same instruments beside it wait for one another in one order."""

import asyncio
from datetime import UTC, datetime
from itertools import count

from msgspec.structs import replace

from core.domain.instruments import Instrument
from core.domain.stated import StatedInstrument
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.ledger import lock_books
from models.session import Database
from models.stores.accounts import Described, upsert_instruments
from services.position_sync.importing.run import undo_import
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import trade
from tests.waiting import eventually

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query LIKE '%instruments%'"
)
KNOWN, FRESH, LAST = (
    Instrument(conid=conid, symbol=f"S{conid}", sec_type="STK", currency="USD") for conid in (3, 5, 7)
)
_lines = count(1)


def stated(instrument: Instrument, isin: str) -> StatedInstrument:
    return StatedInstrument(line=next(_lines), section="SecurityInfo", instrument=instrument, isin=isin)


async def isins(rows: Rows) -> list[str]:
    return [one["isin"] for one in await rows("SELECT isin FROM instruments ORDER BY conid")]


async def test_the_live_stream_tells_of_what_a_statement_describes_meanwhile(
    bring: Import, database: Database, rows: Rows
) -> None:
    async def tell(*instruments: Instrument) -> None:
        async with database.write() as live:
            for one in instruments:
                await upsert_instruments(live, [Described(one, None)], NOW)

    async def wait_for(waiting: int) -> None:
        await eventually(lambda: rows(WAITING), lambda pids: len(pids) == waiting)

    await tell(KNOWN)
    told = [stated(one, f"US{one.conid}") for one in (KNOWN, FRESH, LAST)]
    async with database.write() as other:
        await upsert_instruments(other, [Described(LAST, None)], NOW)
        described = asyncio.create_task(bring(*told))
        await wait_for(1)
        # The import has been through the first two, and cannot go on.
        live = asyncio.create_task(tell(KNOWN, FRESH))
        await wait_for(2)
    await asyncio.gather(described, live)
    assert await isins(rows) == ["US3", "US5", "US7"]


async def test_two_imports_at_once_describe_the_same_instruments(bring: Import, rows: Rows) -> None:
    told = [stated(KNOWN, "US3"), stated(FRESH, "US5"), trade("a.01", "1", instrument=FRESH)]
    files = {"a.xml": told, "b.xml": [*reversed(told), trade("b.01", "1", instrument=KNOWN)]}
    await asyncio.gather(*(bring(*said, name=name) for name, said in files.items()))
    assert await isins(rows) == ["US3", "US5"]


async def test_what_identifies_an_instrument_is_noted_and_stays_where_the_next_leaves_it_out(
    bring: Import, rows: Rows
) -> None:
    await bring(trade("a.01", "1", instrument=KNOWN))
    # Of what is neither known nor described nothing is stored.
    bare = Instrument(conid=FRESH.conid, symbol="", sec_type="", currency="")
    await bring(stated(KNOWN, "US3"), stated(bare, "US5"), name="b.xml")
    assert await isins(rows) == ["US3"]
    nameless = Instrument(conid=KNOWN.conid, symbol="", sec_type="", currency="")
    other = StatedInstrument(line=1, section="SecurityInfo", instrument=nameless, figi="F3")
    await bring(other, name="c.xml")
    [known] = await rows("SELECT symbol, isin, figi FROM instruments")
    assert known == {"symbol": "S3", "isin": "US3", "figi": "F3"}


async def test_an_undo_waits_for_who_describes_an_instrument_before_it_holds_its_book(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    report = await bring(stated(KNOWN, "US3"), trade("a.01", "1", instrument=KNOWN))
    assert report.import_id is not None
    async with database.write() as live:
        renamed = replace(KNOWN, symbol="OTHER")
        await upsert_instruments(live, [Described(renamed, NOW)], NOW)
        undone = asyncio.create_task(undo_import(database, streams, settings, report.import_id))
        await eventually(lambda: rows(WAITING), lambda pids: len(pids) == 1)
        assert await lock_books(live, [(ACCOUNT, KNOWN.conid)])
    await undone
    assert await isins(rows) == [""]
