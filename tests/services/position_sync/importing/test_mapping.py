"""Instruments are mapped by whichever worker sees that one is new, or better known: nobody has to ask."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from core.domain.stated import StatedInstrument
from core.events.facts import InstrumentDescribed
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import upkeep
from services.position_sync.relay import Relay
from services.position_sync.upkeep import Upkeep
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACME, GOLD, Link, at, execution
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.test_upkeep import keeping, make_overdue

MAPPED = "SELECT conid, global_instrument_id AS id FROM instrument_mapping ORDER BY conid"
ISIN, SAP, ALIBABA = "US0378331005", "DE0007164600", "KYG017191142"


@pytest.fixture
async def worker(database: Database, streams: RedisStreams, settings: Settings) -> AsyncIterator[Upkeep]:
    async with keeping(database, streams, settings) as one:
        yield one


def named(**ids: str) -> StatedInstrument:
    return StatedInstrument(line=1, section="SecurityInfo", instrument=ACME, **ids)


async def mapped(worker: Upkeep, rows: Rows) -> dict[int, str]:
    await worker.map_instruments()
    return {row["conid"]: row["id"] for row in await rows(MAPPED)}


async def test_what_is_told_live_imported_and_taken_back_is_mapped_as_far_as_it_is_known(
    worker: Upkeep, relay: Relay, bring: Import, undo: Undo, rows: Rows
) -> None:
    assert await mapped(worker, rows) == {}
    await relay.handle([Link().entry(execution("a.01", "10"))])
    alone = {ACME.conid: f"conid:{ACME.conid}"}
    assert await mapped(worker, rows) == alone
    report = await bring(named(isin=ISIN))
    assert await mapped(worker, rows) == {ACME.conid: f"isin:{ISIN}"}
    await undo(report)
    assert await mapped(worker, rows) == alone
    assert [row["id"] for row in await rows("SELECT id FROM global_instruments")] == [f"conid:{ACME.conid}"]
    await relay.handle([Link().entry(execution("g.01", "1", instrument=GOLD))])
    assert await mapped(worker, rows) == {**alone, GOLD.conid: f"conid:{GOLD.conid}"}


async def test_while_nothing_became_known_nothing_is_written(
    worker: Upkeep, relay: Relay, rows: Rows
) -> None:
    await relay.handle([Link().entry(execution("a.01", "10"))])
    await worker.map_instruments()
    before = await rows("SELECT *, xmin FROM coalesced_jobs ORDER BY kind, account")
    await worker.map_instruments()
    assert await rows("SELECT *, xmin FROM coalesced_jobs ORDER BY kind, account") == before


async def test_mapping_that_fails_is_noted_left_for_later_and_done_then(
    worker: Upkeep, relay: Relay, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.handle([Link().entry(execution("a.01", "10"))])

    async def fail(*_: object) -> int:
        raise RuntimeError("no rule for that")

    with monkeypatch.context() as broken:
        broken.setattr(upkeep, "map_all", fail)
        assert await mapped(worker, rows) == {}
        (job,) = await rows("SELECT * FROM coalesced_jobs WHERE kind = 'instruments'")
        assert (job["attempts"], job["error"]) == (1, "RuntimeError: no rule for that")
        await worker.map_instruments()
        (again,) = await rows("SELECT * FROM coalesced_jobs WHERE kind = 'instruments'")
        assert again["wanted"] == job["wanted"], "it waits, and is not asked for over and over"
    await make_overdue(database)
    assert await mapped(worker, rows) == {ACME.conid: f"conid:{ACME.conid}"}


async def test_what_the_gateway_says_identifies_an_instrument_is_kept_beside_what_statements_say(
    worker: Upkeep, relay: Relay, rows: Rows, bring: Import, undo: Undo
) -> None:
    link = Link()

    async def tell(isin: str, seconds: float) -> None:
        told = msgspec.structs.replace(ACME, isin=isin)
        await relay.handle([link.entry(InstrumentDescribed(received_at=at(seconds), instrument=told))])

    known = "SELECT isin, broker_isin FROM instruments"
    await relay.handle([link.entry(execution("a.01", "10"))])
    await tell(ISIN, 5)
    assert await mapped(worker, rows) == {ACME.conid: f"isin:{ISIN}"}
    report = await bring(named(isin=SAP))
    assert await rows(known) == [{"isin": SAP, "broker_isin": ISIN}]
    await tell(ALIBABA, 6)
    assert await rows(known) == [{"isin": SAP, "broker_isin": ALIBABA}], "a statement's word stands"
    await undo(report)
    assert await rows(known) == [{"isin": ALIBABA, "broker_isin": ALIBABA}]
    await tell(ISIN, 7)
    await tell("", 8)
    assert await rows(known) == [{"isin": ISIN, "broker_isin": ISIN}], "who may not see it erases nothing"
