"""Numbers are neither doubled nor missing, whatever becomes of a write."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from core.errors import StreamUnavailableError
from core.streams.memory import MemoryStreams
from services.api.freshness import UNKNOWN
from services.api.live import handed
from services.api.live.numbering import Numbering, Terms
from services.api.live.rows import position_row
from services.api.live.shown import Row
from services.api.live.topic import Frame, Topic
from services.api.schemas.common import Freshness
from tests.services.api.portfolio import NOW, changed
from tests.waiting import comes

BLOCK = Freshness(
    source="live", as_of=NOW, received_at=NOW, age_seconds=0, stale=False, reason=None, links=UNKNOWN
)
STREAM = "numbering:{0}:frames"


def row(quantity: int) -> Row:
    return position_row(changed(quantity=Decimal(quantity)), None, BLOCK, NOW)


@dataclass
class Replica:
    """A desk with one row, and what its clients were told."""

    streams: MemoryStreams
    terms: Terms
    row: Row = field(default_factory=lambda: row(1))
    told: list[tuple[str, int]] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topic = Topic("positions")
        self.numbering = Numbering(self.streams, STREAM, {"positions": self.topic}, self, self.terms)
        self.told_again = 0

    def now(self) -> datetime:
        return NOW

    def freshness_of(self, _topic: str) -> Freshness:
        return BLOCK

    async def collect(self) -> dict[str, dict[str, Row]]:
        return {"positions": {"a": self.row}}

    def tell_again(self) -> None:
        self.told_again += 1

    def hand_out(self, frame: Frame) -> None:
        self.told.append((frame.epoch, frame.seq))

    def begin_anew(self, _topics: Iterable[str], reason: str) -> None:
        self.resets.append(reason)
        self.told.clear()

    def wake(self) -> None:
        pass

    async def say(self, quantity: int) -> None:
        await self.numbering.share({"positions": ({"a": row(quantity)}, BLOCK)})

    @property
    def place(self) -> tuple[str, int, Row | None]:
        return self.topic.epoch, self.topic.seq, self.topic.rows.get("a")


@asynccontextmanager
async def keeping(*replicas: Replica) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(replica.numbering.keep()) for replica in replicas]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def two() -> AsyncIterator[tuple[Replica, Replica]]:
    streams, terms = MemoryStreams(), Terms(lead_seconds=0.5, seek_seconds=0.01)
    first, second = Replica(streams, terms), Replica(streams, terms)
    async with keeping(first):
        await comes(lambda: first.numbering.role, lambda role: role == "alone")
        async with keeping(second):
            await agree(first, second)
            yield first, second


async def agree(first: Replica, second: Replica) -> None:
    await comes(
        lambda: (
            {first.numbering.role, second.numbering.role} == {"shared", "following"}
            and first.place == second.place
        )
    )


async def test_what_one_says_both_tell(two: tuple[Replica, Replica]) -> None:
    first, second = two
    for quantity in (2, 3, 4):
        await first.say(quantity)
    await agree(first, second)
    assert first.told == second.told == [(first.topic.epoch, seq) for seq in (1, 2, 3)]
    assert second.topic.rows == {"a": row(4)}


async def test_a_write_without_an_answer_counts_once(two: tuple[Replica, Replica]) -> None:
    first, second = two
    await first.say(2)
    first.streams.outcomes_unknown = 1
    await first.say(3)
    await agree(first, second)
    assert [seq for _, seq in first.told] == [1, 2]
    assert [seq for _, seq in second.told] == [1, 2]
    assert first.topic.rows == second.topic.rows == {"a": row(3)}
    # What it had left to say it does not know any more: everything is told again.
    leader = first if first.numbering.role == "shared" else second
    await comes(lambda: leader.told_again, lambda times: times > 0)


async def test_a_write_that_was_not_made_takes_no_number(two: tuple[Replica, Replica]) -> None:
    first, second = two
    await first.say(2)
    first.streams.down = True
    await first.say(3)
    assert [seq for _, seq in first.told] == [1]
    first.streams.down = False
    await agree(first, second)


async def test_one_whose_place_is_taken_writes_nothing(two: tuple[Replica, Replica]) -> None:
    first, second = two
    await first.say(2)
    await agree(first, second)
    # Another has written what it has not read yet.
    frame = second.topic.frame({"a": row(9)}, BLOCK)
    assert frame is not None
    await second.streams.append(STREAM, [frame.text.encode()])
    await first.say(3)
    await agree(first, second)
    assert [seq for _, seq in first.told] == [1, 2]
    assert first.topic.rows == second.topic.rows == {"a": row(9)}


async def test_what_the_server_forgot_begins_anew(two: tuple[Replica, Replica]) -> None:
    first, second = two
    await first.say(2)
    await agree(first, second)
    epoch = first.topic.epoch
    first.streams.lose()
    await first.say(3)
    await comes(lambda: epoch not in {first.topic.epoch, second.topic.epoch})
    await agree(first, second)


class Cut:
    """The way of one replica to the streams, which can be cut."""

    def __init__(self, streams: MemoryStreams) -> None:
        self.is_cut = False
        self._streams = streams

    def __getattr__(self, name: str) -> Any:
        if self.is_cut:
            raise StreamUnavailableError("Redis cannot be reached.")
        return getattr(self._streams, name)


async def test_one_that_alone_was_cut_off_tells_the_same_again_afterwards() -> None:
    streams, terms = MemoryStreams(), Terms(lead_seconds=0.5, seek_seconds=0.01)
    first, cut = Replica(streams, terms), Cut(streams)
    second = Replica(cast("MemoryStreams", cut), terms)
    async with keeping(first):
        await comes(lambda: first.numbering.role, lambda role: role == "alone")
        async with keeping(second):
            await agree(first, second)
            cut.is_cut = True
            await comes(lambda: second.numbering.role, lambda role: role == "own")
            await first.say(2)
            cut.is_cut = False
            await agree(first, second)
            await first.say(3)
            await agree(first, second)
            assert second.topic.rows == {"a": row(3)}


async def test_what_was_to_be_shared_is_not_lost_where_nobody_follows_any_more() -> None:
    replica = Replica(MemoryStreams(), Terms(lead_seconds=0.5, seek_seconds=0.01))
    async with keeping(replica):
        await comes(lambda: replica.numbering.role, lambda role: role == "alone")
        await replica.say(2)
    assert (replica.told, replica.told_again) == ([], 1)


async def test_a_new_one_shows_nothing_of_what_was_told_before_nobody_followed() -> None:
    streams = MemoryStreams()
    old = Topic("positions")
    old.begin("0123456789abcdef", 7, {"a": row(9)})
    await streams.append(STREAM, [old.snapshot(BLOCK, NOW).encode(), handed.ALONE])
    replica = Replica(streams, Terms())
    await replica.numbering._read_all()
    assert not replica.topic.has_begun
    assert replica.topic.rows == {}


async def test_an_entry_that_nobody_can_read_is_passed_over(two: tuple[Replica, Replica]) -> None:
    first, second = two
    await first.streams.append(STREAM, [b"{", b'{"type":"delta"}', b'{"type":"weather"}'])
    await first.say(2)
    await agree(first, second)
    leader = first if first.numbering.role == "shared" else second
    await leader.say(5)
    await agree(first, second)
    assert first.topic.rows == second.topic.rows == {"a": row(5)}
