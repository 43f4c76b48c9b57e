"""What the worker does about retries that were asked for over the API: each once, and says how it went."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from core.clock import utc_now
from core.settings import Settings
from core.streams.memory import MemoryStreams
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.dead_facts import drop_dead_facts
from models.stores.jobs_dead import CALLED_OFF, ask_retry
from services.cli import dead_keeper
from services.cli.dead_keeper import MOST_BEGUN, NO_END, keep_dead, retry_asked
from services.position_sync.dead import Outcome, retry
from services.position_sync.relay import Relay
from tests.services.cli.test_dead import FRAME, TRAP, unreadable
from tests.services.position_sync.facts import Link, execution
from tests.waiting import eventually


@pytest.fixture
async def aside(settings: Settings, database: Database) -> None:
    """A frame (1) that could not be read, and an execution (2) that no row may be made of."""

    async def nobody(_account: str, _trigger: str) -> None: ...

    async with database.write() as writer:
        await writer.execute(text(TRAP))
        await writer.execute(
            text(
                "INSERT INTO broker_sessions (epoch, login, started_at, server_version, time_zone) "
                "OVERRIDING SYSTEM VALUE VALUES (3, 'one', now(), 178, 'Europe/Berlin')"
            )
        )
    relay = Relay(database, MemoryStreams(), settings, ask_for_comparison=nobody)
    link = Link(3)
    await relay.handle([link.entry(execution("trap.01", "2"), unreadable(FRAME, seconds=1))])


async def ask(database: Database, dead_id: int) -> str:
    async with database.write() as writer:
        return str((await ask_retry(writer, uuid.uuid4(), dead_id, utc_now())).id)


async def rows(database: Database, query: str) -> list[Any]:
    async with database.read() as reader:
        return [tuple(row) for row in await reader.execute(text(query))]


@pytest_asyncio.fixture
async def keeper(
    settings: Settings, database: Database, streams: RedisStreams, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """It runs, and looks often."""
    monkeypatch.setattr(dead_keeper, "LOOK_SECONDS", 0.01)
    task = asyncio.create_task(keep_dead(settings, database, streams))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("aside", "keeper")
async def test_what_can_be_applied_now_is_and_what_cannot_says_why(database: Database) -> None:
    await ask(database, 1)
    await ask(database, 2)

    async def ended() -> list[Any]:
        return await rows(database, "SELECT details ->> 'dead_fact', status, error FROM jobs ORDER BY 1")

    told = await eventually(ended, lambda jobs: all(job[1] in {"succeeded", "failed"} for job in jobs))
    assert told[0] == ("1", "succeeded", None)
    assert told[1][:2] == ("2", "failed")
    assert "trap" in told[1][2]
    assert await rows(database, "SELECT id, status, retries FROM dead_facts ORDER BY id") == [
        (1, "retried", 1),
        (2, "open", 1),
    ]
    async with database.write() as writer:
        await writer.execute(text("ALTER TABLE executions DROP CONSTRAINT trap"))
    await ask(database, 2)
    await eventually(
        lambda: rows(database, "SELECT count(*) FROM jobs WHERE status = 'succeeded'"),
        lambda found: found == [(2,)],
    )
    assert await rows(database, "SELECT count(*) FROM executions WHERE exec_id = 'trap.01'") == [(1,)]


@pytest.mark.usefixtures("aside")
async def test_what_is_gone_or_applied_already_ends_at_once(settings: Settings, database: Database) -> None:
    await ask(database, 1)
    await ask(database, 2)
    async with database.write() as writer:
        await writer.execute(text("UPDATE dead_facts SET status = 'retried' WHERE id = 1"))
        await writer.execute(text("DELETE FROM dead_facts WHERE id = 2"))
    assert await retry_asked(settings, database)
    assert await retry_asked(settings, database)
    assert not await retry_asked(settings, database)
    assert await rows(database, "SELECT status, error FROM jobs ORDER BY details ->> 'dead_fact'") == [
        ("succeeded", None),
        ("failed", "There is no such message any more."),
    ]


@pytest.mark.usefixtures("aside")
async def test_two_workers_do_not_try_the_same_at_once(settings: Settings, database: Database) -> None:
    await ask(database, 1)
    did = await asyncio.gather(*(retry_asked(settings, database) for _ in range(3)))
    assert sorted(did)[:2] == [False, False]
    assert await rows(database, "SELECT retries FROM dead_facts WHERE id = 1") == [(1,)]


@pytest.mark.usefixtures("aside")
async def test_a_fault_of_our_own_fails_the_job_and_not_the_worker(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(dead_keeper, "retry", broken)
    await ask(database, 1)
    assert await retry_asked(settings, database)
    assert await rows(database, "SELECT status, error FROM jobs") == [
        ("failed", "RuntimeError: see the worker's log")
    ]


class _KilledError(BaseException):
    """A worker is gone, as by a kill, and says nothing any more."""


@pytest.mark.usefixtures("aside")
async def test_what_workers_die_of_is_not_tried_for_ever(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def deadly(*_: object, **__: object) -> None:
        nonlocal tried
        tried += 1
        raise _KilledError

    monkeypatch.setattr(dead_keeper, "retry", deadly)
    await ask(database, 1)
    for _ in range(MOST_BEGUN):
        with pytest.raises(_KilledError):
            await retry_asked(settings, database)
    assert await retry_asked(settings, database)
    assert tried == MOST_BEGUN
    assert await rows(database, "SELECT status, error FROM jobs") == [("failed", NO_END)]
    assert await rows(database, "SELECT status FROM dead_facts WHERE id = 1") == [("open",)]
    assert not await retry_asked(settings, database)


async def drop(database: Database, dead_id: int) -> None:
    async with database.write() as writer:
        await drop_dead_facts(writer, [dead_id], utc_now())


@pytest.mark.usefixtures("aside")
async def test_dropping_calls_off_a_retry_that_waits_and_none_that_is_asked_for_afterwards(
    settings: Settings, database: Database
) -> None:
    await ask(database, 1)
    other = await ask(database, 2)
    await drop(database, 1)
    told = "SELECT CAST(details ->> 'dead_fact' AS int), status, error FROM jobs ORDER BY created_at"
    assert await rows(database, told) == [(1, "failed", CALLED_OFF), (2, "queued", None)]
    afterwards = await ask(database, 1)
    assert afterwards != other
    while await retry_asked(settings, database):
        pass
    assert [row[:2] for row in await rows(database, told)] == [
        (1, "failed"),
        (2, "failed"),
        (1, "succeeded"),
    ]
    assert await rows(database, "SELECT status FROM dead_facts WHERE id = 1") == [("retried",)]


@pytest.mark.usefixtures("aside")
async def test_dropping_once_more_calls_off_what_was_asked_for_in_between(
    settings: Settings, database: Database
) -> None:
    await drop(database, 1)
    await ask(database, 1)
    await drop(database, 1)
    assert not await retry_asked(settings, database)
    assert await rows(database, "SELECT status, error FROM jobs") == [("failed", CALLED_OFF)]
    assert await rows(database, "SELECT status, retries FROM dead_facts WHERE id = 1") == [("dropped", 0)]


@pytest.mark.usefixtures("aside")
async def test_dropping_calls_off_a_retry_that_is_under_way(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dropped_meanwhile(*given: Any, **named: Any) -> Outcome:
        await drop(database, 2)
        return await retry(*given, **named)

    async with database.write() as writer:
        await writer.execute(text("ALTER TABLE executions DROP CONSTRAINT trap"))
    monkeypatch.setattr(dead_keeper, "retry", dropped_meanwhile)
    await ask(database, 2)
    assert await retry_asked(settings, database)
    assert await rows(database, "SELECT status, error FROM jobs") == [("failed", CALLED_OFF)]
    assert await rows(database, "SELECT status FROM dead_facts WHERE id = 2") == [("dropped",)]
    assert await rows(database, "SELECT count(*) FROM executions") == [(0,)]


@pytest.mark.usefixtures("aside")
async def test_what_was_applied_before_it_was_dropped_stays_applied(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dropped_afterwards(*given: Any, **named: Any) -> Outcome:
        outcome = await retry(*given, **named)
        await drop(database, 1)
        return outcome

    monkeypatch.setattr(dead_keeper, "retry", dropped_afterwards)
    await ask(database, 1)
    assert await retry_asked(settings, database)
    assert await rows(database, "SELECT status, error FROM jobs") == [("succeeded", None)]
    assert await rows(database, "SELECT status FROM dead_facts WHERE id = 1") == [("retried",)]
