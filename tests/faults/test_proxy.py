"""The proxy does what networks do, and nothing else."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.faults.proxy import Proxy
from tests.waiting import SECONDS, comes

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def far() -> AsyncIterator[tuple[int, list[Talk]]]:
    """A server that says back what it hears, and its connections."""
    talks: list[Talk] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append((reader, writer))
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], talks
    server.close()


@pytest.fixture
async def proxy(far: tuple[int, list[Talk]]) -> AsyncIterator[Proxy]:
    proxy = await Proxy.open("127.0.0.1", far[0])
    yield proxy
    await proxy.close()


Connect = Callable[[], Awaitable[Talk]]


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    made: list[Talk] = []

    async def connect() -> Talk:
        made.append(await asyncio.open_connection("127.0.0.1", proxy.port))
        return made[-1]

    yield connect
    for _, writer in made:
        writer.transport.abort()


async def echoed(talk: Talk, data: bytes) -> bytes:
    reader, writer = talk
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), SECONDS)


async def test_in_fair_weather_everything_passes_both_ways(proxy: Proxy, connect: Connect) -> None:
    data = bytes(range(256)) * 1000
    assert await echoed(await connect(), data) == data
    assert proxy.passed == {"up": len(data), "down": len(data)}


async def test_a_client_that_hangs_up_is_hung_up_on(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    await echoed(talk, b"x")
    talk[1].close()
    await comes(lambda: proxy.connections, lambda count: count == 0)


async def test_a_cut_ends_in_good_order(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    await echoed(talk, b"x")
    proxy.cut()
    assert await asyncio.wait_for(talk[0].read(), SECONDS) == b""
    assert await echoed(await connect(), b"again") == b"again"


async def test_a_reset_is_an_error(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    await echoed(talk, b"x")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(talk[0].read(), SECONDS)


async def test_a_black_hole_keeps_the_socket_and_nothing_else(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    await echoed(talk, b"x")
    proxy.black_hole("down")
    talk[1].write(b"heard and not answered")
    await comes(lambda: proxy.passed["up"], lambda count: count == 1 + len(b"heard and not answered"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(talk[0].read(1), 0.1)
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(talk[0].read(), SECONDS)
    assert await echoed(await connect(), b"again") == b"again"


async def test_a_connection_is_cut_after_so_many_bytes(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    proxy.cut_after(5, "down")
    talk[1].write(b"half of this")
    got = bytearray()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        while True:
            got += await asyncio.wait_for(talk[0].readexactly(1), SECONDS)
    assert got == b"half "
    assert await echoed(await connect(), b"again") == b"again"


async def test_bytes_dribble_one_by_one_and_flow_when_healed(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    proxy.dribble(20, "down")
    talk[1].write(b"drop by drop" * 100)
    began = time.monotonic()
    assert await asyncio.wait_for(talk[0].readexactly(3), SECONDS) == b"dro"
    assert time.monotonic() - began >= 0.1
    proxy.heal()
    assert len(await asyncio.wait_for(talk[0].readexactly(1197), SECONDS)) == 1197


async def test_a_delay_holds_back_and_loses_nothing(proxy: Proxy, connect: Connect) -> None:
    talk = await connect()
    proxy.delay(0.1, "up")
    began = time.monotonic()
    assert await echoed(talk, b"late") == b"late"
    assert time.monotonic() - began >= 0.1


async def test_who_is_refused_is_hung_up_on(proxy: Proxy, connect: Connect) -> None:
    proxy.refuse()
    talk = await connect()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(talk[0].readexactly(1), SECONDS)
    proxy.heal()
    assert await echoed(await connect(), b"again") == b"again"


async def test_nobody_there_is_a_hang_up() -> None:
    with socket.socket() as nobody:
        # Held, and not listened on: nobody else can come to be there.
        nobody.bind(("127.0.0.1", 0))
        proxy = await Proxy.open("127.0.0.1", nobody.getsockname()[1])
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), SECONDS)
            writer.transport.abort()
        finally:
            await proxy.close()
