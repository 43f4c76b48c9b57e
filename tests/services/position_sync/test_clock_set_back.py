"""Our clock set back by hours: what is newer still counts, and what is older still does not."""

from decimal import Decimal

from core.events.facts import LinkBeat, LinkChanged, PnlReported
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.broker_sessions import open_broker_session
from services.position_sync.relay import Relay
from services.position_sync.ticks import TicksReader
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, Link, at, position
from tests.services.position_sync.test_ticks import batch, mark

BACK = -2 * 3600.0


def changed(
    state: str, seconds: float, *, before: str = "connecting", since: float | None = None
) -> LinkChanged:
    return LinkChanged(
        received_at=at(seconds),
        gateway="up",
        ibkr="up",
        since=at(seconds if since is None else since),
        reason="",
        state=state,  # type: ignore[arg-type]
        before=before,  # type: ignore[arg-type]
    )


async def begin(database: Database) -> int:
    async with database.write() as writer:
        session = await open_broker_session(
            writer,
            login="one:1",
            client_id=1,
            holder="here:1",
            now=at(0),
            earlier=0,
            earlier_ended="",
            earlier_ended_at=at(0),
        )
    return session.epoch


async def test_a_change_of_the_link_counts_by_its_place_and_not_by_its_time(
    relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link(await begin(database))
    first, second, third = (
        link.entry(changed("syncing", 10)),
        link.entry(changed("degraded", BACK)),
        link.entry(changed("live", BACK + 1)),
    )
    for entry in (first, third, second):
        await relay.handle([entry])
    assert await rows("SELECT state FROM broker_sessions") == [{"state": "live"}]


async def test_where_the_link_stands_is_taken_again_without_a_line_in_the_log(
    relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link(await begin(database))
    await relay.handle([link.entry(changed("live", 10, before="live", since=2))])
    assert await rows("SELECT state FROM broker_sessions") == [{"state": "live"}]
    assert await rows("SELECT state, since FROM broker_links") == [{"state": "live", "since": at(2)}]
    assert await rows("SELECT message FROM sync_log WHERE kind = 'link'") == []
    # Another reason in the same state is a change.
    await relay.handle([link.entry(changed("live", 11, before="live"))])
    assert len(await rows("SELECT message FROM sync_log WHERE kind = 'link'")) == 1


async def test_figures_and_beats_go_on_after_the_clock_was_set_back(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    await relay.handle([Link().entry(position("1"))])
    reader = TicksReader(database, streams, settings)

    async def tell(seconds: float, price: str, state: str) -> None:
        beat = LinkBeat(
            received_at=at(seconds),
            gateway="up",
            ibkr="up",
            since=at(seconds),
            state=state,  # type: ignore[arg-type]
        )
        pnl = PnlReported(received_at=at(seconds), account=ACCOUNT, daily_pnl=Decimal(price))
        reader.take(batch(mark(price, seconds=seconds), pnl, beat, epoch=7))

    async def shown() -> tuple[object, ...]:
        await reader.flush()
        (price,) = await rows("SELECT market_price FROM marks")
        (pnl,) = await rows("SELECT daily_pnl FROM account_pnl")
        (beat,) = await rows("SELECT state FROM broker_links")
        return price["market_price"], pnl["daily_pnl"], beat["state"]

    await tell(10, "1", "syncing")
    assert await shown() == (1, 1, "syncing")
    await tell(BACK, "2", "live")
    assert await shown() == (2, 2, "live")
    # Another worker's, a little late.
    await tell(BACK - 5, "3", "syncing")
    assert await shown() == (2, 2, "live")
    # The same within one flush.
    await tell(20, "4", "syncing")
    await tell(BACK + 1, "5", "live")
    assert await shown() == (5, 5, "live")
