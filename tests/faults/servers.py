"""The stores of all runs: a durable PostgreSQL and Valkey, that can be taken down and put back."""

import asyncio
import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

import asyncpg
import psutil
import redis

from models.migrate import migrate
from services.stack import PostgresServer, RedisServer
from services.stack.postgres import CONNECTIONS, DATABASE

Result = TypeVar("Result")
TEMPLATE = "template_faults"


class Servers:
    """Starts the servers in a thread that lives as long as they do: the kernel ends them with it."""

    def __init__(self, folder: Path) -> None:
        # Systems run beside each other, and those of killed ones go only when that is noticed.
        self.postgres = PostgresServer(folder / "postgres" / "server", connections=2 * CONNECTIONS)
        self.redis = RedisServer(folder / "redis" / "server")
        self._thread = ThreadPoolExecutor(1, "servers")

    def __enter__(self) -> Self:
        try:
            self._thread.submit(self._start).result()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.redis, self.postgres):
            self._thread.submit(server.stop).result()
        self._thread.shutdown()

    def _start(self) -> None:
        self.postgres.start()
        self.redis.start()
        asyncio.run(self._make_template())

    async def _make_template(self) -> None:
        async with self.admin() as connection:
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self.postgres.url_of(TEMPLATE).replace("://", "+asyncpg://"), "main")

    async def do(self, action: Callable[[], Result]) -> Result:
        """Anything of the servers that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to the server's own database."""
        async with self.database(DATABASE) as connection:
            yield connection

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection to a database."""
        connection = await asyncpg.connect(self.postgres.url_of(name))
        try:
            yield connection
        finally:
            await connection.close()

    async def new_database(self, template: str = TEMPLATE) -> str:
        """A database, migrated unless another template is named; its name."""
        name = f"run_{uuid.uuid4().hex}"
        async with self.admin() as connection:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def drop_database(self, name: str) -> None:
        """Forget a database, whoever is connected to it."""
        async with self.admin() as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    # What happens to PostgreSQL.

    async def kill_postgres(self, seconds: float = 0) -> None:
        """SIGKILL it; put it back after a while."""
        await self._away(self.postgres.kill, self.postgres.start, seconds)

    async def stop_postgres_at_once(self, seconds: float = 0) -> None:
        """Its immediate shutdown: no checkpoint, connections cut, and a recovery at the next start."""
        await self._away(lambda: self._signalled(signal.SIGQUIT), self.postgres.start, seconds)

    def _signalled(self, number: int) -> None:
        process = self.postgres._process
        assert process is not None
        process.send(number)
        process.wait(30)
        self.postgres.stop()

    # What happens to Redis.

    async def kill_redis(self, seconds: float = 0, *, tail_bytes: int = 0) -> None:
        """SIGKILL it; put it back after a while, with the end of its log gone if that is asked for."""

        def back() -> None:
            if tail_bytes:
                self._cut_tail(tail_bytes)
            self.redis.start()

        await self._away(self.redis.kill, back, seconds)

    def _cut_tail(self, tail_bytes: int) -> None:
        (log,) = (self.redis.directory / "appendonlydir").glob("*.incr.aof")
        with log.open("r+b") as file:
            size = file.seek(0, 2)
            file.truncate(max(0, size - tail_bytes))

    async def stop_redis(self, seconds: float = 0) -> None:
        """Stop it in an orderly way; put it back after a while."""
        await self._away(self.redis.stop, self.redis.start, seconds)

    async def tell_redis(self, *command: str) -> None:
        """Give it a command, for example FLUSHALL."""

        def tell() -> None:
            with redis.Redis.from_url(self.redis.url) as client:
                client.execute_command(*command)

        await self.do(tell)

    async def _away(self, down: Callable[[], None], up: Callable[[], None], seconds: float) -> None:
        await self.do(down)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.shield(self.do(up))

    # What happens to their disks.

    @contextlib.contextmanager
    def full_disk(self, server: PostgresServer | RedisServer, file_bytes: int) -> Iterator[None]:
        """No file of the server may grow beyond a size: what a full disk looks like to it."""
        assert server.pid is not None
        top = psutil.Process(server.pid)
        processes = [top, *top.children(recursive=True)]
        try:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    _limit_files(process, file_bytes)
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                processes = [top, *top.children(recursive=True)]
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    _limit_files(process, psutil.RLIM_INFINITY)


def _limit_files(process: psutil.Process, most_bytes: int) -> None:
    """Set how large a process may let a file grow. Another user's process may need its own user to do so."""
    user, group = process.uids().real, process.gids().real
    if user == os.getuid():
        process.rlimit(psutil.RLIMIT_FSIZE, (most_bytes, psutil.RLIM_INFINITY))
        return
    size = "unlimited" if most_bytes == psutil.RLIM_INFINITY else str(most_bytes)
    limited = subprocess.run(
        ["prlimit", f"--pid={process.pid}", f"--fsize={size}:unlimited"],  # noqa: S607 - lies here or there
        user=user,
        group=group,
        extra_groups=[],
        check=False,
    )
    if limited.returncode and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        limited.check_returncode()
