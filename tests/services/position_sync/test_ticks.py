from decimal import Decimal

from core.events.facts import LinkBeat, MarkReported, PnlReported, Tick, TickBatch, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.ticks import TicksReader
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, Link, at, position
from tests.services.position_sync.ledger_rows import count


def mark(
    price: str | None, *, seconds: float = 0, account: str = ACCOUNT, value: str | None = None
) -> MarkReported:
    return MarkReported(
        received_at=at(seconds),
        account=account,
        conid=ACME.conid,
        market_price=None if price is None else Decimal(price),
        market_value=None if value is None else Decimal(value),
    )


def batch(*ticks: Tick, epoch: int = 1) -> bytes:
    return encode(TickBatch(epoch=epoch, ticks=ticks))


async def test_the_newest_of_each_key_is_written_and_an_unknown_figure_never_erases_a_known_one(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    await relay.handle([Link().entry(position("1"))])
    reader = TicksReader(database, streams, settings)
    reader.take(batch(mark("10", value="100"), mark("12", seconds=2), mark("11", seconds=1)))
    reader.take(batch(PnlReported(received_at=at(0), account=ACCOUNT, daily_pnl=Decimal("1.5"))))
    reader.take(batch(LinkBeat(received_at=at(3), gateway="up", ibkr="down", since=at(1), reason="ib_1100")))
    await reader.flush()
    (stored,) = await rows("SELECT market_price, market_value, as_of FROM marks")
    assert stored == {"market_price": 12, "market_value": 100, "as_of": at(2)}
    reader.take(batch(mark("NaN", seconds=5)))
    await reader.flush()
    (stored,) = await rows("SELECT market_price, market_value, as_of FROM marks")
    assert stored == {"market_price": 12, "market_value": 100, "as_of": at(5)}
    (pnl,) = await rows("SELECT daily_pnl, realized_pnl FROM account_pnl")
    assert pnl == {"daily_pnl": Decimal("1.5"), "realized_pnl": None}
    (link,) = await rows("SELECT gateway, ibkr, reason FROM broker_links")
    assert link == {"gateway": "up", "ibkr": "down", "reason": "ib_1100"}


async def test_a_mark_of_an_account_that_is_not_known_yet_and_an_unreadable_one_do_no_harm(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    await relay.handle([Link().entry(position("1"))])
    reader = TicksReader(database, streams, settings)
    reader.take(b"rubbish")
    reader.take(batch(mark("10"), mark("10", account="DU9")))
    await reader.flush()
    assert await count(database, "marks") == 1


async def test_while_the_database_is_away_the_newest_is_remembered(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    await relay.handle([Link().entry(position("1"))])
    url = settings.require_database_url().rsplit("@", 1)[0] + "@127.0.0.1:1/none"
    away = Database(url, application="test")
    reader = TicksReader(away, streams, settings)
    reader.take(batch(mark("10"), LinkBeat(received_at=at(0), gateway="up", ibkr="up", since=at(0))))
    await reader.flush()
    reader.take(batch(mark(None, seconds=1)))
    await reader.flush()
    await away.close()
    reader._database = database
    await reader.flush()
    (stored,) = await rows("SELECT market_price, as_of FROM marks")
    assert stored == {"market_price": 10, "as_of": at(1)}
    assert await count(database, "broker_links") == 1


async def test_what_a_replaced_link_still_says_is_not_written(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    await relay.handle([Link().entry(position("1"))])
    reader = TicksReader(database, streams, settings)
    beat = LinkBeat(received_at=at(0), gateway="up", ibkr="up", since=at(0), state="live", complete=True)
    reader.take(batch(mark("10"), beat, epoch=7))
    await reader.flush()
    # Also after a flush, when nothing of the newer one waits any more.
    late = LinkBeat(received_at=at(9), gateway="unknown", ibkr="unknown", since=at(9), state="fenced")
    pnl = PnlReported(received_at=at(9), account=ACCOUNT, daily_pnl=Decimal(-1))
    reader.take(batch(mark("99", seconds=9), late, pnl, epoch=6))
    await reader.flush()
    assert await rows("SELECT market_price FROM marks") == [{"market_price": 10}]
    assert await rows("SELECT state, epoch FROM broker_links") == [{"state": "live", "epoch": 7}]
    assert await count(database, "account_pnl") == 0
