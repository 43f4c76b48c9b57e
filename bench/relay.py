"""Executions on the facts stream to committed ledger rows, beside bare unnest upserts of the same.

One worker's relay, durable servers, everything encoded beforehand. The floor writes each execution and its
commission into two plain tables with one key each, in batches of the same size, and decides nothing.

``python -m bench.relay [EXECUTIONS [BOOKS]]``
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import uvloop

from bench.report import figure
from bench.rig import servers
from core.domain.instruments import Instrument
from core.events.facts import CommissionReported, ExecutionReported, Fact, FactBatch, encode
from core.process import collect_rarely
from core.settings import Settings
from core.streams.consumer import Consumer
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import GROUP, Relay

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
FILLS_AN_ENTRY = 25
ENTRIES_A_BATCH = 64


def facts(executions: int, books: int) -> list[Fact]:
    """Fills over many books in both directions, each followed by its commission."""
    chance = random.Random(7)  # noqa: S311 - the same input in every run
    instruments = [
        Instrument(conid=1000 + number, symbol=f"S{number}", sec_type="STK", currency="USD", exchange="SMART")
        for number in range(books)
    ]
    told: list[Fact] = []
    for number in range(executions):
        when = START + timedelta(milliseconds=number)
        exec_id = f"0000e0d5.{number:08x}.01.01"
        told.append(
            ExecutionReported(
                received_at=when,
                account=f"DU{number % 3}",
                instrument=instruments[number % books],
                exec_id=exec_id,
                executed_at=when,
                side=chance.choice(("BOT", "SLD")),
                quantity=Decimal(chance.choice((1, 5, 10, 100))),
                price=Decimal(chance.randrange(9000, 11000)) / 100,
                order_id=number,
                perm_id=number,
                exchange="ISLAND",
            )
        )
        told.append(
            CommissionReported(
                received_at=when,
                exec_id=exec_id,
                commission=Decimal(chance.randrange(35, 400)) / 100,
                currency="USD",
            )
        )
    return told


async def floor(settings: Settings, told: Sequence[Fact]) -> float:
    """Executions a second by bare upserts."""
    url = settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE bare_executions (exec_id text PRIMARY KEY, account text, conid bigint, at timestamptz, "
        "side text, quantity numeric, price numeric);"
        "CREATE TABLE bare_commissions (exec_id text PRIMARY KEY, commission numeric, currency text)"
    )
    fills = [fact for fact in told if isinstance(fact, ExecutionReported)]
    reports = [fact for fact in told if isinstance(fact, CommissionReported)]
    size = FILLS_AN_ENTRY * ENTRIES_A_BATCH
    started = time.perf_counter()
    for first in range(0, len(fills), size):
        some, same = fills[first : first + size], reports[first : first + size]
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO bare_executions SELECT a, b, c, d, e, f::numeric, g::numeric "
                "FROM unnest($1::text[], "
                "$2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]) "
                "AS r(a, b, c, d, e, f, g) ON CONFLICT DO NOTHING",
                [fact.exec_id for fact in some],
                [fact.account for fact in some],
                [fact.instrument.conid for fact in some],
                [fact.executed_at for fact in some],
                [fact.side for fact in some],
                [str(fact.quantity) for fact in some],
                [str(fact.price) for fact in some],
            )
            await connection.execute(
                "INSERT INTO bare_commissions SELECT a, b::numeric, c FROM unnest($1::text[], $2::text[], "
                "$3::text[]) AS r(a, b, c) ON CONFLICT DO NOTHING",
                [fact.exec_id for fact in same],
                [str(fact.commission) for fact in same],
                [fact.currency for fact in same],
            )
    seconds = time.perf_counter() - started
    await connection.close()
    return len(fills) / seconds


async def relay(settings: Settings, told: Sequence[Fact], executions: int) -> float:
    """Executions a second through one worker's relay."""
    streams = RedisStreams.connect(settings)
    writing = RedisStreams.connect(settings)
    database = Database(settings.require_database_url(), application="bench")
    step = FILLS_AN_ENTRY * 2
    await writing.append(
        settings.facts_stream,
        [
            encode(FactBatch(epoch=1, first_seq=first, facts=tuple(told[first : first + step])))
            for first in range(0, len(told), step)
        ],
    )

    async def nobody(_account: str, _trigger: str) -> None: ...

    applied = Relay(database, streams, settings, ask_for_comparison=nobody)
    consumer = Consumer(
        streams,
        stream=settings.facts_stream,
        group=GROUP,
        consumer="bench",
        handle=applied.handle,
        count=ENTRIES_A_BATCH,
    )
    started = time.perf_counter()
    task = asyncio.create_task(consumer.run())
    while True:
        await asyncio.sleep(0.05)
        info = await writing.info(settings.facts_stream)
        if info.groups and not info.groups[0].pending_entries and not info.groups[0].lag_entries:
            break
    seconds = time.perf_counter() - started
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    url = settings.require_database_url().replace("postgresql+asyncpg://", "postgresql://")
    connection = await asyncpg.connect(url)
    stored = await connection.fetchval("SELECT count(*) FROM executions WHERE position_id IS NOT NULL")
    await connection.close()
    await database.close()
    await streams.close()
    await writing.close()
    if stored != executions:
        raise SystemExit(f"{stored} of {executions} executions were booked")
    return executions / seconds


async def main() -> None:
    """Measure both in one run."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 120
    told = facts(executions, books)
    async with servers() as settings:
        bare = await floor(settings, told)
        value = await relay(settings, told, executions)
    figure("relay to ledger rows", value, bare, "executions/s")


if __name__ == "__main__":
    collect_rarely()
    uvloop.run(main())
