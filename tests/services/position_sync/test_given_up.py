"""What a login that was given up said before, and comes late, brings nothing back and settles nothing."""

import pytest
from sqlalchemy import text

from core.events.facts import AccountsListed
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.logins import end_login
from services.position_sync.relay import Relay
from services.position_sync.ticks import TicksReader
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, Link, at, execution, position
from tests.services.position_sync.ledger_rows import count
from tests.services.position_sync.test_horizon import ADJUSTED, compare
from tests.services.position_sync.test_horizon import relay as relay  # noqa: PLC0414 - a fixture: nobody compares by itself
from tests.services.position_sync.test_logins import ONE, TWO, beat_of, changed, heard, listed, session_of

LISTED = "SELECT account, listed FROM broker_accounts ORDER BY account"
LINKS = "SELECT login, state, epoch FROM broker_links ORDER BY login"


@pytest.fixture
async def gone(database: Database, relay: Relay) -> Link:
    """A login that lists an account and was live, until it was given up; another goes on."""
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    link = Link(one)
    await relay.handle([link.entry(listed("U1"), changed("live"))])
    await relay.handle([Link(two).entry(listed("U2"), changed("live"))])
    async with database.write() as writer:
        assert await end_login(writer, ONE, at(100)) == ["U1"]
    return link


async def test_its_late_list_lists_nobody_and_a_new_session_does(
    relay: Relay, database: Database, rows: Rows, gone: Link
) -> None:
    """As from a spool, or from facts that waited for a worker."""
    await relay.handle([gone.entry(listed("U1"), changed("live", 120))])
    assert await rows(LISTED) == [{"account": "U1", "listed": False}, {"account": "U2", "listed": True}]
    assert [row["login"] for row in await rows(LINKS)] == [TWO]
    again = await session_of(database, ONE, "a", seconds=200)
    await relay.handle([Link(again).entry(listed("U1"), changed("live", 200))])
    assert [row["listed"] for row in await rows(LISTED)] == [True, True]
    assert [row["login"] for row in await rows(LINKS)] == [ONE, TWO]


async def test_a_beat_that_was_under_way_brings_its_link_not_back(
    database: Database, streams: RedisStreams, settings: Settings, rows: Rows, gone: Link
) -> None:
    reader = TicksReader(database, streams, settings)
    reader.take(beat_of(gone.epoch, ONE, "live"))
    await reader.flush()
    assert [row["login"] for row in await rows(LINKS)] == [TWO]
    # One that waits for a person is there again, without an epoch.
    reader.take(beat_of(0, ONE, "needs_login"))
    await reader.flush()
    assert [(row["login"], row["state"]) for row in await rows(LINKS)] == [
        (ONE, "needs_login"),
        (TWO, "live"),
    ]


async def test_its_accounts_are_held_to_no_word_whose_fills_may_never_have_come(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    """The fill is in the spool of a machine that is gone: it is late, and nothing was bought elsewhere."""
    one = await session_of(database, ONE, "a")
    link = Link(one)
    await relay.handle([link.entry(AccountsListed(received_at=at(0), accounts=(ACCOUNT,)), changed("live"))])
    await relay.handle([link.entry(execution("a.01", "10", seconds=1), position("10", "10", seconds=2))])
    await relay.handle([link.entry(position("12", "10", seconds=100), changed("disconnected", 101))])
    await compare(database, streams, settings)
    assert await count(database, "position_events", ADJUSTED) == 0
    async with database.write() as writer:
        assert await end_login(writer, ONE, at(200)) == [ACCOUNT]
    assert not (await compare(database, streams, settings)).unsettled
    assert await count(database, "position_events", ADJUSTED) == 0


async def test_a_clock_that_is_ahead_leaves_no_login_away_for_ever(
    relay: Relay, database: Database, rows: Rows
) -> None:
    one = await session_of(database, ONE, "a")
    await relay.handle([Link(one).entry(listed("U1"), changed("live"), changed("disconnected", 500))])
    async with database.write() as writer:
        await end_login(writer, ONE, at(400))
    words = await rows(
        "SELECT at, details ->> 'to' AS state FROM sync_log WHERE kind <> 'resync' ORDER BY at, id"
    )
    assert [row["state"] for row in words][-2:] == ["disconnected", "ended"]
    assert words[-1]["at"] == at(500)


async def test_beside_a_link_that_waits_an_old_word_is_void_whatever_its_epoch(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    one = await session_of(database, ONE, "a")
    link = Link(one)
    await relay.handle([link.entry(listed("U1"), changed("live"))])
    await session_of(database, TWO, "b")
    reader = TicksReader(database, streams, settings)
    await heard(database, p4001=5)
    reader.take(beat_of(0, ONE, "needs_login"))
    await reader.flush()
    # It was spooled before the machine was started again.
    await relay.handle([link.entry(changed("live", 30))])
    assert await rows(LINKS) == [{"login": ONE, "state": "needs_login", "epoch": 0}]
    async with database.read() as reader_:
        (log,) = (
            await reader_.execute(text("SELECT count(*) FROM sync_log WHERE details ->> 'to' = 'live'"))
        ).scalars()
    assert log == 2, "that it was so is written down"
