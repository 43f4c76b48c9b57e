"""Real parts for every test: a PostgreSQL and a Valkey of its own, free ports, a home of its own.

Each pytest worker starts one server of each kind; each test gets a fresh database, cloned from a migrated
template, and stream keys of its own.
"""

import functools
import os
import shutil
import signal
import sys
import tempfile
import types
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest
import pytest_timeout
import structlog
from pydantic import SecretStr

from core.settings import Settings, load_settings
from core.streams.redis import RedisStreams
from models import session
from models.session import Database
from services.stack import PostgresServer, RedisServer
from services.stack.ports import free_port
from tests.canaries import pytest_runtest_makereport  # noqa: F401 - a hook: every test is listened to
from tests.cluster import running_cluster
from tests.databases import Templates, create_database, drop_database
from tests.hanging import stacks_of_tasks

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

TOOLS = {
    "browser": ("Chromium", lambda: os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")),
    "promtool": ("promtool", lambda: shutil.which("promtool")),
    "prometheus": ("Prometheus", lambda: shutil.which("prometheus")),
    "pgbouncer": ("PgBouncer", lambda: shutil.which("pgbouncer")),
    "jq": ("jq", lambda: shutil.which("jq")),
    "node": ("Node.js", lambda: shutil.which("node")),
}
PATIENCE_SECONDS = 60.0
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
LEFT = "lotkeeper-tests-"
ROOM_BYTES = 4 * 2**30
MISSING = pytest.StashKey[dict[str, int]]()
TIMEOUT = pytest.StashKey[pytest_timeout.Settings]()


# The HTTP client of the tests looks for this with each request, in all folders, where it is not installed.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type] # as the import system has it

# As services log. By default all local variables are drawn in a box, which takes seconds: whoever waited for
# the next beat of a link meanwhile finds it down.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


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
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room for it: to make and drop a database there takes half the time."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        _clear_up()
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix=f"{LEFT}{os.getpid()}-") as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("servers")


def _clear_up() -> None:
    """What a run left that was killed would stay in memory until the machine starts anew."""
    for folder in MEMORY.glob(f"{LEFT}*"):
        pid = folder.name.removeprefix(LEFT).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[PostgresServer]:
    """One embedded PostgreSQL a worker, without durability."""
    with PostgresServer(servers_folder / "postgres", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(servers_folder: Path) -> Iterator[RedisServer]:
    """One embedded Valkey a worker, without durability."""
    with RedisServer(servers_folder / "redis", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_url(servers_folder: Path) -> Iterator[str]:
    """One Redis Cluster a worker, only where a test asks for it."""
    with running_cluster(servers_folder / "cluster") as url:
        yield url


@pytest.fixture(scope="session")
def templates(postgres_server: PostgresServer) -> Templates:
    """What the databases of tests are copies of."""
    return Templates(postgres_server)


@pytest.fixture
def template(request: pytest.FixtureRequest, templates: Templates) -> str:
    """What the test's database is a copy of: an empty one, or one in which much happened (``grown``)."""
    marker = request.node.get_closest_marker("grown")
    if marker is None:
        return templates.migrated()
    return templates.grown(*marker.args)


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer, template: str) -> AsyncIterator[str]:
    """A fresh migrated database."""
    url = await create_database(postgres_server, template)
    yield url
    await drop_database(postgres_server, url)


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    return free_port()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a busy machine takes long to let a connection in is no fault of what is tested."""
    monkeypatch.setattr(session, "CONNECT_SECONDS", PATIENCE_SECONDS)


@functools.cache
def _usual() -> Settings:
    return load_settings(
        api_token="test-token-test-token-test-token", settle_seconds=0.2, last_known_flush_seconds=0.2
    )


@pytest.fixture
def settings(postgres_url: str, redis_server: RedisServer, tmp_path: Path, unused_port: int) -> Settings:
    """Settings of a service that runs against this test's own database and stream keys."""
    own = {
        "home": tmp_path / "home",
        "database_url": SecretStr(postgres_url),
        "redis_url": SecretStr(redis_server.url),
        "stream_prefix": f"test-{uuid.uuid4().hex}",
        "api_port": unused_port,
    }
    # To read and check all of them takes 20 ms.
    return _usual().model_copy(update=own)


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
