from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.events.facts import Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.dead_facts import list_dead_facts
from models.session import Database
from services.position_sync import relay as relay_module
from services.position_sync.dead import retry
from services.position_sync.relay import Relay
from tests.services.position_sync.facts import START

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Another = Callable[[], Relay]
OurCode = dict[str, Callable[[], Awaitable[None]]]

STORE = relay_module.store


class Hand:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = START + timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    """The comparisons that were asked for."""
    return []


@pytest.fixture
def relay(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, asked: list[tuple[str, str]]
) -> Relay:
    async def ask(account: str, trigger: str) -> None:
        asked.append((account, trigger))

    return Relay(database, streams, settings, ask_for_comparison=ask, clock=clock)


@pytest.fixture
def rows(database: Database) -> Rows:
    """Rows of a query as dictionaries."""

    async def query(statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with database.read() as reader:
            return [dict(row._mapping) for row in await reader.execute(text(statement), parameters)]

    return query


@pytest.fixture
def another(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Another:
    """One more worker."""

    async def nobody(_account: str, _trigger: str) -> None: ...

    return lambda: Relay(database, streams, settings, ask_for_comparison=nobody, clock=clock)


@pytest.fixture
def our_code(monkeypatch: pytest.MonkeyPatch) -> OurCode:
    """What our code does when it meets an execution whose id begins with the key."""
    does: OurCode = {}

    async def store(connection: Any, intake: Any, *rest: Any) -> Any:
        for exec_id in intake.executions:
            for beginning, act in does.items():
                if exec_id.startswith(beginning):
                    await act()
        return await STORE(connection, intake, *rest)

    monkeypatch.setattr(relay_module, "store", store)
    return does


async def retried(relay: Relay, database: Database) -> dict[int, str]:
    async def nothing(_row: Any) -> Sequence[Fact]:
        raise AssertionError("no frame was set aside")

    async with database.read() as reader:
        rows = await list_dead_facts(reader)
    return {row.id: (await retry(relay, database, row, nothing)).reason for row in rows}
