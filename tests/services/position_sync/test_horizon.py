"""A word of the broker is held against the ledger only when all that was told with it has been applied."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.reconcile import Compared, reconcile
from services.position_sync.relay import GROUP, Relay
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, Link, execution, position
from tests.services.position_sync.ledger_rows import count

ADJUSTED = "type = 'adjusted'"


@pytest.fixture
def relay(database: Database, streams: RedisStreams, settings: Settings) -> Relay:
    async def nobody(_account: str, _trigger: str) -> None: ...

    return Relay(database, streams, settings, ask_for_comparison=nobody)


async def compare(database: Database, streams: RedisStreams, settings: Settings) -> Compared:
    """Compare a minute later: things have been quiet for long."""
    later = utc_now() + timedelta(seconds=20)
    return await reconcile(database, streams, settings, ACCOUNT, "test", clock=lambda: later)


async def link_says(database: Database, state: str, seconds: float) -> None:
    """The link's last beat, so many seconds from now."""
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO broker_links (login, gateway, ibkr, state, reason, since, updated_at, epoch) "
                "VALUES ('', 'up', 'up', :state, '', now(), now() + make_interval(secs => :seconds), 1) "
                "ON CONFLICT (login) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at"
            ),
            {"state": state, "seconds": seconds},
        )


async def held_and_known(relay: Relay, link: Link, settle: object) -> None:
    """Ten bought, agreed on, and then the broker says twelve."""
    await relay.handle([link.entry(execution("a.01", "10"), position("10", "10", seconds=1))])
    await settle()  # type: ignore[operator]
    await relay.handle([link.entry(position("12", "10", seconds=100))])


async def test_what_waits_in_the_stream_is_waited_for(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    link = Link()
    await held_and_known(relay, link, lambda: compare(database, streams, settings))
    # The fill that made it so is in the hands of a worker that was killed.
    await streams.ensure_group(settings.facts_stream, GROUP)
    late = link.entry(execution("b.01", "2", seconds=100))
    await streams.append(settings.facts_stream, [late.data])
    (given,) = await streams.read_group(settings.facts_stream, GROUP, "killed", count=1, block_ms=0)
    assert (await compare(database, streams, settings)).unsettled
    assert await count(database, "position_events", ADJUSTED) == 0

    await relay.handle([late])
    await streams.acknowledge(settings.facts_stream, GROUP, [given.id])
    assert await compare(database, streams, settings) == Compared(1, 0, unsettled=False)
    assert await rows("SELECT type, quantity FROM position_events ORDER BY seq") == [
        {"type": "opened", "quantity": 10},
        {"type": "increased", "quantity": 2},
    ]


async def test_a_link_that_ended_between_a_word_and_its_fills_is_waited_for(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    link = Link()
    await held_and_known(relay, link, lambda: compare(database, streams, settings))
    # It was live a moment ago, and nobody has heard of it since the word came.
    await link_says(database, "live", 0)
    assert (await compare(database, streams, settings)).unsettled
    # It is back, and has not told everything again yet; what it tells then asks for the next comparison.
    for state, seconds in (("syncing", 20), ("degraded", 20), ("live", -60)):
        await link_says(database, state, seconds)
        assert await compare(database, streams, settings) == Compared(0, 0, unsettled=False)
    assert await count(database, "position_events", ADJUSTED) == 0
    await link_says(database, "live", 20)
    assert (await compare(database, streams, settings)).differences == 1
    assert await count(database, "position_events", ADJUSTED) == 1


async def test_a_link_whose_beats_are_seldom_written_has_not_ended_between_two_of_them(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    await held_and_known(relay, Link(), lambda: compare(database, streams, settings))
    await link_says(database, "live", -60)
    seldom = settings.model_copy(update={"last_known_flush_seconds": 60.0})
    assert (await compare(database, streams, seldom)).unsettled


async def test_without_redis_nobody_knows_what_waits_in_it(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, unused_port: int
) -> None:
    await held_and_known(relay, Link(), lambda: compare(database, streams, settings))
    address = SecretStr(f"redis://127.0.0.1:{unused_port}/0")
    away = RedisStreams.connect(settings.model_copy(update={"redis_url": address}))
    assert (await compare(database, away, settings)).unsettled
    await away.close()
    assert await count(database, "position_events", ADJUSTED) == 0
