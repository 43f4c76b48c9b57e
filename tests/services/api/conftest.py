"""A portfolio in the database, and the API on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from core.settings import Settings
from models.session import Database
from services.api.app import create_app
from services.api.context import Context
from services.api.live.hub import Pace
from services.api.server import listen, server_for
from tests.services.api.portfolio import TOKEN, seed
from tests.waiting import eventually

QUICK = Pace(
    heartbeat_seconds=0.3, watch_seconds=0.05, reload_seconds=60, retry_seconds=0.05, refresh_seconds=0.02
)


async def eventually_started(server: uvicorn.Server) -> None:
    async def started() -> bool:
        return server.started

    await eventually(started)


@dataclass
class Api:
    """A running API and ways to talk to it."""

    settings: Settings
    context: Context
    server: uvicorn.Server
    http: httpx.AsyncClient

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.settings.api_port}"

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator["Socket"]:
        options.setdefault("additional_headers", {"Authorization": f"Bearer {TOKEN}"})
        async with connect(
            f"ws://{self.address}/api/v1/stream", compression=None, proxy=None, max_size=None, **options
        ) as connection:
            yield Socket(connection)


@dataclass
class Socket:
    """A WebSocket client that reads JSON."""

    connection: ClientConnection

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def subscribe(self, *topics: str) -> None:
        await self.send({"type": "subscribe", "topics": [{"topic": topic} for topic in topics]})

    async def next(self, *types: str, where: Callable[[Any], bool] = lambda _: True) -> Any:
        """The next message of one of the types for which ``where`` holds."""
        async with asyncio.timeout(20):
            while True:
                message = json.loads(await self.connection.recv())
                if (not types or message["type"] in types) and where(message):
                    return message

    async def closed(self) -> int:
        """The code the server closed with."""
        async with asyncio.timeout(20):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


Start = Callable[..., Awaitable[Api]]


class Running:
    """Starts APIs and stops them at the end of the test."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, settings: Settings, *, loaded: bool = True, **options: Any) -> Api:
        app = create_app(settings, **{"pace": QUICK, **options})
        server = server_for(app)
        listener = listen("127.0.0.1", settings.api_port)
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        async def stop() -> None:
            server.should_exit = True
            await serving

        self._stack.push_async_callback(stop)
        base = f"http://127.0.0.1:{settings.api_port}"
        http = await self._stack.enter_async_context(
            httpx.AsyncClient(
                base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20, trust_env=False
            )
        )
        api = Api(settings, app.state.context, server, http)
        await eventually_started(server)
        if loaded:
            async with asyncio.timeout(20):
                await api.context.hub.loaded.wait()
        return api


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start an API with given settings."""
    async with Running() as running:
        yield running.start


@pytest.fixture
async def seeded(database: Database) -> Database:
    """The portfolio of ``portfolio.py`` in the database."""
    await seed(database)
    return database


@pytest.fixture
async def api(start: Start, settings: Settings, seeded: Database) -> Api:  # noqa: ARG001 - asked for its effect
    """An API over the seeded portfolio, each change sent at once."""
    return await start(settings.model_copy(update={"stream_conflate_ms": 0}))
