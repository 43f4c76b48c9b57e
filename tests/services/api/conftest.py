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

from core.domain.access import Scope
from core.settings import Settings
from models.session import Database
from services.api import app
from services.api.app import create_app
from services.api.context import Context
from services.api.live.numbering import Terms
from services.api.live.pace import Pace
from services.api.security import permissions
from services.api.server import listen, server_for
from tests.databases import Templates
from tests.environment import NO_AUTHORITIES
from tests.services.api.portfolio import PAPER, TOKEN, USD, seed
from tests.services.api.restricted import clock, let_in, seed_both
from tests.waiting import SECONDS, comes, eventually

PATIENCE_SECONDS = 50
"""Less than what PostgreSQL gives any statement."""

QUICK = Pace(
    heartbeat_seconds=0.3,
    watch_seconds=0.05,
    reload_seconds=60,
    retry_seconds=0.05,
    refresh_seconds=0.02,
    look_seconds=0.1,
    terms=Terms(lead_seconds=1, seek_seconds=0.05),
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
        async with asyncio.timeout(SECONDS):
            while True:
                message = json.loads(await self.connection.recv())
                if (not types or message["type"] in types) and where(message):
                    return message

    async def closed(self) -> int:
        """The code the server closed with."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


Start = Callable[..., Awaitable[Api]]


Route = Callable[[Api, str, str, Callable[..., Any]], None]


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
        server = server_for(app, settings)
        listener = listen("127.0.0.1", settings.api_port)
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        async def stop() -> None:
            server.should_exit = True
            await serving

        self._stack.push_async_callback(stop)
        base = f"http://127.0.0.1:{settings.api_port}"
        http = await self._stack.enter_async_context(
            httpx.AsyncClient(
                base_url=base,
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=SECONDS,
                trust_env=False,
                verify=NO_AUTHORITIES,
            )
        )
        api = Api(settings, app.state.context, server, http)
        await eventually_started(server)
        if loaded:
            async with asyncio.timeout(SECONDS):
                await api.context.hub.loaded.wait()
            await comes(lambda: api.context.hub.topics["positions"].has_begun)
        return api


@pytest.fixture(autouse=True)
def _patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a request are for people who wait; what tests them sets its own."""
    monkeypatch.setattr(app, "READ_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(app, "POOL_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start an API with given settings."""
    async with Running() as running:
        yield running.start


@pytest.fixture
def template(request: pytest.FixtureRequest, template: str, templates: Templates) -> str:
    """What a test asks for is in its database from the start."""
    seeds = {"seeded": seed, "both": seed_both}
    asked = [seeds[name] for name in seeds if name in request.fixturenames]
    return templates.seeded(asked[0]) if asked else template


@pytest.fixture
def seeded(database: Database) -> Database:
    """The portfolio of ``portfolio.py`` in the database."""
    return database


@pytest.fixture
async def api(start: Start, settings: Settings, seeded: Database) -> Api:  # noqa: ARG001 - asked for its effect
    """An API over the seeded portfolio, each change sent at once."""
    return await start(settings.model_copy(update={"stream_conflate_ms": 0}))


@pytest.fixture
async def both(start: Start, settings: Settings) -> Api:
    """An API over two accounts and with a clock that stands still; each of two people may see one of them."""
    api = await start(settings.model_copy(update={"stream_conflate_ms": 0}), clock=clock)
    let_in(api.context, theirs=[PAPER], others=[USD], nothing=[])
    return api


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch) -> Route:
    """Adds a route that whoever may read may ask for."""

    def add(api: Api, method: str, path: str, endpoint: Callable[..., Any]) -> None:
        monkeypatch.setattr(permissions, "NEEDED", {**permissions.NEEDED, f"{method} {path}": Scope.READ})
        api.server.config.app.add_api_route(path, endpoint, methods=[method])  # type: ignore[union-attr]

    return add
