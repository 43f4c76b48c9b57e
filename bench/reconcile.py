"""Compare 10,000 positions with the broker's last word: nothing changed, and all of them new.

From call to commit, on durable servers. ``nothing changed`` is the regular sweep of an account that agrees.
``all new, first answer``: opening balances, which prove right. ``all new, later``: an answer told of what
the answer before did not, so that each becomes an adjustment with a cause: a statement, a position, a
lot, an event and a difference. The floors do with bare SQL what each must at least: count the books that
agree, mark them, write the rows. ``python -m bench.reconcile [BOOKS]``
"""

import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import uvloop

from bench.report import figure, median
from bench.rig import servers
from bench.seed import FIRST_CONID, connect
from core.domain.instruments import Instrument
from core.events.facts import Fact, FactBatch, PositionReported, PositionsCompleted, encode
from core.process import collect_rarely
from core.settings import Settings
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.reconcile import Compared, reconcile
from services.position_sync.relay import Relay

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
ROUNDS = 15
AGREEING, EMPTY = "DU1", "DU2"
_OF_POSITIONS = f"position_id IN (SELECT id FROM positions WHERE account = '{EMPTY}')"  # noqa: S608 - a name of our own
TABLES = {
    "position_statements": f"account = '{EMPTY}'",
    "positions": f"account = '{EMPTY}'",
    "position_events": _OF_POSITIONS,
    "lots": _OF_POSITIONS,
    "reconciliation_differences": f"account = '{EMPTY}'",
}


def answer(account: str, number: int, conids: Iterable[int]) -> Entry:
    """A complete positions answer, the ``number``-th of the account, that tells of these instruments."""
    when = START + timedelta(minutes=number)
    told: list[Fact] = [
        PositionReported(
            received_at=when,
            account=account,
            instrument=Instrument(
                conid=conid, symbol=f"S{conid}", sec_type="STK", currency="USD", exchange="SMART"
            ),
            quantity=Decimal(1 + conid % 500),
            average_cost=Decimal(10_000_000 + conid * 7919) / 1_000_000,
            as_of=when,
            sweep=f"{account} {number}",
        )
        for conid in conids
    ]
    told.append(
        PositionsCompleted(
            received_at=when, sweep=f"{account} {number}", accounts=(account,), count=len(told), as_of=when
        )
    )
    return Entry(f"{number}-0", encode(FactBatch(epoch=number, first_seq=0, facts=tuple(told))))


async def timed(act: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    await act()
    return (time.perf_counter() - started) * 1000


async def floor_unchanged(connection: asyncpg.Connection) -> float:
    """Counting the books whose quantity and cost are the broker's."""

    async def count() -> None:
        await connection.fetchval(
            "SELECT count(*) FROM ledger_books b JOIN positions p USING (account, conid) "
            "WHERE b.account = $1 AND p.status = 'open' AND b.quantity = b.broker_quantity "
            "AND abs(p.cost_basis - b.broker_average_cost * b.quantity) <= 0.01",
            AGREEING,
        )

    return median([await timed(count) for _ in range(ROUNDS)])


async def floor_first(connection: asyncpg.Connection) -> float:
    """Marking every book and every statement of one account in tables with a key and nothing else."""
    await connection.execute(
        "CREATE TABLE first_books AS SELECT * FROM ledger_books;"
        "CREATE UNIQUE INDEX ON first_books (account, conid);"
        "CREATE TABLE first_statements AS SELECT * FROM position_statements;"
        "CREATE UNIQUE INDEX ON first_statements (id)"
    )

    async def mark() -> None:
        async with connection.transaction():
            await connection.execute(
                "UPDATE first_books SET reconciled_at = now() WHERE account = $1", AGREEING
            )
            await connection.execute(
                "UPDATE first_statements SET anchor = 'settled' WHERE account = $1", AGREEING
            )

    return await timed(mark)


async def floor_new(connection: asyncpg.Connection) -> float:
    """Writing the rows once more into tables without a key, from the database itself, in one transaction."""
    for table, of_account in TABLES.items():
        await connection.execute(
            f"CREATE TABLE told_{table} AS SELECT * FROM {table} "  # noqa: S608 - names of our own
            f"WHERE {of_account}; CREATE TABLE bare_{table} (LIKE {table})"
        )
    await connection.execute(
        f"CREATE TABLE bare_books AS SELECT * FROM ledger_books WHERE account = '{EMPTY}'"  # noqa: S608 - the same
    )

    async def write() -> None:
        async with connection.transaction():
            for table in TABLES:
                await connection.execute(f"INSERT INTO bare_{table} TABLE told_{table}")
            await connection.execute("UPDATE bare_books SET quantity = broker_quantity, version = 1")

    return await timed(write)


async def measure(settings: Settings, books: int) -> None:
    """Tell of all, compare, and compare again."""
    streams = RedisStreams.connect(settings)
    database = Database(settings.require_database_url(), application="bench")
    now = START + timedelta(hours=1)

    def clock() -> datetime:
        return now

    async def nobody(_account: str, _trigger: str) -> None: ...

    async def compare(account: str) -> Compared:
        nonlocal now
        now += timedelta(minutes=1)
        return await reconcile(database, streams, settings, account, "sweep", clock=clock)

    conids = range(FIRST_CONID, FIRST_CONID + books)
    relay = Relay(database, streams, settings, ask_for_comparison=nobody, clock=clock)
    await relay.handle([answer(AGREEING, 1, conids)])
    await relay.handle([answer(EMPTY, 2, [1])])
    connection = await connect(settings)
    await connection.execute("ANALYZE")
    first = await timed(lambda: compare(AGREEING))
    await compare(EMPTY)
    figure(
        f"reconcile {books:,} positions, all new, first answer", first, await floor_first(connection), "ms"
    )
    await connection.execute("VACUUM ANALYZE")
    unchanged = median([await timed(lambda: compare(AGREEING)) for _ in range(ROUNDS)])
    if await compare(AGREEING) != Compared(books, 0, False):
        raise SystemExit("not every book agrees")
    figure(
        f"reconcile {books:,} positions, nothing changed",
        unchanged,
        await floor_unchanged(connection),
        "ms",
    )
    await relay.handle([answer(EMPTY, 3, [1, *conids])])
    await connection.execute("VACUUM ANALYZE")
    now += timedelta(minutes=1)
    new = await timed(lambda: compare(EMPTY))
    if await connection.fetchval("SELECT count(*) FROM reconciliation_differences") != books:
        raise SystemExit("not every book was found to differ")
    figure(f"reconcile {books:,} positions, all new, later", new, await floor_new(connection), "ms")
    await connection.close()
    await database.close()
    await streams.close()


async def main() -> None:
    books = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    async with servers() as settings:
        await measure(settings, books)


if __name__ == "__main__":
    collect_rarely()
    uvloop.run(main())
