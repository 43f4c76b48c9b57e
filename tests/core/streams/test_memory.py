"""The misfortunes of the in-memory twin, held against those of a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.errors import StreamUnavailableError
from core.settings import load_settings
from core.streams.memory import MemoryStreams
from core.streams.port import START, Appended, StreamPort
from core.streams.redis import RedisStreams
from services.stack import RedisServer

STREAM = "{0}:facts"

Misfortune = Callable[[], Awaitable[None]]


async def read_all(port: StreamPort) -> list[bytes]:
    return [entry.data for entry in await port.tail(STREAM, START, count=1000, block_ms=0)]


class Server:
    """A stream server that can lose everything, or the last append."""

    def __init__(self, port: StreamPort, lose: Misfortune, lose_last: Misfortune) -> None:
        self.port = port
        self.lose = lose
        self.lose_last = lose_last


@pytest.fixture(params=["redis", "memory"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    if request.param == "memory":
        twin = MemoryStreams(undoable_appends=10)

        async def lose() -> None:
            twin.lose()

        async def lose_last() -> None:
            twin.lose_tail(1)

        yield Server(twin, lose, lose_last)
        return
    with RedisServer(tmp_path / "redis") as real:
        port = RedisStreams.connect(load_settings(redis_url=real.url))

        async def flush() -> None:
            client = Redis.from_url(real.url)
            await client.flushall()
            await client.aclose()

        async def cut_off() -> None:
            await port.close()
            real.stop()
            cut_last_transaction(real)
            real.start()

        yield Server(port, flush, cut_off)
        await port.close()


def cut_last_transaction(server: RedisServer) -> None:
    """Cut the append-only file off in the middle of its last MULTI/EXEC."""
    newest = max(
        (server.directory / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime
    )
    content = newest.read_bytes()
    newest.write_bytes(content[: content.rindex(b"MULTI") + 40])


async def test_a_server_that_lost_everything_lost_the_mark_too(server: Server) -> None:
    await server.port.append_marked(STREAM, [b"1"], writer="a", mark=1, confirmed=0)
    await server.lose()
    appended = await server.port.append_marked(STREAM, [b"2"], writer="a", mark=2, confirmed=1)
    assert appended == Appended(False, 1)
    # Its answer may have gone astray: what it wrote does not hide the loss from the next one.
    assert not (await server.port.append_marked(STREAM, [], writer="a", mark=3, confirmed=1)).is_remembered
    assert await read_all(server.port) == [b"2"]


async def test_a_server_that_lost_its_last_append_has_the_mark_before_that(server: Server) -> None:
    await server.port.ensure_group(STREAM, "g")
    await server.port.append_marked(STREAM, [b"1"], writer="a", mark=1, confirmed=0)
    await server.port.append_marked(STREAM, [b"2"], writer="a", mark=2, confirmed=1)
    await server.lose_last()
    assert await read_all(server.port) == [b"1"]
    given = await server.port.read_group(STREAM, "g", "c", count=10, block_ms=0)
    assert [entry.data for entry in given] == [b"1"]
    assert (await server.port.append_marked(STREAM, [], writer="a", mark=3, confirmed=1)).is_remembered
    assert not (await server.port.append_marked(STREAM, [], writer="a", mark=4, confirmed=2)).is_remembered


async def test_what_was_done_after_a_lost_append_is_undone_with_it() -> None:
    twin = MemoryStreams(undoable_appends=10)
    await twin.append(STREAM, [b"1"])
    await twin.ensure_group(STREAM, "g")
    await twin.append(STREAM, [b"2"])
    given = await twin.read_group(STREAM, "g", "c", count=10, block_ms=0)
    await twin.acknowledge(STREAM, "g", [entry.id for entry in given])
    await twin.trim_acknowledged(STREAM)
    assert await read_all(twin) == []
    twin.lose_tail(1)
    assert await read_all(twin) == [b"1"]
    again = await twin.read_group(STREAM, "g", "c", count=10, block_ms=0)
    assert [entry.data for entry in again] == [b"1"]
    twin.lose_tail(5)
    assert await read_all(twin) == []
    assert (await twin.info(STREAM)).groups == ()


async def test_a_twin_that_is_down_answers_nothing_and_has_all_it_had() -> None:
    twin = MemoryStreams()
    await twin.ensure_group(STREAM, "g")
    await twin.append(STREAM, [b"1"])
    twin.down = True
    calls: list[Callable[[], Awaitable[object]]] = [
        twin.ping,
        twin.eviction_policy,
        lambda: twin.append(STREAM, [b"2"]),
        lambda: twin.append_marked(STREAM, [], writer="a", mark=1, confirmed=0),
        lambda: twin.tail(STREAM, START, count=1, block_ms=0),
        lambda: twin.last_id(STREAM),
        lambda: twin.ensure_group(STREAM, "g"),
        lambda: twin.read_group(STREAM, "g", "c", count=1, block_ms=0),
        lambda: twin.claim_stale(STREAM, "g", "c", idle_ms=0, count=1),
        lambda: twin.acknowledge(STREAM, "g", []),
        lambda: twin.trim_acknowledged(STREAM),
        lambda: twin.info(STREAM),
    ]
    for call in calls:
        with pytest.raises(StreamUnavailableError):
            await call()
    twin.down = False
    assert await read_all(twin) == [b"1"]


async def test_an_append_of_unknown_outcome_is_made_and_fails() -> None:
    twin = MemoryStreams()
    twin.outcomes_unknown = 1
    with pytest.raises(StreamUnavailableError):
        await twin.append_marked(STREAM, [b"1"], writer="a", mark=1, confirmed=0)
    assert await twin.append_marked(STREAM, [b"2"], writer="a", mark=2, confirmed=1) == Appended(True, 2)
