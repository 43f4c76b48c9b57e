"""The whole stack on one machine: started in order, kept running, stopped in order."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from core import service_manager
from core.errors import ProfileMismatchError, SettingsError, StackError
from core.exposure import trusting
from core.settings import PREFIX, Settings
from services.stack.children import Child
from services.stack.journal import Journal
from services.stack.keeper import ChildProcess, Keeper, Kept
from services.stack.ports import LOOPBACK
from services.stack.postgres import PostgresServer
from services.stack.processes import started_at
from services.stack.redis_server import RedisServer
from services.stack.runtime import Runtime, process_entry, runtime_path, write_runtime

CHECK_SECONDS = 0.2
POLL_SECONDS = 0.03
PORT_SECONDS = 20.0
STILL_WAITING_SECONDS = 30.0
# Together about ten seconds, which is how long a person waits after Ctrl-C.
CHILD_GRACE_SECONDS = 5.0
REDIS_GRACE_SECONDS = 2.0
POSTGRES_GRACE_SECONDS = 3.0
_SETTINGS_EXIT = SettingsError.exit_code
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Plan:
    """What is to run."""

    settings: Settings
    children: Sequence[Child]
    migrate: Child | None
    api_url: str
    # Children that come up beside the servers, because they need neither database nor Redis.
    early: Sequence[Child] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


class Supervisor:
    """Runs a plan until it is told to stop."""

    def __init__(self, plan: Plan, journal: Journal, on_up: Callable[[], None]) -> None:
        self.plan = plan
        self.journal = journal
        self._on_up = on_up
        self._stop = asyncio.Event()
        # Processes are bound to the life of the thread that starts them (Linux): this one lives to the end.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")
        self._servers: list[Keeper] = []
        self._children: list[Keeper] = []
        self._migration: ChildProcess | None = None
        self._urls: dict[str, str] = {}
        self._since = datetime.now(UTC)

    async def run(self) -> None:
        """Start everything, keep it running, and stop it all when a signal comes or the start fails.

        Raises:
            LotkeeperError: it could not be started.
        """
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._told_to_stop)
        work = asyncio.create_task(self._start_and_watch(), name="start-and-watch")
        told = asyncio.create_task(self._stop.wait(), name="told-to-stop")
        try:
            await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            for task in (work, told):
                task.cancel()
            await asyncio.gather(work, told, return_exceptions=True)
            await self._shut_down()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _told_to_stop(self) -> None:
        if not self._stop.is_set():
            self.journal.say("Stopping. Press Ctrl-C again to stop at once.")
            self._stop.set()
            return
        self.journal.say("Stopping at once.", "warning")
        for keeper in [*self._children, *self._servers]:
            keeper.kept.kill()
        if self._migration is not None:
            self._migration.kill()

    async def _start_and_watch(self) -> None:
        asking = asyncio.create_task(_ask_for_time(), name="ask-for-time")
        try:
            await self._come_up()
        finally:
            asking.cancel()
        await self._keep_watch()

    async def _come_up(self) -> None:
        env = self._environment()
        for child in self.plan.early:
            await self._start_child(child, env)
        await self._start_servers()
        env = self._environment()
        await self._migrate(env)
        for child in self.plan.early:
            await self._until_listening(child)
        self.journal.say(f"Start {', '.join(child.name for child in self.plan.children)}.")
        for child in self.plan.children:
            await self._start_child(child, env)
        self._write_runtime()
        await self._until_ready()
        self._write_runtime()
        self._on_up()
        service_manager.tell("READY=1", f"STATUS=Serves {self.plan.api_url}/")

    async def _keep_watch(self) -> None:
        # Of its own: a server that recovers for minutes after a crash is waited for, and is no reason to end.
        beating = asyncio.create_task(_tell_that_it_lives(), name="watchdog")
        try:
            while True:
                await self._check_all()
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            beating.cancel()

    async def _start_servers(self) -> None:
        settings = self.plan.settings
        if settings.database_url is None:
            first = (
                "" if (settings.data_dir / "postgres" / "data").exists() else " (and make it, the first time)"
            )
            self.journal.say(f"Start the database{first}.")
            postgres = PostgresServer(
                settings.data_dir / "postgres",
                binaries=settings.postgres_bin,
                options=_wal_options(settings),
                on_line=lambda line: self.journal.hear("postgres", line),
            )
            await self._keep_server("postgres", postgres)
            self._urls["database"] = self._urls["database_direct"] = postgres.url
        else:
            self._urls["database"] = settings.require_database_url()
            self._urls["database_direct"] = settings.require_database_direct_url()
        if settings.redis_url is None:
            redis = RedisServer(
                settings.data_dir / "redis", on_line=lambda line: self.journal.hear("redis", line)
            )
            await self._keep_server("redis", redis)
            self._urls["redis"] = redis.url
        else:
            self._urls["redis"] = settings.require_redis_url()

    async def _keep_server(self, name: str, server: Kept) -> None:
        self._servers.append(Keeper(name, server, self.journal, self._start_kept))
        await self._start_kept(server)

    async def _start_child(self, child: Child, env: Mapping[str, str]) -> None:
        process = ChildProcess(child, env, self.journal)
        self._children.append(Keeper(child.name, process, self.journal, self._start_kept))
        await self._start_kept(process)

    async def _start_kept(self, kept: Kept) -> None:
        await asyncio.get_running_loop().run_in_executor(self._starter, kept.start)

    async def _migrate(self, env: Mapping[str, str]) -> None:
        """In a process of its own, so that its memory is given back."""
        if self.plan.migrate is None:
            return
        self._migration = ChildProcess(self.plan.migrate, env, self.journal)
        await self._start_kept(self._migration)
        code = await asyncio.to_thread(self._migration.wait)
        if code != 0:
            words = self._migration.last_words().strip().splitlines() or ["the migration failed"]
            kind = ProfileMismatchError if code == _SETTINGS_EXIT else StackError
            raise kind(words[-1].removeprefix("Error: "))

    async def _until_listening(self, child: Child) -> None:
        if child.port is None:
            return
        deadline = asyncio.get_running_loop().time() + PORT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            self._refuse_a_child_with_wrong_settings()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, child.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(POLL_SECONDS)
        # Not fatal: whoever needs it connects again by itself.
        self.journal.say(f"{child.name} does not listen on port {child.port} yet.", "warning")

    async def _until_ready(self) -> None:
        """Wait for /readyz, saying so from time to time: a big migration or a slow disk is no failure."""
        loop = asyncio.get_running_loop()
        say_at = loop.time() + STILL_WAITING_SECONDS
        while not await answers_ok(self.plan.api_url, "/readyz", self.plan.settings.api_tls_cert):
            self._refuse_a_child_with_wrong_settings()
            await self._check_all()
            if loop.time() > say_at:
                self.journal.say("Still waiting for the API to be ready.", "warning")
                say_at = loop.time() + STILL_WAITING_SECONDS
            await asyncio.sleep(POLL_SECONDS)

    def _refuse_a_child_with_wrong_settings(self) -> None:
        """While starting: a child that refuses its settings would refuse them for ever."""
        for keeper in self._children:
            kept = keeper.kept
            if isinstance(kept, ChildProcess) and kept.exit_code == _SETTINGS_EXIT:
                words = kept.last_words().strip().splitlines() or [f"{keeper.name} refused its settings"]
                raise SettingsError(words[-1].removeprefix("Error: "))

    async def _check_all(self) -> None:
        changed = [await keeper.check() for keeper in [*self._servers, *self._children]]
        if any(changed):
            self._write_runtime()

    def _environment(self) -> dict[str, str]:
        """What the children get: ours, with every setting that we decided made explicit."""
        settings = self.plan.settings
        decided = {
            "HOME": str(settings.home.absolute()),
            "PROFILE": settings.profile,
            "API_HOST": settings.api_host,
            "API_PORT": str(settings.api_port),
            "IB_HOST": settings.ib_host,
            "IB_PORT": str(settings.ib_port),
        }
        if self._urls:
            decided |= {f"{name.upper()}_URL": url for name, url in self._urls.items()}
        env = service_manager.without_manager(dict(os.environ))
        for name, value in decided.items():
            env[f"{PREFIX}{name}"] = value
            # A file variant would win over what was decided.
            env.pop(f"{PREFIX}{name}_FILE", None)
        return {**env, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **self.plan.env}

    def _write_runtime(self) -> None:
        settings = self.plan.settings
        keepers = [*self._servers, *self._children]
        runtime = Runtime(
            profile=settings.profile,
            pid=os.getpid(),
            started=started_at(os.getpid()),
            since=self._since.isoformat(timespec="seconds").replace("+00:00", "Z"),
            api_url=self.plan.api_url,
            token_file="" if settings.api_token else str(settings.token_file),
            log_file=str(self.journal.path),
            database_url=self._urls.get("database", ""),
            redis_url=self._urls.get("redis", ""),
            ports=dict(self.plan.ports),
            processes={keeper.name: process_entry(keeper.kept.pid, keeper.restarts) for keeper in keepers},
        )
        write_runtime(runtime_path(settings.home, settings.profile), runtime)

    async def _shut_down(self) -> None:
        service_manager.tell("STOPPING=1")
        if self._migration is not None:
            await asyncio.to_thread(self._migration.stop, CHILD_GRACE_SECONDS)
        await asyncio.gather(*(self._stop_one(keeper, CHILD_GRACE_SECONDS) for keeper in self._children))
        for keeper in reversed(self._servers):
            grace = REDIS_GRACE_SECONDS if keeper.name == "redis" else POSTGRES_GRACE_SECONDS
            await self._stop_server(keeper, grace)
        self._starter.shutdown(wait=False)
        runtime_path(self.plan.settings.home, self.plan.settings.profile).unlink(missing_ok=True)

    async def _stop_one(self, keeper: Keeper, grace_seconds: float) -> None:
        await asyncio.to_thread(keeper.kept.stop, grace_seconds)

    async def _stop_server(self, keeper: Keeper, grace_seconds: float) -> None:
        """On the thread that starts it: a stop waits for a start that is under way, but not for long."""
        stopping = asyncio.get_running_loop().run_in_executor(self._starter, keeper.kept.stop, grace_seconds)
        done, _ = await asyncio.wait({stopping}, timeout=2 * grace_seconds)
        if not done:
            keeper.kept.kill()
            await stopping


def _wal_options(settings: Settings) -> dict[str, str]:
    """Of a server whose WAL is put away: a segment is, though it is not full."""
    return {"archive_timeout": f"{settings.recovery_wal_minutes}min"} if settings.keeps_wal else {}


async def _tell_that_it_lives() -> None:
    """Tell systemd, from the loop that keeps everything running: where that stands still, nothing is kept."""
    seconds = service_manager.watchdog_seconds()
    while seconds is not None:
        service_manager.tell("WATCHDOG=1")
        await asyncio.sleep(seconds)


async def _ask_for_time() -> None:
    """Tell systemd that it comes up still: recovery, a backup before a migration, the migration take long."""
    while True:
        service_manager.tell(f"EXTEND_TIMEOUT_USEC={int(3 * STILL_WAITING_SECONDS * 1_000_000)}")
        await asyncio.sleep(STILL_WAITING_SECONDS)


async def answers_ok(base_url: str, path: str, certificate: Path | None = None) -> bool:
    """Whether an HTTP GET is answered with 200."""
    parts = urlsplit(base_url)
    try:
        async with asyncio.timeout(2):
            tls = trusting(base_url, certificate)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
            try:
                asking = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(asking.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]
