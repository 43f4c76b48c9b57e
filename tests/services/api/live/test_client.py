import asyncio
from collections.abc import Iterable

from services.api.live.client import Client


class Wire:
    """A socket that takes what it is given when it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, text: str) -> None:
        await self.open.wait()
        self.sent.append(text)


def anew(topics: Iterable[str]) -> list[str]:
    return [f"{kind} {topic}" for topic in topics for kind in ("reset", "snapshot")]


async def test_messages_are_sent_in_their_order() -> None:
    client, wire = Client(), Wire()
    wire.open.set()
    for number in range(5):
        assert client.push(str(number))
    client_done = asyncio.create_task(client.pump(wire.send, anew))
    while len(wire.sent) < 5:  # noqa: ASYNC110 - the pump yields on each send
        await asyncio.sleep(0)
    client.finish("bye")
    await client_done
    assert wire.sent == ["0", "1", "2", "3", "4", "bye"]


async def test_a_slow_reader_begins_anew_and_goes_on_after_it() -> None:
    client, wire = Client(frames=3), Wire()
    client.topics |= {"positions", "summary"}
    pumping = asyncio.create_task(client.pump(wire.send, anew))
    await asyncio.sleep(0)
    assert client.push("first")
    await asyncio.sleep(0)  # taken, and held up in the wire
    assert [client.push(str(number)) for number in range(5)] == [True, True, True, False, False]
    wire.open.set()
    while len(wire.sent) < 5:  # noqa: ASYNC110 - the pump yields on each send
        await asyncio.sleep(0)
    assert client.push("after")
    client.finish("bye")
    await pumping
    assert wire.sent[:5] == [
        "first",
        "reset positions",
        "snapshot positions",
        "reset summary",
        "snapshot summary",
    ]
    assert wire.sent[-1] == "bye"


async def test_the_queue_is_bounded_in_bytes_but_one_message_always_fits() -> None:
    client = Client(size=10)
    assert client.push("x" * 100)
    assert not client.push("y")


async def test_after_the_last_word_nothing_is_queued() -> None:
    client, wire = Client(), Wire()
    wire.open.set()
    client.push("dropped")
    client.finish("bye")
    assert not client.push("late")
    await client.pump(wire.send, anew)
    assert wire.sent == ["bye"]
