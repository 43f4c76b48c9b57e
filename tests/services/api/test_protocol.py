"""Texts as WebSocket frames, made once for all who are sent them."""

import pytest
from websockets.frames import Frame, Opcode

from services.api.protocol import Framer, frame_of
from tests.services.api.conftest import Api


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_is_what_the_library_would_send(length: int) -> None:
    text = "x" * length
    assert frame_of(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_the_length_of_a_frame_is_counted_in_bytes() -> None:
    text = "€" * 42
    assert frame_of(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_a_text_is_made_into_a_frame_once_for_everybody_also_where_several_are_on_their_way() -> None:
    framer = Framer()
    texts = [f"text {number}" for number in range(4)]
    first = [framer.frame(text) for text in texts]
    again = [framer.frame(text) for text in reversed(texts)]
    assert all(one is other for one, other in zip(first, reversed(again), strict=True))


def test_a_text_is_never_taken_for_another_that_was_where_it_is() -> None:
    framer = Framer()
    for number in range(10_000):
        # Nobody keeps it: the next one may well have its place in memory.
        assert framer.frame(f"text {number}") == frame_of(f"text {number}")


async def test_long_and_short_texts_come_whole(api: Api) -> None:
    async with api.socket() as socket:
        await socket.send(
            {"type": "subscribe", "topics": [{"topic": name} for name in ("none", "positions")]}
        )
        assert (await socket.next("error"))["code"] == "unknown_topic"
        assert (await socket.next("snapshot"))["data"]


async def test_one_who_leaves_keeps_the_others_from_nothing(api: Api) -> None:
    async with api.socket() as staying:
        async with api.socket() as leaving:
            await leaving.subscribe("positions")
            await leaving.next("snapshot")
            leaving.connection.transport.abort()
        await staying.next("heartbeat")
        await staying.next("heartbeat")
