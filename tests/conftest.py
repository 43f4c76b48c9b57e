"""Real parts for every test: a PostgreSQL and a Valkey of its own, free ports, a home of its own.

Each pytest worker starts one server of each kind; each test gets a fresh database, cloned from a migrated
template, and stream keys of its own.
"""

import asyncio
import os
import shutil
import signal
import types
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import pytest
import pytest_timeout

from core.settings import Settings, load_settings
from core.streams.redis import RedisStreams
from models.migrate import migrate
from models.session import Database
from services.stack import PostgresServer, RedisServer
from services.stack.ports import free_port
from tests.databases import create_database, drop_database, run_sql
from tests.hanging import stacks_of_tasks

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

TOOLS = {
    "browser": ("Chromium", lambda: os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")),
    "promtool": ("promtool", lambda: shutil.which("promtool")),
    "node": ("Node.js", lambda: shutil.which("node")),
}
MISSING = pytest.StashKey[dict[str, int]]()
TIMEOUT = pytest.StashKey[pytest_timeout.Settings]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, and count loudly, what needs a tool that is not here; on CI its absence is a failure."""
    missing: dict[str, int] = {}
    for item in items:
        for marker, (tool, find) in TOOLS.items():
            if item.get_closest_marker(marker) is not None and not find():
                missing[tool] = missing.get(tool, 0) + 1
                item.add_marker(pytest.mark.skip(reason=f"{tool} is not installed"))
    config.stash[MISSING] = missing
    if missing and os.environ.get("CI"):
        raise pytest.UsageError(f"On CI nothing may be skipped, and these are not installed: {missing}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in capitals what was not tested."""
    for tool, count in config.stash.get(MISSING, {}).items():
        terminalreporter.write_line(
            f"NOT TESTED: {count} tests need {tool}, which is not installed", red=True
        )


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(
    item: pytest.Item, settings: pytest_timeout.Settings
) -> Generator[None, bool, bool]:
    """Print what every task waits for when a test hangs; and go on firing: a task may swallow the first."""
    result = yield
    item.stash[TIMEOUT] = settings
    fail = signal.getsignal(signal.SIGALRM)
    if settings.method == "signal" and callable(fail):

        def tell_and_fail(signum: int, frame: types.FrameType | None) -> None:
            terminal = item.config.get_terminal_writer()
            terminal.sep("+", title=f"Tasks of {item.nodeid}")
            terminal.write(stacks_of_tasks())
            fail(signum, frame)

        signal.signal(signal.SIGALRM, tell_and_fail)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, settings.timeout)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Time the teardown afresh: pytest-timeout stops its clock when a test fails, and the rest may hang."""
    if TIMEOUT in item.stash:
        item.config.hook.pytest_timeout_set_timer(item=item, settings=item.stash[TIMEOUT])


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env of whoever runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("LOTKEEPER_") and name != "LOTKEEPER_CHROMIUM":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One embedded PostgreSQL a worker, without durability."""
    with PostgresServer(tmp_path_factory.mktemp("postgres") / "server", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One embedded Valkey a worker, without durability."""
    with RedisServer(tmp_path_factory.mktemp("redis") / "server", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database at the newest schema, profile ``main``."""
    name = "template_migrated"
    url = postgres_server.url_of(name).replace("postgresql://", "postgresql+asyncpg://")

    async def build() -> None:
        await run_sql(postgres_server.url, f"CREATE DATABASE {name}")
        await migrate(url, "main")

    # A thread of its own: an async test may be the first to ask, and its loop is running already.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, build()).result()
    return name


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer, migrated_template: str) -> AsyncIterator[str]:
    """A fresh migrated database."""
    url = await create_database(postgres_server, migrated_template)
    yield url
    await drop_database(postgres_server, url)


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    return free_port()


@pytest.fixture
def settings(postgres_url: str, redis_server: RedisServer, tmp_path: Path, unused_port: int) -> Settings:
    """Settings of a service that runs against this test's own database and stream keys."""
    return load_settings(
        home=tmp_path / "home",
        database_url=postgres_url,
        redis_url=redis_server.url,
        stream_prefix=f"test-{uuid.uuid4().hex}",
        api_port=unused_port,
        api_token="test-token-test-token-test-token",
        settle_seconds=0.2,
        last_known_flush_seconds=0.2,
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The test's database."""
    database = Database(settings.require_database_url(), application="test")
    yield database
    await database.close()


@pytest.fixture
async def streams(settings: Settings) -> AsyncIterator[RedisStreams]:
    """The test's streams, on the real server."""
    streams = RedisStreams.connect(settings)
    yield streams
    await streams.close()
