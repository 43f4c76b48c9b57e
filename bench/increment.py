"""A hundred new executions, and the commission of each, on a long booked history: from call to commit.

Measured on an eighth of the history and on all of it: the growth is the exponent e in time ~ N^e, and 0 means
that the length of the history costs nothing. The floor writes the same executions and commissions into their
two tables, in one transaction, and decides nothing. ``python -m bench.increment [EXECUTIONS [BOOKS]]``
"""

import asyncio
import math
import random
import sys
import time
from datetime import datetime, timedelta
from decimal import Decimal

from bench.fold import START
from bench.report import figure, median
from bench.rig import servers
from bench.seed import ACCOUNT, FIRST_CONID, connect, seed
from core.clock import utc_now
from core.domain.instruments import Instrument
from core.events.facts import CommissionReported, ExecutionReported, Fact, FactBatch, encode
from core.process import collect_rarely
from core.settings import Settings
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.queries.ledger import dirty_books
from models.session import Database
from services.position_sync.booking import Arrivals, book
from services.position_sync.relay import Relay

NEW = 100
ROUNDS = 15
PARTS = 8
BOOKS_AT_ONCE = 50


def news(number: int, books: int) -> list[Fact]:
    """Fills after everything that is booked, each in a book of its own, with their commissions."""
    chance = random.Random(number)  # noqa: S311 - the same input in every run
    when = START + timedelta(days=100, seconds=number)
    told: list[Fact] = []
    for one in range(NEW):
        conid = FIRST_CONID + (one * 7) % books
        exec_id = f"new.{number:04}{one:04}.01.01"
        told.append(
            ExecutionReported(
                received_at=when,
                account=ACCOUNT,
                instrument=Instrument(
                    conid=conid, symbol=f"S{conid}", sec_type="STK", currency="USD", exchange="SMART"
                ),
                exec_id=exec_id,
                executed_at=when,
                side=chance.choice(("BOT", "SLD")),
                quantity=Decimal(chance.choice((1, 5, 10))),
                price=Decimal(chance.randrange(9_000, 11_000)) / 100,
            )
        )
        told.append(
            CommissionReported(received_at=when, exec_id=exec_id, commission=Decimal("1.05"), currency="USD")
        )
    return told


async def floor(settings: Settings) -> float:
    """Milliseconds to write as many executions and commissions and no more."""
    connection = await connect(settings)
    names = [f"bare.{one:04}" for one in range(NEW)]
    times: list[float] = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, "
                "quantity, price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, "
                "zone_assumed, source, received_at, epoch) SELECT e || $2, e || $2, 1, $3, $4, $5, 'BOT', 1, "
                "100.5, 0, 0, 0, '', 'SMART', 0, '', false, 'live', $5, 1 FROM unnest($1::text[]) AS e",
                names,
                f".{number}",
                ACCOUNT,
                FIRST_CONID,
                datetime.fromisoformat("2020-01-01T00:00:00Z"),
            )
            await connection.execute(
                "INSERT INTO commission_reports (exec_id, commission, currency, received_at, epoch) "
                "SELECT e || $2, 1.05, 'USD', $3, 1 FROM unnest($1::text[]) AS e",
                names,
                f".{number}",
                datetime.fromisoformat("2020-01-01T00:00:00Z"),
            )
        times.append((time.perf_counter() - started) * 1_000)
    await connection.execute("DELETE FROM executions WHERE exec_id LIKE 'bare.%'")
    await connection.execute("DELETE FROM commission_reports WHERE exec_id LIKE 'bare.%'")
    await connection.close()
    return median(times)


async def measure(executions: int, books: int) -> tuple[float, float]:
    """Milliseconds to book what is new, and of the floor, on a history of this length."""
    async with servers() as settings:
        await seed(settings, executions, books)
        database = Database(settings.require_database_url(), application="bench")
        while True:
            async with database.read() as reader:
                dirty = await dirty_books(reader, BOOKS_AT_ONCE)
            if not dirty:
                break
            async with database.write() as connection:
                await book(connection, Arrivals(anew=dirty), utc_now())
        connection = await connect(settings)
        await connection.execute("ANALYZE")
        await connection.close()
        streams = RedisStreams.connect(settings)

        async def nobody(_account: str, _trigger: str) -> None: ...

        relay = Relay(database, streams, settings, ask_for_comparison=nobody)
        times: list[float] = []
        for number in range(ROUNDS):
            batch = FactBatch(epoch=2, first_seq=number * 2 * NEW, facts=tuple(news(number, books)))
            entry = Entry(f"{number + 1}-0", encode(batch))
            started = time.perf_counter()
            await relay.handle([entry])
            times.append((time.perf_counter() - started) * 1_000)
        bare = await floor(settings)
        await streams.close()
        await database.close()
    return median(times), bare


async def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 1_200
    few, _ = await measure(executions // PARTS, books)
    many, bare = await measure(executions, books)
    growth = math.log(many / few) / math.log(PARTS)
    figure("growth of 100 new executions with the history", growth, 1, "exponent")
    figure(f"100 new executions on {executions:,}", many, bare, "ms")


if __name__ == "__main__":
    collect_rarely()
    asyncio.run(main())
