"""A state machine tries orders of events that nobody thought of, in memory and on real servers."""

import asyncio
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from core.settings import Settings
from core.streams import consumer
from models.session import Database
from services.broker import publish, spool
from tests.faults.figures import by_form
from tests.faults.machine import Machine
from tests.faults.real_world import RealWorld
from tests.faults.worlds import Disk, MemoryWorld
from tests.services.position_sync.ledger_rows import clear

pytestmark = pytest.mark.xdist_group("faults")

BACKLOG_ENTRIES, WAITING_FACTS = 4, 60


@pytest.fixture(autouse=True)
def _little_patience_and_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before the next try, for a machine takes thousands of them; and room ends soon."""
    for module in (publish, consumer):
        for name in ("_RETRY_FIRST_SECONDS", "_RETRY_MOST_SECONDS"):
            monkeypatch.setattr(module, name, 0.001)
    monkeypatch.setattr(publish, "_BACKLOG_SECONDS", 0.001)
    monkeypatch.setattr(publish, "HIGH_WATER_FACTS", WAITING_FACTS)
    # A process that dies leaves what it wrote, synced or not.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of every link of the test."""
    disk = Disk()
    monkeypatch.setattr(spool, "write_all", disk.write_all)
    return disk


@pytest.fixture
def own_settings(settings: Settings, tmp_path: Path) -> Callable[[], Settings]:
    """Settings with streams and a folder of their own."""

    def own() -> Settings:
        name = f"machine-{uuid.uuid4().hex}"
        changes = {"stream_prefix": name, "home": tmp_path / name, "facts_in_redis": BACKLOG_ENTRIES}
        return settings.model_copy(update=changes)

    return own


replays = pytest.mark.parametrize("replayed", [True, False], ids=["told again", "told once"])


@replays
def test_in_memory(own_settings: Callable[[], Settings], disk: Disk, replayed: bool) -> None:
    def machine() -> Machine:
        own = own_settings()
        return Machine(lambda hook: MemoryWorld(own, hook), own, disk, replayed=replayed)

    run_state_machine_as_test(machine, settings=options(by_form(30, 400, 2000)))


@replays
def test_on_real_servers(own_settings: Callable[[], Settings], disk: Disk, replayed: bool) -> None:
    def machine() -> Machine:
        own = own_settings()
        asyncio.run(_empty(own))
        return Machine(lambda hook: RealWorld(own, hook), own, disk, replayed=replayed)

    run_state_machine_as_test(machine, settings=options(by_form(8, 60, 300)))


async def _empty(settings: Settings) -> None:
    database = Database(settings.require_database_url(), application="machine")
    await clear(database)
    await database.close()


def options(examples: int) -> hypothesis_settings:
    """No deadline, no database of examples: a program here takes as long as it takes."""
    return hypothesis_settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=by_form(True, False, False),
        suppress_health_check=list(HealthCheck),
    )
