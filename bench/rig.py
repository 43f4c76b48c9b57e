"""The real stack for a benchmark: embedded servers here, each service a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from core.settings import Settings, load_settings
from models.migrate import migrate
from services.stack import PostgresServer, RedisServer

TOKEN = "bench-token-bench-token-bench-token"  # noqa: S105 - of a server that lives for a minute


def environment(settings: Settings) -> dict[str, str]:
    """That of a process of ours with these settings."""
    return {**os.environ, **settings.variables(), "LOTKEEPER_LOG_LEVEL": "WARNING"}


@contextmanager
def process(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``lotkeeper`` with these settings, its log on standard error."""
    running = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments], env=environment(settings), stdout=sys.stderr
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@asynccontextmanager
async def servers(**overrides: object) -> AsyncIterator[Settings]:
    """Durable PostgreSQL and Valkey, migrated; settings that point at them."""
    with tempfile.TemporaryDirectory(prefix="lotkeeper-bench-") as folder:
        home = Path(folder)
        with PostgresServer(home / "postgres" / "server") as postgres, RedisServer(home / "redis") as redis:
            settings = load_settings(
                home=home,
                database_url=postgres.url,
                redis_url=redis.url,
                api_token=TOKEN,
                **overrides,
            )
            await migrate(settings.require_database_url(), settings.profile)
            yield settings


async def until_ready(settings: Settings, seconds: float = 30) -> None:
    """Wait until the API answers."""
    url = f"http://{settings.api_host}:{settings.api_port}/readyz"
    async with httpx.AsyncClient() as client, asyncio.timeout(seconds):
        while True:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)
