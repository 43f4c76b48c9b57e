"""What is asked of the broker is heard, whatever Redis forgets."""

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events.facts import ResyncFenced
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.broker import wishes
from services.broker.wishes import Wishes
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.waiting import comes, eventually


async def test_what_is_asked_after_redis_lost_its_memory_is_heard(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async def answered() -> set[str]:
        return {fence.job_id for fence in await reader.fences()}

    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await ask_resync(streams, settings, "first")
        await eventually(answered, lambda jobs: "first" in jobs)
        # A server with a clock ahead of the next one's: ids begin anew below those that were followed.
        with capture_logs() as logs:
            await streams._redis.xadd(settings.requests_stream, {b"d": b"?"}, id="99999999999999-0")
            await comes(lambda: [line for line in logs if line["event"] == "request_unreadable"])
        await streams._redis.delete(settings.requests_stream)
        await ask_resync(streams, settings, "second")
        await eventually(answered, lambda jobs: "second" in jobs)


async def test_who_asks_again_gets_the_answer_that_there_was(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        for count in range(1, 4):
            await ask_resync(streams, settings, "one")
            await eventually(
                reader.fences, lambda all_, count=count: sum(one.job_id == "one" for one in all_) == count
            )
        answers = [fence for fence in await reader.fences() if fence.job_id]
        assert answers == answers[:1] * 3


async def test_a_comparison_is_told_under_the_id_of_the_job_that_wants_it(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async def answered() -> set[str]:
        return {fence.job_id for fence in await reader.fences()}

    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        with capture_logs([merge_contextvars]) as logs:
            await ask_resync(streams, settings, "of-a-job")
            await eventually(answered, lambda jobs: "of-a-job" in jobs)
            await comes(lambda: [line for line in logs if line["event"] == "resync_complete"])
    told = {line["event"]: line for line in logs if line.get("correlation_id") == "of-a-job"}
    assert told.keys() == {"resync_requested", "resync_complete"}
    assert told["resync_complete"]["duration_ms"] > 0
    assert told["resync_complete"]["facts"] > 0


def fence(job_id: str, *, ok: bool = True) -> ResyncFenced:
    return ResyncFenced(received_at=utc_now(), trigger="request", started_at=utc_now(), ok=ok, job_id=job_id)


async def test_a_wish_is_joined_while_it_waits_or_is_under_way_and_then_answered_from_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wishes, "_REMEMBERED", 2)
    told: list[ResyncFenced] = []
    mine = Wishes(told.append, utc_now)
    mine.begin()
    mine.add("request", "one")
    mine.add("request", "one")
    assert mine.take() == ("connect", {"", "one"})
    mine.add("request", "one")
    assert not mine
    assert not mine.wake.is_set()
    mine.add("paused")
    mine.add("request", "two")
    assert mine.wake.is_set()
    first = fence("one")
    mine.answer(fence(""))
    mine.answer(first)
    mine.add("request", "one")
    assert told[-1] is first
    assert mine.take() == ("paused", {"", "two"})
    mine.add("request", "three")
    mine.refuse_all("gone")
    assert (told[-1].job_id, told[-1].ok, told[-1].error) == ("three", False, "gone")
    assert not mine
    # What went with its connection begins anew, and old answers are forgotten.
    mine.add("request", "two")
    mine.answer(fence("four"))
    mine.add("request", "one")
    assert mine.take() == ("request", {"two", "one"})
