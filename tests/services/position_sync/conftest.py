from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import Relay
from tests.services.position_sync.facts import START

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


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

    return Relay(database, streams, settings, ask_for_comparison=ask, clock=clock, sweep_wait_seconds=0.01)


@pytest.fixture
def rows(database: Database) -> Rows:
    """Rows of a query as dictionaries."""

    async def query(statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with database.read() as reader:
            return [dict(row._mapping) for row in await reader.execute(text(statement), parameters)]

    return query
