"""The daily fetch, on a real database, from a pretended service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from core.settings import Settings
from models.queries.flex_fetches import FetchRow, last_fetches, last_successes
from models.session import Database, OwnConnection
from models.stores.flex_fetches import begin_fetch, lock_query, unlock_query
from services.simulator.flex import FlexService, http_status, refusal, serve_flex, web_page
from services.statements.credentials import store_credentials
from services.statements.daily import LOOK_SECONDS, Daily, run
from services.statements.errors import NotXmlError
from services.statements.schedule import AGAIN_AFTER, TRIES_A_DAY
from tests.services.statements.flex_world import QUERY, STATEMENT, Hours, left_in
from tests.waiting import comes

NOON = datetime(2026, 7, 15, 16, tzinfo=UTC)
"""In New York."""


class World:
    """A service, the daily fetch of it, what it handed on, and the time."""

    def __init__(self, settings: Settings, database: Database, service: FlexService, hours: Hours) -> None:
        self.settings = settings
        self.database = database
        self.service = service
        self.hours = hours
        self.at = NOON
        self.files: list[tuple[Path, str]] = []
        self.import_with: Callable[[], Awaitable[None]] | None = None
        self.daily = self.another()

    def another(self) -> Daily:
        """The same in another process."""
        return Daily(
            self.settings,
            self.database,
            self.take,
            clock=lambda: self.at,
            now=self.hours.now,
            sleep=self.hours.sleep,
        )

    async def take(self, path: Path, query_id: str) -> None:
        self.files.append((path, query_id))
        if self.import_with is not None:
            await self.import_with()

    async def rows(self, query_id: str = QUERY) -> list[FetchRow]:
        async with self.database.read() as reader:
            return (await last_fetches(reader, [query_id]))[query_id]

    async def later(self, wait: timedelta) -> None:
        self.at += wait
        await self.hours.sleep(wait.total_seconds())
        await self.daily.look()


@pytest.fixture
async def world(settings: Settings, database: Database) -> AsyncIterator[World]:
    hours = Hours()
    service = FlexService({QUERY: STATEMENT, "2": STATEMENT}, now=hours.now)
    async with serve_flex(service):
        settings = settings.model_copy(update={"flex_url": service.url})
        store_credentials(settings.flex_file, SecretStr(service.token), [QUERY])
        world = World(settings, database, service, hours)
        yield world
        await world.daily.close()


async def test_a_query_is_fetched_once_a_day_and_handed_on(world: World) -> None:
    await world.daily.look()
    ((path, query_id),) = world.files
    assert (path.read_bytes(), query_id) == (STATEMENT, QUERY)
    assert path.parent == world.settings.statements_folder
    (row,) = await world.rows()
    assert (row.outcome, row.error_category, row.asked, row.file_path, row.size_bytes) == (
        *("succeeded", None, False, str(path), len(STATEMENT)),
    )
    for _ in range(3):
        await world.later(timedelta(hours=5))
    assert len(world.files) == 1
    await world.later(timedelta(hours=9))
    assert len(world.files) == 2
    async with world.database.read() as reader:
        assert await last_successes(reader, [QUERY, "2"]) == {QUERY: world.at}


async def test_it_is_measured_when_a_query_was_fetched_well_and_when_the_token_ends(world: World) -> None:
    def told() -> tuple[float | None, float | None]:
        expiry = REGISTRY.get_sample_value("lotkeeper_flex_token_expiry_timestamp_seconds")
        success = "lotkeeper_flex_last_success_timestamp_seconds"
        return expiry, REGISTRY.get_sample_value(success, {"query": QUERY})

    await world.daily.look()
    assert told() == (None, world.at.timestamp())
    day, token = date(2027, 6, 30), SecretStr(world.service.token)
    store_credentials(world.settings.flex_file, token, [QUERY], day)
    await world.daily.look()
    # The day ends in New York.
    assert round(told()[0] or 0) == datetime(2027, 7, 1, 4, tzinfo=UTC).timestamp()
    world.settings.flex_file.unlink()
    await world.daily.look()
    assert told() == (None, None)


async def test_queries_and_a_token_that_are_set_up_later_need_no_restart(world: World) -> None:
    world.settings.flex_file.unlink()
    await world.daily.look()
    assert world.service.asked == []
    store_credentials(world.settings.flex_file, SecretStr(world.service.token), [QUERY, "2"])
    await world.daily.look()
    assert sorted(query_id for _, query_id in world.files) == ["2", QUERY]


async def test_a_fault_is_recorded_told_once_and_tried_again_a_few_times_a_day(world: World) -> None:
    world.service.script("send", *[http_status(503)] * 3 * 20)
    with capture_logs() as logs:
        await world.daily.look()
        for wait in (*AGAIN_AFTER, timedelta(hours=4), timedelta(hours=4)):
            await world.later(wait)
        rows = await world.rows()
        assert len(rows) == TRIES_A_DAY
        assert {(row.outcome, row.error_category) for row in rows} == {("failed", "network")}
        assert "HTTP 503" in rows[0].summary
        world.service.unscript()
        await world.later(timedelta(hours=12))
    assert [log["event"] for log in logs] == ["flex_fetch_failed", "flex_fetch_works_again", "flex_fetched"]
    assert world.service.token not in str(logs)
    assert len(world.files) == 1


@pytest.mark.parametrize(
    ("reply", "category"),
    [(refusal(1014), "validation"), (web_page(), "parsing"), (refusal(4711), "parsing")],
)
async def test_each_kind_of_failure_is_recorded_as_such(world: World, reply: object, category: str) -> None:
    world.service.script("send", reply)  # type: ignore[arg-type] - one of them
    await world.daily.look()
    (row,) = await world.rows()
    assert (row.error_category, row.finished_at) == (category, NOON)


async def test_a_statement_that_takes_too_long_is_recorded_as_such(world: World) -> None:
    world.service.still_generating(1000)
    await world.daily.look()
    (row,) = await world.rows()
    assert row.error_category == "rate_limit"


async def test_an_expired_token_is_not_tried_again_before_it_is_another(world: World) -> None:
    world.service.expired = True
    with capture_logs() as logs:
        await world.daily.look()
        for _ in range(3):
            await world.later(timedelta(days=1))
    (row,) = await world.rows()
    assert (row.error_category, len(world.service.asked)) == ("auth", 1)
    assert "Generate a new one" in row.summary
    assert len(logs) == 1
    world.service.expired, world.service.token = False, "4711"
    store_credentials(world.settings.flex_file, SecretStr("4711"), [QUERY])
    await world.daily.look()
    assert len(world.files) == 1


async def test_a_folder_where_nothing_can_be_written_stops_no_other_query(world: World) -> None:
    world.settings.statements_folder.parent.mkdir(parents=True, exist_ok=True)
    world.settings.statements_folder.write_text("a file")
    await world.daily.look()
    (row,) = await world.rows()
    assert row.error_category == "database"


@pytest.mark.parametrize(
    ("error", "category", "words"),
    [
        (NotXmlError("x", 3, "odd"), "parsing", "x, line 3: odd"),
        (ConnectionResetError("gone"), "database", "ConnectionResetError"),
        (RuntimeError("account U1"), "validation", "RuntimeError"),
    ],
)
async def test_a_file_with_which_nothing_can_be_done_is_recorded_and_fetched_again(
    world: World, error: Exception, category: str, words: str
) -> None:
    async def fail() -> None:
        raise error

    world.import_with = fail
    await world.daily.look()
    (row,) = await world.rows()
    assert (row.outcome, row.error_category, row.summary) == ("failed", category, words)
    assert row.file_path == str(world.files[0][0])
    assert world.files[0][0].exists()
    world.import_with = None
    await world.later(AGAIN_AFTER[0])
    assert (await world.rows())[0].outcome == "succeeded"


async def test_two_processes_never_fetch_the_same_query_at_once(world: World) -> None:
    held = asyncio.Event()
    world.import_with = held.wait  # type: ignore[assignment] - what it returns does not matter
    first = asyncio.create_task(world.daily.look())
    await comes(lambda: world.files)
    other = world.another()
    world.at += AGAIN_AFTER[0]
    await other.look()
    assert len(world.files) == 1
    held.set()
    await first
    await other.look()
    await other.close()
    assert len(world.files) == 1
    assert len(await world.rows()) == 1


async def test_what_another_process_did_just_before_is_not_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.another()
    due = Daily._due
    calls = 0

    async def overtaken(self: Daily, queries: tuple[str, ...]) -> list[str]:
        nonlocal calls
        found = await due(self, queries)
        calls += 1
        if calls == 1:
            await other.look()
        return found

    monkeypatch.setattr(Daily, "_due", overtaken)
    await world.daily.look()
    await other.close()
    assert len(world.files) == 1


async def test_a_process_that_died_over_it_has_failed(world: World) -> None:
    async with world.database.write() as writer:
        await begin_fetch(writer, QUERY, asked=False, token_mark="x", now=NOON - timedelta(hours=2))
    await world.daily.look()
    new, old = await world.rows()
    assert (new.outcome, old.outcome, old.error_category) == ("succeeded", "failed", "network")
    assert old.finished_at == NOON


async def test_a_database_that_is_away_is_told_once_and_waited_for(world: World, unused_port: int) -> None:
    away = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_port}/none", application="test")
    here, world.database = world.database, away
    daily = world.another()
    with capture_logs() as logs:
        await daily.look()
        await daily.look()
        daily._database = here
        await daily.look()
    assert [log["event"] for log in logs] == ["flex_fetch_failed", "flex_fetched", "flex_fetch_works_again"]
    assert logs[0]["category"] == "database"
    await away.close()
    await daily.close()


async def test_a_file_of_credentials_that_is_damaged_is_told_and_waited_for(world: World) -> None:
    whole = world.settings.flex_file.read_text()
    world.settings.flex_file.write_text("{")
    with capture_logs() as logs:
        await world.daily.look()
        await world.daily.look()
    assert [log["category"] for log in logs] == ["settings_invalid"]
    world.settings.flex_file.write_text(whole)
    await world.daily.look()
    assert len(world.files) == 1


async def test_it_looks_again_every_minute_until_it_is_cancelled(world: World) -> None:
    looks: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds == LOOK_SECONDS:
            looks.append(seconds)
            world.at += timedelta(hours=12)
            if len(looks) == 4:
                await asyncio.Event().wait()
        await world.hours.sleep(seconds)

    task = asyncio.create_task(
        run(
            world.settings,
            world.database,
            world.take,
            clock=lambda: world.at,
            now=world.hours.now,
            sleep=sleep,
        )
    )
    await comes(lambda: len(looks) == 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(world.files) == 2
    assert len(left_in(world.settings.statements_folder)) == 2


async def test_the_lock_of_a_query_is_one_s_own_until_it_is_let_go(settings: Settings) -> None:
    def connection() -> OwnConnection:
        return OwnConnection(
            settings.require_database_url(), application="test", answer_seconds=5, idle_seconds=60
        )

    one, other = connection(), connection()
    try:
        async with one.write() as writer:
            assert await lock_query(writer, "1")
        async with other.write() as writer:
            assert not await lock_query(writer, "1")
            assert await lock_query(writer, "2")
        async with one.write() as writer:
            await unlock_query(writer, "1")
        async with other.write() as writer:
            assert await lock_query(writer, "1")
    finally:
        await one.close()
        await other.close()
