"""What is Redis's own: that it can be away, and how that is told."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.errors import StreamUnavailableError
from core.settings import load_settings
from core.streams.redis import RedisStreams
from services.stack import RedisServer


async def test_a_server_that_is_not_there_is_a_sentence(unused_port: int) -> None:
    streams = RedisStreams.connect(load_settings(redis_url=f"redis://127.0.0.1:{unused_port}/0"))
    with pytest.raises(StreamUnavailableError, match="LOTKEEPER_REDIS_URL"):
        await streams.ping()
    await streams.close()


async def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        streams = RedisStreams.connect(load_settings(redis_url=server.url))
        await streams.append("s", [b"1"])
        server.kill()
        with pytest.raises(StreamUnavailableError):
            await streams.append("s", [b"2", b"3"])
        server.start()
        await streams.append("s", [b"4"])
        assert b"4" in [entry.data for entry in await streams.tail("s", "0-0", count=10, block_ms=0)]
        await streams.close()


async def test_a_server_without_room_takes_writes_again_once_it_has_some(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", durable=False) as server:
        streams = RedisStreams.connect(load_settings(redis_url=server.url))
        client = Redis.from_url(server.url)
        await client.config_set("maxmemory", "1")
        with pytest.raises(StreamUnavailableError, match="takes no writes"):
            await streams.append("s", [b"1"])
        with pytest.raises(StreamUnavailableError, match="takes no writes"):
            await streams.append("s", [b"1", b"2"])
        await client.config_set("maxmemory", "0")
        await streams.append("s", [b"1"])
        await client.aclose()
        await streams.close()
