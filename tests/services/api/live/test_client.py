import asyncio
from collections.abc import Iterable

from services.api.live.client import BEAT_TURNS, Client


class Wire:
    """A socket that takes what it is given when it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, text: str) -> None:
        await self.open.wait()
        self.sent.append(text)

    def at_once(self, text: str) -> bool:
        if self.open.is_set():
            self.sent.append(text)
        return self.open.is_set()


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


async def test_what_needs_no_waiting_is_sent_at_once_and_never_before_what_waits() -> None:
    wire = Wire()
    client = Client(at_once=wire.at_once)
    assert client.push("before anybody reads")
    assert wire.sent == []
    pumping = asyncio.create_task(client.pump(wire.send, anew))
    await asyncio.sleep(0)
    assert client.push("behind it, also where the wire is open again")
    wire.open.set()
    assert client.push("the third")
    assert wire.sent == []
    while len(wire.sent) < 3:  # noqa: ASYNC110 - the pump yields on each send
        await asyncio.sleep(0)
    assert wire.sent[0] == "before anybody reads"
    assert wire.sent[2] == "the third"
    await asyncio.sleep(0)
    assert client.push("at once")
    assert wire.sent[-1] == "at once"
    wire.open.clear()
    assert client.push("queued")
    assert wire.sent[-1] == "at once"
    client.finish("bye")
    wire.open.set()
    assert not client.push("late")
    await pumping
    assert wire.sent[-1] == "bye"


def test_every_reader_has_a_turn_for_its_heartbeat_and_they_are_spread_evenly() -> None:
    turns = [Client().turn for _ in range(3 * BEAT_TURNS)]
    assert {turn: turns.count(turn) for turn in set(turns)} == dict.fromkeys(range(BEAT_TURNS), 3)
