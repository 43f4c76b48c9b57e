"""How many times a second one API process lists 100 positions to 32 connections.

The floor, measured in the same run against the same server program: a bare uvicorn application that reads one
row by its index with asyncpg for each request.
"""

import asyncio
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import uvicorn
from sqlalchemy import insert

from bench.report import figure
from bench.rig import TOKEN, servers
from core.clock import utc_now
from core.process import collect_rarely
from core.settings import Settings
from models import tables as t
from models.session import Database
from services.api.app import create_app
from services.api.server import listen, server_for
from services.stack.ports import free_port

ROWS = 100
CONNECTIONS = 32
SECONDS = 5.0


async def fill(settings: Settings) -> None:
    """A hundred open positions with their marks."""
    database, now = Database(settings.require_database_url(), application="bench"), utc_now()
    one = Decimal(1)
    async with database.write() as writer:
        await writer.execute(
            insert(t.broker_accounts).values(
                account="DU1", base_currency="USD", paper=True, first_seen_at=now, last_seen_at=now
            )
        )
        for conid in range(1, ROWS + 1):
            await writer.execute(
                insert(t.instruments).values(
                    conid=conid,
                    symbol=f"S{conid}",
                    local_symbol=f"S{conid}",
                    sec_type="STK",
                    currency="USD",
                    multiplier=one,
                    exchange="SMART",
                    trading_class="",
                    expiry="",
                    option_right="",
                    description="A company of some length, Inc.",
                    updated_at=now,
                )
            )
            await writer.execute(
                insert(t.ledger_books).values(account="DU1", conid=conid, broker_quantity=one)
            )
            await writer.execute(insert(t.positions).values(**_position(conid, now)))
            await writer.execute(
                insert(t.marks).values(
                    account="DU1",
                    conid=conid,
                    quantity=one,
                    market_price=Decimal("10.5"),
                    market_value=Decimal("10.5"),
                    daily_pnl=one,
                    unrealized_pnl=one,
                    as_of=now,
                )
            )
    await database.close()


def _position(conid: int, now: Any) -> dict[str, Any]:

    return {
        "id": uuid.uuid4(),
        "account": "DU1",
        "conid": conid,
        "ordinal": 1,
        "status": "open",
        "side": "long",
        "quantity": Decimal(1),
        "max_quantity": Decimal(1),
        "average_cost": Decimal("9.5"),
        "cost_basis": Decimal("9.5"),
        "realized_pnl": Decimal(0),
        "commission": Decimal(1),
        "opened_at": now,
        "provisional": False,
        "missing_commissions": 0,
        "estimated": False,
        "event_count": 1,
        "lot_count": 1,
        "version": 1,
        "updated_at": now,
    }


@asynccontextmanager
async def serving(server: uvicorn.Server, port: int) -> AsyncIterator[None]:
    """The server, listening on the port, in this process."""
    task = asyncio.create_task(server.serve(sockets=[listen("127.0.0.1", port)]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def floor_app(pool: asyncpg.Pool) -> Any:
    """One row by its index for each request, and nothing else."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        async with pool.acquire() as connection:
            row = await connection.fetchrow("SELECT symbol FROM instruments WHERE conid = $1", 7)
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(row[0]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": row[0].encode()})

    return application


async def _one(port: int, path: str, until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - began)
    writer.close()


async def _load(port: int, path: str) -> None:
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(_one(port, path, until, times) for _ in range(CONNECTIONS)))
    p99 = statistics.quantiles(times, n=100)[98] * 1000
    print(f"{len(times) / SECONDS:.1f} {statistics.median(times) * 1000:.2f} {p99:.2f}")


async def measure(port: int, path: str) -> tuple[float, float, float]:
    """Requests a second, p50 and p99 in milliseconds; the client is a process of its own."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--load", str(port), path, stdout=subprocess.PIPE
    )
    out, _ = await client.communicate()
    rate, p50, p99 = out.decode().split()
    return float(rate), float(p50), float(p99)


async def _bench() -> None:
    async with servers(api_port=free_port()) as settings:
        await _compare(settings)


async def _compare(settings: Settings) -> None:
    await fill(settings)
    raw = settings.require_database_url().replace("+asyncpg", "")
    port = settings.api_port
    async with asyncpg.create_pool(raw, min_size=8, max_size=8) as pool:
        config = uvicorn.Config(floor_app(pool), http="httptools", access_log=False, log_config=None)
        server = uvicorn.Server(config)
        async with serving(server, port):
            floor, floor_p50, floor_p99 = await measure(port, "/")
    app = create_app(settings)
    async with serving(server_for(app, settings), port):
        await app.state.context.hub.loaded.wait()
        rate, p50, p99 = await measure(port, "/api/v1/positions?limit=100")
    print(f"floor, one indexed row: {floor:.0f}/s, p50 {floor_p50:.1f} ms, p99 {floor_p99:.1f} ms")
    print(f"GET /positions, {ROWS} rows: {rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    figure("GET /positions, p99", p99, floor_p99, "ms")
    figure("GET /positions, 100 rows, 32 connections", rate, floor, "requests/s")


def _main() -> None:
    if sys.argv[1:2] == ["--load"]:
        asyncio.run(_load(int(sys.argv[2]), sys.argv[3]))
        return
    import uvloop  # noqa: PLC0415 - only the server side runs on it

    collect_rarely()
    uvloop.run(_bench())


if __name__ == "__main__":
    _main()
