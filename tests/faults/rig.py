"""One run: a scripted broker, the link and the workers as processes, and a keeper that restarts what died."""

import asyncio
import contextlib
import json
import math
import pickle
import signal
import socket
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from ib_async import IB, ExecutionFilter
from ib_async.ib import StartupFetchNONE
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.settings import Settings, load_settings
from services.simulator.control import ControlClient
from tests.faults.broker_side import ORIGIN, TOLD
from tests.faults.figures import by_form
from tests.faults.nursery import Child, Nursery
from tests.faults.oracle import (
    STATE,
    Expected,
    Hash,
    Verdict,
    expect,
    journal_hash,
    judge,
    state_hash,
    state_rows,
)
from tests.faults.points import Plan
from tests.faults.proxy import Proxy
from tests.faults.script import Script
from tests.faults.servers import Servers
from tests.waiting import eventually

BEFORE_THE_FIRST_SECONDS = 0.6
"""Between the first positions answer and the first fill: closer, nobody could tell which was first."""
SETTLE_SECONDS = 3.0
"""As it is by default."""
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 2.0
"""Between looks at the whole database while facts wait in the stream: each counts rows for 30 ms."""
_CHECK_SECONDS = 1.0
_HANG_SECONDS = 120.0
_GROUP = "position_sync"
_BARE_CLIENT = 99

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

_SIGNATURE = """
SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM commission_reports),
    (SELECT coalesce(sum(version), 0) FROM ledger_books), (SELECT count(*) FROM dead_facts),
    (SELECT count(*) FROM outbox)
"""

_SESSIONS = """
SELECT pid, application_name, state, wait_event_type, wait_event, now() - xact_start AS in_transaction,
    pg_blocking_pids(pid) AS waits_for, left(query, 500) AS query
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_UNCOMPARED = "SELECT count(*) FROM coalesced_jobs WHERE kind = 'reconcile' AND done < wanted"


class NotExactError(AssertionError):
    """A run that has come to rest differs from what is expected; ``verdict`` says by how much."""

    def __init__(self, sentence: str, verdict: Verdict) -> None:
        super().__init__(sentence)
        self.verdict = verdict


class Reference:
    """How an undisturbed run ended. Its database stays, to show rows that differ."""

    def __init__(self, state: Hash, journal: Hash, database: str, origin: datetime, *, inbox: bool) -> None:
        self.inbox = inbox
        self.state = state
        self.journal = journal
        self.database = database
        self.origin = origin


class Rig:
    """Use as an asynchronous context manager: inside, everything is up and synced; nothing is left after."""

    def __init__(
        self,
        nursery: Nursery,
        servers: Servers,
        folder: Path,
        script: Script,
        *,
        workers: int = 2,
        plans: Mapping[str, Plan] | None = None,
        proxied: frozenset[str] = frozenset(),
        links: int = 1,
        nurseries: Mapping[str, Nursery] | None = None,
        **settings: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.script = script
        self.expected: Expected = expect(script)
        self.servers = servers
        self.folder = folder
        more = (f"broker-{number}" for number in range(2, links + 1))
        self.names = ["simulator", "broker", *more, *(f"worker-{number + 1}" for number in range(workers))]
        self.children: dict[str, Child] = {}
        self.deaths: Counter[str] = Counter()
        self._killed: dict[str, Child] = {}
        self.kept: set[str] = set()
        self.proxies: dict[str, Proxy] = {}
        self.origin = datetime.now(UTC)
        self.database = ""
        self.plans = dict(plans or {})
        self._proxied = proxied
        self._overrides = settings
        self._nursery = nursery
        self._nurseries = nurseries or {}
        # Bound for as long as the run lasts: while the simulator is dead nobody else gets its ports.
        self._held = _held_port(), _held_port()
        self._ports = tuple(held.getsockname()[1] for held in self._held)
        self._keeper: asyncio.Task[None] | None = None

    # Life.

    async def __aenter__(self) -> Self:
        self.database = await self.servers.new_database()
        (self.folder / "script").write_bytes(pickle.dumps(self.script))
        try:
            await self._begin()
        except BaseException as error:
            await self._end(error)
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._end(error)

    async def _begin(self) -> None:
        self.settings = await self._settings()
        self._keeper = asyncio.create_task(self._keep(), name="keeper")
        self.start("simulator")
        await eventually(self._simulator_listens)
        for name in self.names[1:]:
            self.start(name)
        await eventually(self._synced)

    async def _end(self, error: BaseException | None) -> None:
        self.kept.clear()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if error is not None and not isinstance(error, NotExactError):
            await self._show_sessions()
        for child in self.children.values():
            child.kill()
        for proxy in self.proxies.values():
            await proxy.close()
        for held in self._held:
            held.close()
        if error is not None:
            self._show()

    async def _show_sessions(self) -> None:
        """What each session of the database does, and for whom it waits."""
        with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
            async with self.reading() as connection:
                for row in await connection.fetch(_SESSIONS):
                    print(" | ".join(map(str, row)))  # noqa: T201 - pytest shows it

    def _show(self) -> None:
        for file in sorted(self.folder.glob("*.log")):
            lines = file.read_text("utf-8", "replace").splitlines()
            print(f"--- {file.name}: the last of {len(lines)} lines")  # noqa: T201 - pytest shows it
            print("\n".join(lines[-40:]))  # noqa: T201 - as above

    async def _settings(self) -> Settings:
        places = {
            "gateway": ("127.0.0.1", self._ports[0]),
            "postgres": ("127.0.0.1", self.servers.postgres.port),
            "redis": ("127.0.0.1", self.servers.redis.port),
        }
        for name in sorted(self._proxied):
            self.proxies[name] = await Proxy.open(*places[name])
        ports = {name: proxy.port for name, proxy in self.proxies.items()}
        values: dict[str, Any] = {
            "home": self.folder / "home",
            "ib_port": ports.get("gateway", self._ports[0]),
            # The simulated gateway says nothing while it puts together the answer about 100,000 executions.
            "ib_heartbeat_seconds": by_form(1.0, 1.0, 5.0),
            "ib_connect_timeout_seconds": 3.0,
            "database_url": at_port(self.servers.postgres.url_of(self.database), ports.get("postgres")),
            "redis_url": at_port(self.servers.redis.url, ports.get("redis")),
            "stream_prefix": f"run-{uuid.uuid4().hex}",
            "settle_seconds": SETTLE_SECONDS,
            # It asks for the whole day: of 100,000 executions that alone takes longer than two seconds.
            "sweep_seconds": by_form(2.0, 2.0, 300.0),
            "last_known_flush_seconds": 1.0,
            "log_level": "INFO",
        }
        return load_settings(**{**values, **self._overrides})

    # Processes.

    def start(self, name: str) -> None:
        """Start a process, and start it again whenever it ends."""
        self.kept.add(name)
        service = name.partition("-")[0]
        argument = ""
        if service == "simulator":
            port, control_port = self._ports
            argument = json.dumps({"folder": str(self.folder), "port": port, "control_port": control_port})
        nursery = self._nurseries.get(service, self._nursery)
        plan = {**self.plans.get(service, {}), "lives": str(self.folder / "lives")}
        self.children[name] = nursery.start(
            name,
            service,
            env={**self.settings.variables(), **self._own_variables(name)},
            output=self.folder / f"{name}.log",
            plan=plan,
            argument=argument,
        )

    def _own_variables(self, name: str) -> dict[str, str]:
        """Another link has another client id."""
        number = name.removeprefix("broker-")
        return {"LOTKEEPER_IB_CLIENT_ID": f"{100 + int(number)}"} if number.isdigit() else {}

    async def alive(self, name: str) -> None:
        """Wait until a process that is kept was started again."""

        async def lives() -> bool:
            child = self.children[name]
            return child.code is None and child is not self._killed.get(name)

        await eventually(lives)

    def kill(self, name: str) -> None:
        """SIGKILL a process; the keeper starts it again."""
        # That it is dead may be told a while later: until then it is neither alive nor killed once more.
        self._killed[name] = self.children[name]
        self.children[name].kill()

    async def stop(self, name: str) -> None:
        """SIGKILL a process for good."""
        self.kept.discard(name)
        self.kill(name)
        await eventually(self._ended(name))

    def _ended(self, name: str) -> Any:
        async def ended() -> bool:
            return self.children[name].code is not None

        return ended

    @asynccontextmanager
    async def paused(self, name: str) -> AsyncIterator[None]:
        """Stop a process (SIGSTOP) as a full host or a closed lid does, and let it go on after."""
        child = self.children[name]
        child.send(signal.SIGSTOP)
        try:
            yield
        finally:
            child.send(signal.SIGCONT)

    @asynccontextmanager
    async def workers_paused(self) -> AsyncIterator[None]:
        """The same for every worker: what is told meanwhile waits in the stream."""
        async with AsyncExitStack() as stack:
            for name in self.names:
                if name.startswith("worker"):
                    await stack.enter_async_context(self.paused(name))
            yield

    async def _keep(self) -> None:
        while True:
            for name in sorted(self.kept):
                if self.children[name].code is not None:
                    self.deaths[name] += 1
                    self.start(name)
            await asyncio.sleep(0.01)

    @property
    def control(self) -> ControlClient:
        """The simulator's control API. Its calls block."""
        return ControlClient(self._ports[1], timeout=10)

    async def tell_simulator(self, operation: str, /, **arguments: Any) -> Any:
        """An operation of the simulator."""
        return await asyncio.to_thread(lambda: self.control.fault(operation, **arguments))

    async def _simulator_listens(self) -> bool:
        try:
            await asyncio.to_thread(self.control.status)
        except OSError:
            return False
        return True

    # What there is.

    @asynccontextmanager
    async def reading(self, database: str = "") -> AsyncIterator[asyncpg.Connection]:
        """A connection past all proxies."""
        url = self.servers.postgres.url_of(database or self.database)
        connection = await asyncpg.connect(url, timeout=30, command_timeout=60)
        try:
            yield connection
        finally:
            connection.terminate()

    async def value(self, query: str, *arguments: Any) -> Any:
        """One value from the database; ``None`` while that is away."""
        with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
            async with self.reading() as connection:
                return await connection.fetchval(query, *arguments)
        return None

    async def _synced(self) -> bool:
        resyncs = await self.value("SELECT count(*) FROM sync_log WHERE kind = 'resync'")
        return bool(resyncs) and await self.waiting() == (0, 0)

    async def waiting(self) -> tuple[int | None, int] | None:
        """Lag and pending entries of the facts' group; ``None`` when Redis cannot say."""
        client = Redis.from_url(self.servers.redis.url, socket_timeout=5)
        try:
            groups = await client.xinfo_groups(self.settings.facts_stream)
        except (RedisError, OSError):
            return None
        finally:
            await client.aclose()
        return next(((one["lag"], one["pending"]) for one in groups if one["name"].decode() == _GROUP), None)

    async def unhandled(self) -> int:
        """Entries that no worker has dealt with, as far as Redis can say."""
        lag, pending = await self.waiting() or (0, 0)
        return (lag or 0) + pending

    async def hear_all_again(self) -> float:
        """Seconds in which a bare client of ib_async hears all executions of the day, with all at rest."""
        client = IB()
        await client.connectAsync(
            "127.0.0.1", self._ports[0], clientId=_BARE_CLIENT, timeout=30, fetchFields=StartupFetchNONE
        )
        began = time.monotonic()
        heard = await client.reqExecutionsAsync(ExecutionFilter())
        seconds = time.monotonic() - began
        client.disconnect()
        assert len(heard) >= len(self.expected.executions), "it did not hear all of them"
        return seconds

    # The script.

    def begin(self) -> None:
        """Let the script be told, from the next whole second on that is late enough."""
        first = datetime.now(UTC) + timedelta(seconds=BEFORE_THE_FIRST_SECONDS)
        self.origin = datetime.fromtimestamp(math.ceil(first.timestamp()), UTC)
        file = self.folder / ORIGIN
        file.with_suffix(".new").write_text(self.origin.isoformat())
        file.with_suffix(".new").rename(file)

    @property
    def told_chunks(self) -> int:
        """How much of the script was told."""
        file = self.folder / TOLD
        return int(file.read_text()) if file.exists() else 0

    @property
    def told_all(self) -> bool:
        """Whether the script has come to its end."""
        return self.told_chunks >= len(self.script.chunks)

    async def until_told(self, share: float = 1.0) -> None:
        """Wait until so much of the script was told."""

        async def told() -> float:
            return self.told_chunks / len(self.script.chunks)

        await eventually(told, lambda now: now >= share, seconds=self.script.seconds * 3 + 120)

    # The end.

    async def settle(
        self, reference: Reference | None = None, *, patience: float = 90, journal: bool = False
    ) -> float:
        """Wait until all is as expected and stays so; the seconds that took.

        Raises:
            NotExactError: things came to rest, for ``patience`` seconds, in another state.
        """
        began = quiet_since = time.monotonic()
        last: tuple[Any, ...] | None = None
        checked_at = looked_at = 0.0
        while True:
            at_rest = await self.waiting() == (0, 0)
            if not at_rest and time.monotonic() - looked_at < _LOOK_SECONDS:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            looked_at = time.monotonic()
            now, at_rest = await self._signature(), await self.waiting() == (0, 0)
            if now is None or now != last:
                # The first look that finds all equal, with nothing on its way, gives the time.
                last, quiet_since, checked_at = now, time.monotonic(), 0.0
            done = at_rest and now is not None and not now[-1]
            if reference is None and done:
                # What comparisons come to is a part of how it ends.
                done = not await self.value(_UNCOMPARED)
            if done and time.monotonic() - checked_at > _CHECK_SECONDS:
                seconds = time.monotonic() - began
                if await self._is_exact(reference, journal=journal):
                    return await self._stays(seconds, reference, journal=journal)
                checked_at = time.monotonic()
            quiet = time.monotonic() - quiet_since
            if (
                quiet > patience * (1 if at_rest else 3)
                or time.monotonic() - began > patience + _HANG_SECONDS
            ):
                await self._say_what_differs(reference, journal=journal)
            await asyncio.sleep(_POLL_SECONDS)

    async def _stays(self, seconds: float, reference: Reference | None, *, journal: bool) -> float:
        await asyncio.sleep(0.5)
        await eventually(self._at_rest)
        if not await self._is_exact(reference, journal=journal):
            await self._say_what_differs(reference, journal=journal)
        return seconds

    async def _at_rest(self) -> bool:
        return await self.waiting() == (0, 0)

    async def _signature(self) -> tuple[Any, ...] | None:
        """What changes when anything does."""
        with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
            async with self.reading() as connection:
                row = await connection.fetchrow(_SIGNATURE)
                return tuple(row) if row is not None else None
        return None

    async def hashes(self) -> tuple[Hash, Hash]:
        """State and journal."""
        async with self.reading() as connection:
            return await state_hash(connection, self.origin), await journal_hash(connection, self.origin)

    async def verdict(self) -> Verdict:
        """How the database compares with the oracle."""
        async with self.reading() as connection:
            return await judge(connection, self.expected)

    async def _is_exact(self, reference: Reference | None, *, journal: bool) -> bool:
        try:
            state, written = await self.hashes()
            if reference is not None and state != reference.state:
                return False
            if reference is not None and journal and written != reference.journal:
                return False
            return (await self.verdict()).exact
        except (*DATABASE_ERRORS, TimeoutError):
            return False

    async def _say_what_differs(self, reference: Reference | None, *, journal: bool) -> None:
        verdict = await self.verdict()
        told = list(verdict.examples)
        if reference is not None:
            state, written = await self.hashes()
            tables = [table for table in state if state[table] != reference.state[table]]
            if journal:
                tables += [table for table in written if written[table] != reference.journal[table]]
            for table in tables:
                told += await self._rows_that_differ(reference, table)
                if table not in STATE:
                    verdict.doubled += 1
        outbox = await self.value("SELECT count(*) FROM outbox")
        told += [f"outbox: {outbox} left"] if outbox else []
        raise NotExactError("\n".join(["at rest, and not as expected", *told]), verdict)

    async def _rows_that_differ(self, reference: Reference, table: str) -> list[str]:
        async with self.reading() as ours, self.reading(reference.database) as theirs:
            here = await state_rows(ours, self.origin, table)
            there = await state_rows(theirs, reference.origin, table)
        only_here, only_there = set(here) - set(there), set(there) - set(here)
        lines = [f"{table}: {len(only_here)} rows differ here, {len(only_there)} there"]
        for label, rows in (("disturbed", only_here), ("undisturbed", only_there)):
            lines += [f"  {label}: {row}" for row in sorted(rows, key=str)[:3]]
        return lines


def _held_port() -> socket.socket:
    """A port that is ours and that one process, whichever lives, may listen on."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def at_port(url: str, port: int | None) -> str:
    """The same address behind another port."""
    if port is None:
        return url
    parts = urlsplit(url)
    place = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{place}:{port}"))
