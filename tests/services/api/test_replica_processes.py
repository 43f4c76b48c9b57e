"""Two API processes as they run in production: one of them stands still, one of them is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.stack.ports import free_port
from tests.services.api.conftest import Socket
from tests.services.api.mirror import Mirror
from tests.services.api.portfolio import TOKEN, mark, position_id, tick
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
START = "from core.settings import load_settings; from services.api.app import run; run(load_settings())"
KEY = str(position_id("aapl"))
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Replica:
    """A process and its port."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        environment = {
            **os.environ,
            "LOTKEEPER_HOME": str(settings.home),
            "LOTKEEPER_DATABASE_URL": settings.require_database_url(),
            "LOTKEEPER_REDIS_URL": settings.require_redis_url(),
            "LOTKEEPER_STREAM_PREFIX": settings.stream_prefix,
            "LOTKEEPER_STREAM_CONFLATE_MS": "0",
            "LOTKEEPER_API_PORT": str(self.port),
            "LOTKEEPER_API_TOKEN": TOKEN,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", START], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )

    async def ready(self) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as client:

            async def is_up() -> bool:
                assert self.process.poll() is None
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(is_up)

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        url = f"ws://127.0.0.1:{self.port}/api/v1/stream"
        async with connect(
            url, additional_headers=BEARER, compression=None, proxy=None, close_timeout=0
        ) as connection:
            yield Socket(connection)


@pytest.fixture
async def replicas(settings: Settings, seeded: Database) -> AsyncIterator[list[Replica]]:
    assert seeded
    started = [Replica(settings), Replica(settings)]
    try:
        await asyncio.gather(*(replica.ready() for replica in started))
        yield started
    finally:
        for replica in started:
            replica.process.kill()
            replica.process.wait()


async def place(replica: Replica) -> tuple[str, int]:
    """Where the positions stand to a client that has just come."""
    async with replica.socket() as socket:
        await socket.subscribe("positions")
        told = await socket.next("snapshot")
        return told["epoch"], told["seq"]


async def test_one_that_stands_still_or_dies_is_replaced_and_the_numbers_go_on(
    replicas: list[Replica], settings: Settings, streams: RedisStreams
) -> None:
    async def told(price: int) -> None:
        await tick(streams, settings, mark(utc_now(), market_price=Decimal(price)))

    def shows(price: int) -> object:
        return lambda rows: rows.get(KEY, {}).get("market_price") == str(price)

    mirrors = [Mirror(), Mirror()]
    async with replicas[0].socket() as first, replicas[1].socket() as second:
        sockets = [first, second]

        async def both(price: int) -> None:
            await told(price)
            for mirror, socket in zip(mirrors, sockets, strict=True):
                await mirror.until(socket, shows(price))

        for mirror, socket in zip(mirrors, sockets, strict=True):
            await mirror.follow(socket)
        # Until they agree each may begin anew once.
        await both(200)
        await eventually(lambda: _agree(replicas))
        await both(201)
        for mirror in mirrors:
            mirror.resets.clear()
        epoch = mirrors[0].epoch
        assert mirrors[1].epoch == epoch
        for frozen in (0, 1):
            # Whichever of the two it is that numbers: one of the turns freezes it.
            replicas[frozen].tell(signal.SIGSTOP)
            await told(300 + frozen)
            await mirrors[1 - frozen].until(sockets[1 - frozen], shows(300 + frozen))
            replicas[frozen].tell(signal.SIGCONT)
            await both(400 + frozen)
        await eventually(lambda: _agree(replicas))
        resets = [mirror.resets for mirror in mirrors]
        replicas[0].tell(signal.SIGKILL)
        await told(500)
        await mirrors[1].until(second, shows(500))
    assert [mirror.epoch for mirror in mirrors] == [epoch, epoch]
    assert resets == [[], []]


async def _agree(replicas: list[Replica]) -> bool:
    return await place(replicas[0]) == await place(replicas[1])
