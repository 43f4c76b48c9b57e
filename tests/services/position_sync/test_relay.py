from decimal import Decimal

import msgspec
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core.domain.instruments import Instrument
from core.events import changes
from core.events.facts import InstrumentDescribed, ResyncFenced
from core.settings import Settings
from core.streams.port import START as FIRST_ID
from core.streams.redis import RedisStreams
from models.queries.sync import last_errors
from models.session import Database
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, at, commission, execution


async def published(streams: RedisStreams, settings: Settings) -> list[changes.Change]:
    entries = await streams.tail(settings.changes_stream, FIRST_ID, count=1000, block_ms=1)
    return [change for entry in entries for change in changes.decode(entry.data).changes]


async def test_a_fill_becomes_rows_and_is_announced_once_committed(
    relay: Relay, rows: Rows, streams: RedisStreams, settings: Settings
) -> None:
    link = Link()
    await relay.handle([link.entry(execution("a.01", "100", "10"), commission("a.01", "1"))])
    (stored,) = await rows("SELECT * FROM positions")
    assert stored["status"] == "open"
    assert stored["quantity"] == 100
    assert stored["average_cost"] == Decimal("10.01")
    assert not stored["provisional"]
    (event,) = await rows("SELECT * FROM position_events")
    assert (event["type"], event["exec_id"], event["commission"]) == ("opened", "a.01", 1)
    kinds = [type(change).__name__ for change in await published(streams, settings)]
    assert sorted(kinds) == ["AccountsRecorded", "ExecutionRecorded", "PositionChanged"]
    assert await rows("SELECT * FROM outbox") == []


async def test_a_name_that_is_learnt_later_is_announced_at_once(
    relay: Relay, rows: Rows, streams: RedisStreams, settings: Settings
) -> None:
    link = Link()
    plain = Instrument(conid=7, symbol="VOD", sec_type="STK", currency="USD", exchange="LSE")
    named = msgspec.structs.replace(plain, description="Vodafone")
    await relay.handle(
        [link.entry(execution("a.01", "100", "2.5", instrument=plain), commission("a.01", "1"))]
    )
    (before,) = await rows("SELECT * FROM positions")
    described = link.entry(InstrumentDescribed(received_at=at(5), instrument=named))
    await relay.handle([described])
    told = [
        change for change in await published(streams, settings) if isinstance(change, changes.PositionChanged)
    ]
    assert [change.description for change in told] == ["", "Vodafone"]
    assert told[1].version > told[0].version
    (after,) = await rows("SELECT * FROM positions")
    changing = {"version", "updated_at"}
    assert {name: after[name] for name in dict(after) if name not in changing} == {
        name: before[name] for name in dict(before) if name not in changing
    }
    await relay.handle([described])
    assert len(await published(streams, settings)) == len(told) + 2, "the same words again change nothing"


async def test_a_resync_that_failed_is_among_the_last_errors(relay: Relay, database: Database) -> None:
    good = ResyncFenced(received_at=at(1), trigger="connect", started_at=at(0), ok=True)
    bad = ResyncFenced(received_at=at(3), trigger="retry", started_at=at(2), ok=False, error="no answer came")
    await relay.handle([Link().entry(good, bad)])
    async with database.read() as reader:
        (told,) = await last_errors(reader, limit=10)
    assert (told.at, told.category, told.message) == (at(3), "resync_failed", "resync failed: no answer came")


async def test_a_batch_has_one_id_and_the_job_that_it_ends_its_own(relay: Relay, database: Database) -> None:
    link, job = Link(), "3f1c7d8e-0000-4000-8000-000000000001"
    async with database.write() as writer:
        await writer.execute(
            text("INSERT INTO jobs (id, kind, status, created_at) VALUES (:id, 'resync', 'queued', now())"),
            {"id": job},
        )
    fence = ResyncFenced(received_at=at(2), trigger="request", started_at=at(0), ok=True, job_id=job)
    entries = [link.entry(execution("a.01", "10", "9.9")), link.entry(fence)]
    with capture_logs([merge_contextvars]) as lines:
        await relay.handle(entries)
        await relay.handle(entries)
    told = [(line["event"], line["correlation_id"]) for line in lines]
    batch = f"batch-{entries[0].id}"
    assert told == [("facts_committed", batch), ("job_ended", job), ("facts_committed", batch)]
    assert [line["facts"] for line in lines if line["event"] == "facts_committed"] == [2, 0]
    assert (lines[1]["duration_ms"], lines[1]["ok"], lines[1]["kind"]) == (2000, True, "resync")
