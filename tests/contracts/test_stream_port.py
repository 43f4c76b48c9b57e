"""What every stream server must do: one suite for Valkey, a cluster of it, and the in-memory twin."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from core.errors import StreamLostError
from core.settings import Settings
from core.streams.memory import MemoryStreams
from core.streams.port import START, Appended, Lead, StreamPort
from core.streams.redis import RedisStreams
from tests.waiting import SECONDS, eventually

STREAM = "contract:{0}:facts"


@pytest.fixture(params=["redis", "cluster", "memory"])
async def port(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[StreamPort]:
    if request.param == "memory":
        yield MemoryStreams()
        return
    if request.param == "cluster":
        url = SecretStr(request.getfixturevalue("cluster_url"))
        settings = settings.model_copy(update={"redis_url": url})
    streams = RedisStreams.connect(settings)
    yield streams
    await streams._redis.delete(
        STREAM, *(f"{STREAM}:{of}" for of in ("marks:a", "marks:b", "leader", "candidates"))
    )
    await streams.close()


async def read_all(port: StreamPort, after: str = START) -> list[bytes]:
    return [entry.data for entry in await port.tail(STREAM, after, count=1000, block_ms=0)]


async def take(port: StreamPort, consumer: str = "a", count: int = 10) -> list[tuple[str, bytes]]:
    entries = await port.read_group(STREAM, "g", consumer, count=count, block_ms=0)
    return [(entry.id, entry.data) for entry in entries]


async def after(
    port: StreamPort, payloads: list[bytes], after: str, keep_entries: int = 100, keep_ms: int = 60_000
) -> str | None:
    return await port.append_after(STREAM, payloads, after=after, keep_entries=keep_entries, keep_ms=keep_ms)


async def seek(port: StreamPort, candidate: str, ttl_ms: int = 10_000, keep_ms: int = 60_000) -> Lead:
    return await port.seek_lead(STREAM, candidate, ttl_ms=ttl_ms, keep_ms=keep_ms)


async def test_entries_come_back_in_the_order_they_were_added(port: StreamPort) -> None:
    await port.append(STREAM, [b"1", b"2"])
    await port.append(STREAM, [b"3"])
    assert await read_all(port) == [b"1", b"2", b"3"]


async def test_nothing_added_is_nothing(port: StreamPort) -> None:
    await port.append(STREAM, [])
    assert await port.last_id(STREAM) == START
    assert await read_all(port) == []
    assert (await port.info(STREAM)).length_entries == 0


async def test_tail_gives_only_what_is_newer(port: StreamPort) -> None:
    await port.append(STREAM, [b"old"])
    seen = await port.last_id(STREAM)
    await port.append(STREAM, [b"new"])
    assert await read_all(port, seen) == [b"new"]


async def test_tail_waits_for_the_next_entry(port: StreamPort) -> None:
    waiting = asyncio.create_task(port.tail(STREAM, START, count=10, block_ms=10_000))
    await asyncio.sleep(0)
    await port.append(STREAM, [b"late"])
    assert [entry.data for entry in await asyncio.wait_for(waiting, SECONDS)] == [b"late"]


async def test_tail_tells_a_reader_that_what_it_followed_is_gone(port: StreamPort) -> None:
    await port.append(STREAM, [b"1"])
    with pytest.raises(StreamLostError, match="gone"):
        await port.tail(STREAM, "99999999999999-0", count=10, block_ms=20)
    assert await port.tail(STREAM, await port.last_id(STREAM), count=10, block_ms=20) == []


async def test_tail_gives_up_waiting_after_its_time(port: StreamPort) -> None:
    assert await port.tail(STREAM, START, count=10, block_ms=20) == []


async def test_a_bounded_stream_drops_its_oldest_entries(port: StreamPort) -> None:
    for number in range(500):
        await port.append(STREAM, [str(number).encode()], keep_entries=100)
    kept = await read_all(port)
    assert kept[-1] == b"499"
    assert b"0" not in kept


async def test_a_group_starts_at_the_streams_beginning(port: StreamPort) -> None:
    await port.append(STREAM, [b"before"])
    await port.ensure_group(STREAM, "g")
    await port.ensure_group(STREAM, "g")
    assert [data for _, data in await take(port)] == [b"before"]


async def test_a_lost_group_is_made_anew_and_misses_nothing(port: StreamPort) -> None:
    await port.append(STREAM, [b"x"])
    entries = await take(port) or await take(port)
    assert [data for _, data in entries] == [b"x"]


async def test_an_entry_goes_to_one_member_of_a_group_and_to_every_group(port: StreamPort) -> None:
    for group in ("g", "other"):
        await port.ensure_group(STREAM, group)
    await port.append(STREAM, [b"1", b"2"])
    first = await take(port, "a", count=1)
    second = await take(port, "b", count=10)
    assert [data for _, data in first + second] == [b"1", b"2"]
    others = await port.read_group(STREAM, "other", "a", count=10, block_ms=0)
    assert [entry.data for entry in others] == [b"1", b"2"]


async def test_a_member_that_waits_is_woken(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    waiting = asyncio.create_task(port.read_group(STREAM, "g", "a", count=1, block_ms=10_000))
    await asyncio.sleep(0)
    await port.append(STREAM, [b"1"])
    assert [entry.data for entry in await asyncio.wait_for(waiting, SECONDS)] == [b"1"]


async def test_what_was_not_acknowledged_can_be_taken_over(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1", b"2"])
    given = await take(port, "dead")
    await port.acknowledge(STREAM, "g", [given[0][0]])
    taken = await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=10)
    assert [entry.data for entry in taken] == [b"2"]
    await port.acknowledge(STREAM, "g", [entry.id for entry in taken])
    assert await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=10) == []


async def test_what_is_gone_from_the_stream_keeps_nobody_from_what_comes_after_it(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1" * 5000, b"2" * 5000, b"3" * 5000])
    assert len(await take(port, "dead")) == 3
    # As wherever a stream is bounded, and whoever reads it falls far behind.
    await port.append(STREAM, [b"4"], keep_entries=2)
    assert [data[:1] for data in await read_all(port)] == [b"3", b"4"]
    taken = await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=1)
    assert [(entry.data[:1], entry.deliveries) for entry in taken] == [(b"3", 2)]
    (group,) = (await port.info(STREAM)).groups
    assert group.pending_entries == 1


async def test_each_entry_says_how_often_it_was_given_to_someone(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1", b"2", b"3"])
    first = await port.read_group(STREAM, "g", "a", count=2, block_ms=0)
    assert [entry.deliveries for entry in first] == [1, 1]
    again = await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=1)
    assert [(entry.data, entry.deliveries) for entry in again] == [(b"1", 2)]
    await port.read_group(STREAM, "g", "c", count=1, block_ms=0)
    taken = await port.claim_stale(STREAM, "g", "c", idle_ms=0, count=100)
    assert [(entry.data, entry.deliveries) for entry in taken] == [(b"1", 3), (b"2", 2), (b"3", 2)]


async def test_the_oftener_entries_were_given_away_the_fewer_are_taken_over_at_once(
    port: StreamPort,
) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"%d" % number for number in range(40)])
    await port.read_group(STREAM, "g", "dead", count=40, block_ms=0)
    sizes = []
    for _ in range(5):
        taken = await port.claim_stale(STREAM, "g", "dies", idle_ms=0, count=64)
        assert taken[0].data == b"0"
        sizes.append(len(taken))
    assert sizes == [16, 4, 1, 1, 1]
    # The others were not given to anybody again meanwhile.
    await port.acknowledge(STREAM, "g", [taken[0].id])
    rest = await port.claim_stale(STREAM, "g", "c", idle_ms=0, count=64)
    assert [(entry.data, entry.deliveries) for entry in rest] == [(b"1", 4)]


async def test_what_was_trimmed_away_before_it_was_dealt_with_is_pending_no_more_once_looked_for(
    port: StreamPort,
) -> None:
    await port.append(STREAM, [b"1", b"2"])
    await port.ensure_group(STREAM, "g")
    await port.read_group(STREAM, "g", "a", count=2, block_ms=0)
    await port.append(STREAM, [b"x"] * 500, keep_entries=100)
    assert (await port.info(STREAM)).groups[0].pending_entries == 2
    assert await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=10) == []
    assert (await port.info(STREAM)).groups[0].pending_entries == 0


async def test_what_is_still_fresh_is_not_taken_over(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1"])
    await take(port, "busy")
    assert await port.claim_stale(STREAM, "g", "b", idle_ms=60_000, count=10) == []


async def test_claiming_from_a_lost_group_makes_it_anew(port: StreamPort) -> None:
    await port.append(STREAM, [b"1"])
    assert await port.claim_stale(STREAM, "g", "b", idle_ms=0, count=10) == []
    assert [data for _, data in await take(port)] == [b"1"]


async def test_trimming_keeps_what_some_group_still_needs(port: StreamPort) -> None:
    for group in ("g", "slow"):
        await port.ensure_group(STREAM, group)
    await port.append(STREAM, [b"1", b"2", b"3"])
    given = await take(port)
    await port.acknowledge(STREAM, "g", [entry_id for entry_id, _ in given])
    assert await port.trim_acknowledged(STREAM) == 0

    slow = await port.read_group(STREAM, "slow", "a", count=10, block_ms=0)
    await port.acknowledge(STREAM, "slow", [slow[0].id, slow[2].id])
    assert await port.trim_acknowledged(STREAM) == 1
    assert await read_all(port) == [b"2", b"3"]
    await port.acknowledge(STREAM, "slow", [slow[1].id])
    assert await port.trim_acknowledged(STREAM) == 2
    assert await read_all(port) == []


async def test_the_oldest_entry_that_is_not_acknowledged_is_known(port: StreamPort) -> None:
    assert await port.oldest_unacknowledged(STREAM) is None
    await port.append(STREAM, [b"1", b"2", b"3"])
    ids = [entry.id for entry in await port.tail(STREAM, START, count=9, block_ms=0)]
    assert await port.oldest_unacknowledged(STREAM) == ids[0]
    await port.ensure_group(STREAM, "g")
    assert await port.oldest_unacknowledged(STREAM) == ids[0]
    given = await port.read_group(STREAM, "g", "a", count=2, block_ms=0)
    await port.acknowledge(STREAM, "g", [given[0].id])
    assert await port.oldest_unacknowledged(STREAM) == ids[1]
    await port.acknowledge(STREAM, "g", [given[1].id])
    assert await port.oldest_unacknowledged(STREAM) == ids[2], "not given to anyone yet"
    (last,) = await port.read_group(STREAM, "g", "a", count=2, block_ms=0)
    await port.acknowledge(STREAM, "g", [last.id])
    assert await port.oldest_unacknowledged(STREAM) is None


async def test_a_stream_without_groups_is_not_trimmed(port: StreamPort) -> None:
    await port.append(STREAM, [b"1"])
    assert await port.trim_acknowledged(STREAM) == 0
    assert await port.trim_acknowledged("contract:{0}:absent") == 0


async def test_a_group_that_is_made_later_gets_what_is_left(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1", b"2"])
    given = await take(port)
    await port.acknowledge(STREAM, "g", [given[0][0]])
    await port.ensure_group(STREAM, "late")
    # It has been given nothing yet: from here on everything is kept for it.
    await port.acknowledge(STREAM, "g", [given[1][0]])
    assert await port.trim_acknowledged(STREAM) == 0
    late = await port.read_group(STREAM, "late", "a", count=10, block_ms=0)
    assert [entry.data for entry in late] == [b"1", b"2"]


async def test_trimming_all_the_while_takes_nothing_from_groups_that_are_behind(port: StreamPort) -> None:
    wanted = [str(number).encode() for number in range(150)]
    seen: dict[str, list[bytes]] = {"g": [], "slow": []}
    done = asyncio.Event()

    async def write() -> None:
        for number in range(0, len(wanted), 3):
            await port.append(STREAM, wanted[number : number + 3])
            await asyncio.sleep(0)

    async def trim() -> None:
        while not done.is_set():
            await port.trim_acknowledged(STREAM)
            await asyncio.sleep(0)

    async def read(group: str, count: int) -> None:
        while len(seen[group]) < len(wanted):
            entries = await port.read_group(STREAM, group, "a", count=count, block_ms=0)
            seen[group] += [entry.data for entry in entries]
            # The newest first: what is acknowledged is not all that lies below it.
            for entry in reversed(entries):
                await port.acknowledge(STREAM, group, [entry.id])
            await asyncio.sleep(0)

    for group in seen:
        await port.ensure_group(STREAM, group)
    trimming = asyncio.create_task(trim())
    await asyncio.wait_for(asyncio.gather(write(), read("g", 20), read("slow", 1)), SECONDS)
    done.set()
    await trimming
    assert seen == {"g": wanted, "slow": wanted}
    await port.trim_acknowledged(STREAM)
    assert await read_all(port) == []


async def test_a_marked_append_tells_whether_the_confirmed_mark_is_there_and_the_length(
    port: StreamPort,
) -> None:
    async def append(payloads: list[bytes], writer: str, mark: int, confirmed: int) -> Appended:
        return await port.append_marked(STREAM, payloads, writer=writer, mark=mark, confirmed=confirmed)

    assert await append([b"1", b"2"], "a", 1, 0) == Appended(False, 2)
    assert await append([b"3"], "a", 2, 1) == Appended(True, 3)
    assert await append([], "b", 3, 2) == Appended(False, 3)
    # What may have been made since, and was not confirmed, leaves the confirmed one where it is.
    assert await append([], "a", 3, 2) == Appended(True, 3)
    assert await append([b"4"], "a", 4, 2) == Appended(True, 4)
    assert await append([], "a", 10, 4) == Appended(True, 4)
    # The ones before are forgotten.
    assert await append([], "a", 11, 3) == Appended(False, 4)
    assert await append([], "a", 12, 10) == Appended(True, 4)
    assert await read_all(port) == [b"1", b"2", b"3", b"4"]


async def test_marking_alone_makes_no_stream(port: StreamPort) -> None:
    assert await port.append_marked(STREAM, [], writer="a", mark=1, confirmed=0) == Appended(False, 0)
    assert await port.last_id(STREAM) == START


async def test_it_tells_that_it_evicts_nothing(port: StreamPort) -> None:
    assert await port.eviction_policy() == "noeviction"


async def test_info_counts_pending_and_lag(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1", b"2", b"3"])
    await take(port, "a", count=1)
    info = await port.info(STREAM)
    assert info.length_entries == 3
    assert info.last_id == await port.last_id(STREAM)
    assert [(group.name, group.pending_entries, group.lag_entries) for group in info.groups] == [("g", 1, 2)]


async def test_ids_go_on_growing_after_everything_was_trimmed(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1"])
    given = await take(port)
    await port.acknowledge(STREAM, "g", [given[0][0]])
    await port.trim_acknowledged(STREAM)
    before = await port.last_id(STREAM)
    await port.append(STREAM, [b"2"])
    assert await read_all(port, before) == [b"2"]


async def test_it_answers(port: StreamPort) -> None:
    await port.ping()


async def test_only_what_follows_the_newest_entry_is_added(port: StreamPort) -> None:
    first = await after(port, [b"1", b"2"], after=START)
    assert first == await port.last_id(STREAM)
    assert await after(port, [b"late"], after=START) is None
    second = await after(port, [b"3"], after=first or "")
    assert second == await port.last_id(STREAM)
    assert await after(port, [b"paused"], after=first or "") is None
    assert await read_all(port) == [b"1", b"2", b"3"]


async def test_after_a_trim_what_was_added_last_is_still_what_comes_before(port: StreamPort) -> None:
    await port.ensure_group(STREAM, "g")
    await port.append(STREAM, [b"1"])
    given = await take(port)
    await port.acknowledge(STREAM, "g", [given[0][0]])
    assert await port.trim_acknowledged(STREAM) == 1
    last = await port.last_id(STREAM)
    assert last != START
    assert await after(port, [b"late"], after=START, keep_entries=9) is None
    assert await after(port, [b"2"], after=last, keep_entries=9) is not None
    assert await read_all(port) == [b"2"]


async def test_it_goes_some_time_after_the_last_who_added_to_it_or_sought_its_lead(port: StreamPort) -> None:
    async def left() -> int:
        return (await port.info(STREAM)).length_entries

    for keep_ms in (60_000, 1):
        await after(port, [b"1"], after=await port.last_id(STREAM), keep_entries=9, keep_ms=keep_ms)
    await eventually(left, lambda entries: entries == 0)
    assert await port.last_id(STREAM) == START
    last = await after(port, [b"1"], after=START, keep_entries=9)
    await seek(port, "a", keep_ms=90_000)
    assert await after(port, [b"2"], after=last or "", keep_entries=9)
    assert await left() == 2
    await seek(port, "b", keep_ms=1)
    await eventually(left, lambda entries: entries == 0)
    lead = await seek(port, "c", keep_ms=1)
    assert lead == Lead("a", frozenset("abc")), "who leads stands beside it"


async def test_what_is_added_after_the_newest_is_bounded(port: StreamPort) -> None:
    newest = START
    for number in range(300):
        newest = await after(port, [b"%d" % number], after=newest, keep_entries=10) or ""
    kept = await read_all(port)
    assert kept[-1] == b"299"
    assert len(kept) < 250


async def test_one_leads_as_long_as_it_seeks_to(port: StreamPort) -> None:
    assert await seek(port, "a") == Lead("a", frozenset({"a"}))
    assert await seek(port, "b") == Lead("a", frozenset({"a", "b"}))
    assert await seek(port, "a") == Lead("a", frozenset({"a", "b"}))


async def test_who_leaves_leads_no_more(port: StreamPort) -> None:
    await seek(port, "a")
    await port.leave_lead(STREAM, "nobody")
    assert (await seek(port, "b")).leader == "a"
    await port.leave_lead(STREAM, "a")
    assert await seek(port, "b") == Lead("b", frozenset({"b"}))


async def test_who_is_silent_for_longer_leads_no_more(port: StreamPort) -> None:
    await seek(port, "a", ttl_ms=1)

    async def sought() -> Lead:
        return await seek(port, "b", ttl_ms=1)

    await eventually(sought, lambda lead: lead == Lead("b", frozenset({"b"})))
