"""A server that would throw facts away is refused before anything is written to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.errors import SettingsError
from core.settings import load_settings
from core.streams.eviction import eviction_fault, refuse_eviction
from core.streams.redis import RedisStreams
from services.stack import RedisServer


@asynccontextmanager
async def streams_of(url: str) -> AsyncIterator[RedisStreams]:
    streams = RedisStreams.connect(load_settings(redis_url=url))
    yield streams
    await streams.close()


async def test_an_evicting_server_is_refused_with_a_sentence_that_says_what_to_set(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", durable=False) as server:
        client = Redis.from_url(server.url)
        async with streams_of(server.url) as streams:
            await refuse_eviction(streams)
            await client.config_set("maxmemory-policy", "allkeys-lru")
            with pytest.raises(SettingsError, match=r"allkeys-lru.*`maxmemory-policy noeviction`") as refused:
                await refuse_eviction(streams)
            assert refused.value.exit_code == 6
        await client.aclose()


async def test_a_server_that_is_away_is_not_refused(unused_port: int) -> None:
    async with streams_of(f"redis://127.0.0.1:{unused_port}/0") as streams:
        await refuse_eviction(streams)


@pytest.mark.parametrize(
    "answer",
    [b"$21\r\n# Memory\r\nused_memory:1\r\n", b"-NOPERM this user has no permissions to run 'info'\r\n"],
)
async def test_a_server_that_hides_its_policy_is_used_with_one_warning(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.strip().upper() in {b"INFO", b"SETINFO", b"PING"}:
                writer.write(answer if line.strip().upper() == b"INFO" else b"+OK\r\n")
        writer.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with streams_of(f"redis://127.0.0.1:{port}/0") as streams:
        with capture_logs() as logs:
            await refuse_eviction(streams)
            assert await eviction_fault(streams) is None
    assert [line["event"] for line in logs] == ["redis_policy_hidden"]
    proxy.close()
    await proxy.wait_closed()
