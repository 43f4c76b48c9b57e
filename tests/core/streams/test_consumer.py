import asyncio
from collections.abc import Sequence
from contextlib import suppress

from structlog.testing import capture_logs

from core.errors import DatabaseUnavailableError, StreamUnavailableError
from core.streams.consumer import FAILURES, Consumer
from core.streams.memory import MemoryStreams
from core.streams.port import Entry
from tests.waiting import SECONDS, eventually

STREAM, GROUP = "s", "g"


class Handler:
    """Collects what it is given; fails as often as it is told to."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.failures = list(failures)
        self.seen: list[bytes] = []
        self.deliveries: list[list[int]] = []
        self.changed = asyncio.Event()

    async def __call__(self, entries: Sequence[Entry]) -> None:
        self.deliveries.append([entry.deliveries for entry in entries])
        if self.failures:
            raise self.failures.pop(0)
        self.seen.extend(entry.data for entry in entries)
        self.changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()


class FlakyStreams(MemoryStreams):
    """A server that is away for some calls."""

    away = 0
    failure: Exception = StreamUnavailableError("Redis cannot be reached.")

    async def read_group(
        self, stream: str, group: str, consumer: str, *, count: int, block_ms: int
    ) -> list[Entry]:
        if self.away:
            self.away -= 1
            raise self.failure
        return await super().read_group(stream, group, consumer, count=count, block_ms=block_ms)


async def run_until(streams: MemoryStreams, handler: Handler, count: int, idle_ms: int = 5000) -> None:
    consumer = Consumer(streams, stream=STREAM, group=GROUP, consumer="c", handle=handler, idle_ms=idle_ms)
    task = asyncio.create_task(consumer.run())
    await handler.until(count)
    await eventually(lambda: streams.info(STREAM), lambda info: not info.groups[0].pending_entries)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_was_dealt_with_is_acknowledged() -> None:
    streams, handler = MemoryStreams(), Handler()
    await streams.append(STREAM, [b"1", b"2"])
    await run_until(streams, handler, 2)
    assert handler.seen == [b"1", b"2"]
    assert (await streams.info(STREAM)).groups[0].lag_entries == 0


async def test_what_was_left_by_a_killed_member_is_taken_over() -> None:
    streams, handler = MemoryStreams(), Handler()
    await streams.ensure_group(STREAM, GROUP)
    await streams.append(STREAM, [b"1"])
    await streams.read_group(STREAM, GROUP, "killed", count=1, block_ms=0)
    await run_until(streams, handler, 1, idle_ms=0)
    assert handler.seen == [b"1"]


async def test_a_lost_database_is_waited_for_and_nothing_is_acknowledged_meanwhile() -> None:
    gone = DatabaseUnavailableError("PostgreSQL cannot be reached.")
    streams, handler = MemoryStreams(), Handler([gone, gone])
    await streams.append(STREAM, [b"1"])
    with capture_logs() as lines:
        await run_until(streams, handler, 1)
    assert handler.seen == [b"1"]
    assert [line["event"] for line in lines] == ["consumer_waiting", "consumer_resumed"]


async def test_a_lost_redis_is_said_once_down_and_once_back() -> None:
    streams, handler = FlakyStreams(), Handler()
    streams.away = 3
    await streams.append(STREAM, [b"1"])
    with capture_logs() as lines:
        await run_until(streams, handler, 1)
    assert [line["event"] for line in lines] == ["consumer_waiting", "consumer_resumed"]


async def test_whatever_goes_wrong_is_tried_again_said_once_and_counted_as_a_delivery() -> None:
    streams, handler = MemoryStreams(), Handler([ValueError("7 DU1"), ValueError("8 DU1"), KeyError("x")])
    before = FAILURES.labels(GROUP)._value.get()
    await streams.append(STREAM, [b"1", b"2"])
    with capture_logs() as lines:
        await run_until(streams, handler, 2)
    assert handler.seen == [b"1", b"2"]
    assert handler.deliveries == [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("consumer_waiting", "ValueError"),
        ("consumer_waiting", "KeyError"),
        ("consumer_resumed", None),
    ]
    assert "test_consumer.py" in lines[0]["where"]
    assert "DU1" not in str(lines)
    assert FAILURES.labels(GROUP)._value.get() == before + 3


async def test_an_outage_does_not_count_against_what_waits_for_its_end() -> None:
    gone = DatabaseUnavailableError("PostgreSQL cannot be reached.")
    streams, handler = MemoryStreams(), Handler([gone, gone, gone])
    await streams.append(STREAM, [b"1"])
    await run_until(streams, handler, 1)
    assert handler.deliveries == [[1]] * 4


async def test_a_stream_server_that_answers_nonsense_does_not_end_the_loop() -> None:
    streams, handler = FlakyStreams(), Handler()
    streams.away, streams.failure = 2, RuntimeError("nonsense")
    await streams.append(STREAM, [b"1"])
    await run_until(streams, handler, 1)
    assert handler.seen == [b"1"]


async def test_what_is_taken_over_says_how_often_it_was_given_to_someone() -> None:
    streams, handler = MemoryStreams(), Handler()
    await streams.ensure_group(STREAM, GROUP)
    await streams.append(STREAM, [b"1"])
    await streams.read_group(STREAM, GROUP, "killed", count=1, block_ms=0)
    for member in ("killed too", "and killed"):
        await streams.claim_stale(STREAM, GROUP, member, idle_ms=0, count=1)
    await run_until(streams, handler, 1, idle_ms=0)
    assert handler.deliveries == [[4]]
