from decimal import Decimal

from core.events import changes
from core.settings import Settings
from core.streams.port import START as FIRST_ID
from core.streams.redis import RedisStreams
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, commission, execution


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
