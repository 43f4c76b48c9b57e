"""Several API processes over one Redis and one PostgreSQL: to their clients they are one."""

import asyncio
from dataclasses import replace as with_
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from core.clock import utc_now
from core.events.changes import ExecutionRecorded
from core.settings import Settings
from core.streams.port import START
from core.streams.redis import RedisStreams
from models.session import Database
from services.stack.ports import free_port
from tests.services.api.conftest import QUICK, Api, Start
from tests.services.api.gate import Gate
from tests.services.api.mirror import Mirror
from tests.services.api.portfolio import AAPL, USD, beat, changed, mark, position_id, publish, tick
from tests.waiting import comes, eventually

KEY = str(position_id("aapl"))


def places(api: Api) -> dict[str, tuple[str, int]]:
    """Where each topic of a replica stands."""
    return {name: (topic.epoch, topic.seq) for name, topic in api.context.hub.topics.items()}


def role(api: Api) -> str:
    return api.context.hub.numbering.role


class Pair:
    """Two replicas that agree, and the first of them numbers."""

    def __init__(self, first: Api, second: Api) -> None:
        self.first, self.second = first, second

    async def agree(self) -> None:
        await comes(
            lambda: (role(self.first), role(self.second), places(self.first) == places(self.second)),
            lambda found: found in {("shared", "following", True), ("following", "shared", True)},
        )


@pytest.fixture
async def pair(start: Start, settings: Settings, seeded: Database) -> Pair:
    assert seeded
    return await agreeing(start, settings)


async def agreeing(start: Start, settings: Settings, **terms: Any) -> Pair:
    """Two replicas, the first of which numbers, on these terms."""
    pace = with_(QUICK, terms=with_(QUICK.terms, **terms))
    told_at_once = settings.model_copy(update={"stream_conflate_ms": 0})
    first = await start(told_at_once, pace=pace)
    await comes(lambda: role(first), lambda found: found == "alone")
    second = await start(told_at_once.model_copy(update={"api_port": free_port()}), pace=pace)
    made = Pair(first, second)
    await made.agree()
    assert role(first) == "shared"
    return made


async def price(settings: Settings, streams: RedisStreams, told: int) -> None:
    await tick(streams, settings, mark(utc_now(), market_price=Decimal(told)))


def shows(told: int) -> Any:
    return lambda rows: rows.get(KEY, {}).get("market_price") == str(told)


async def told_again(pair: Pair, settings: Settings, streams: RedisStreams, price_told: int) -> None:
    """Tell a price until both replicas have it."""

    async def has_come() -> bool:
        await price(settings, streams, price_told)
        rows = [await api.get(f"/api/v1/positions/{KEY}") for api in (pair.first, pair.second)]
        return all(row["market_price"] == str(price_told) for row in rows)

    await eventually(has_come)


async def test_two_replicas_give_the_same_epoch_sequence_and_rows(
    pair: Pair, settings: Settings, streams: RedisStreams
) -> None:
    one, other = Mirror(), Mirror()
    async with pair.first.socket() as first, pair.second.socket() as second:
        await one.follow(first)
        await other.follow(second)
        await tick(streams, settings, beat(utc_now()))
        for told in (200, 201, 202):
            await price(settings, streams, told)
            await one.until(first, shows(told))
            await other.until(second, shows(told))
        await publish(streams, settings, changed("aapl", version=9, status="closed", quantity=Decimal(0)))
        await one.until(first, lambda rows: KEY not in rows)
        await other.until(second, lambda rows: KEY not in rows)
    assert (one.epoch, one.seq, one.resets) == (other.epoch, other.seq, other.resets)
    assert one.rows == other.rows


async def test_whoever_goes_to_the_other_replica_resumes_there(
    pair: Pair, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with pair.first.socket() as socket:
        await mirror.follow(socket)
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
    await price(settings, streams, 201)
    await pair.agree()
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        await price(settings, streams, 202)
        await mirror.until(socket, shows(202))
    async with pair.first.socket() as socket:
        await mirror.follow(socket)
        await price(settings, streams, 203)
        await mirror.until(socket, shows(203))
    assert mirror.resets == []
    assert len(mirror.resumed) == 2


async def test_the_other_goes_on_where_the_one_that_numbered_ends(
    pair: Pair, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
        epoch = mirror.epoch
        await pair.first.context.hub.stop()
        await price(settings, streams, 201)
        await mirror.until(socket, shows(201))
        # An execution that only the database knows of whole is told by whoever numbers now.
        row = ExecutionRecorded(exec_id="x", account=USD, conid=AAPL)
        await publish(streams, settings, row, changed("late", conid=77))
        await mirror.until(socket, lambda rows: str(position_id("late")) in rows)
    assert (mirror.epoch, mirror.resets) == (epoch, [])
    assert role(pair.second) == "shared"


async def test_once_nobody_has_followed_for_long_nothing_is_written_any_more(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    pace = with_(QUICK, terms=with_(QUICK.terms, linger_seconds=0, lead_seconds=0.3))
    at_once = settings.model_copy(update={"stream_conflate_ms": 0})
    first = await start(at_once, pace=pace)
    second = await start(at_once.model_copy(update={"api_port": free_port()}), pace=pace)
    await Pair(first, second).agree()
    numbering, other = (first, second) if role(first) == "shared" else (second, first)
    await other.context.hub.stop()
    await comes(lambda: role(numbering), lambda found: found == "alone")
    (stream,) = await frames_streams(settings, streams)
    written = await streams._redis.xlen(stream)
    mirror = Mirror()
    async with numbering.socket() as socket:
        await mirror.follow(socket)
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
    assert await streams._redis.xlen(stream) == written
    # Whoever comes then is told all the same, and by the same numbers.
    other.context.hub.start()
    await Pair(first, second).agree()
    assert places(other)["positions"][0] == mirror.epoch


async def test_one_that_stood_still_numbers_nothing_after_another_took_over(
    pair: Pair, settings: Settings, streams: RedisStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pair.first.context.hub
    still = asyncio.Event()
    seek = hub.numbering._streams.seek_lead

    async def stands_still(*arguments: Any, **named: Any) -> Any:
        await still.wait()
        return await seek(*arguments, **named)

    # It goes on to read ticks and to number, and does not know that its lead has ended.
    patient = with_(QUICK.terms, lead_seconds=1000)
    with monkeypatch.context() as patched:
        patched.setattr(hub.numbering._streams, "seek_lead", stands_still)
        patched.setattr(hub.numbering, "_terms", patient)
        await comes(lambda: role(pair.second), lambda found: found in {"alone", "shared"})
        mirror, other = Mirror(), Mirror()
        async with pair.first.socket() as first, pair.second.socket() as second:
            await mirror.follow(first)
            await other.follow(second)
            for told in (300, 301, 302):
                await price(settings, streams, told)
                await other.until(second, shows(told))
            assert role(pair.first) in {"shared", "following"}
            still.set()
            await price(settings, streams, 303)
            await mirror.until(first, shows(303))
            await other.until(second, shows(303))
    await pair.agree()
    assert places(pair.first)["positions"][0] == other.epoch


async def test_a_replica_that_missed_frames_is_given_a_base(
    pair: Pair, settings: Settings, streams: RedisStreams
) -> None:
    numbering = pair.second.context.hub.numbering
    topic = pair.second.context.hub.topics["positions"]
    mirror = Mirror()
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        await mirror.until(socket, lambda rows: len(rows) == 3)
        topic.seq -= 1
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
    await pair.agree()
    assert numbering.role == "following"


async def test_a_replica_whose_base_was_trimmed_before_it_read_it_is_given_another(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    pair = await agreeing(start, settings, lead_seconds=0.3)
    numbering = pair.second.context.hub.numbering
    mirror = Mirror()
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        await mirror.until(socket, lambda rows: len(rows) == 3)
        numbering._void.add("positions")
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
    await pair.agree()


async def test_what_they_hand_each_other_is_bounded_in_bytes_and_goes_after_the_last_of_them(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    pair = await agreeing(start, settings, keep_bytes=20_000, keep_seconds=60)
    mirror = Mirror()
    written = 0
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        while written < 100_000:
            written += 1_000
            await price(settings, streams, written)
            await mirror.until(socket, shows(written))
    await pair.agree()
    (stream,) = await frames_streams(settings, streams)
    held = await streams.tail(stream, START, count=10_000, block_ms=0)
    # Whole nodes of a stream go: what is smaller than four kilobytes stays until all of its node may go.
    assert 0 < sum(len(entry.data) for entry in held) < 20_000 + 8_192
    assert mirror.resets == []
    assert 0 < await streams._redis.pttl(stream) <= 60_000


async def frames_streams(settings: Settings, streams: RedisStreams) -> list[str]:
    keys = [key.decode() for key in await streams._redis.keys(f"{settings.frames_stream}:*")]
    return [key for key in keys if not key.endswith((":leader", ":candidates"))]


async def test_without_redis_each_numbers_for_itself_and_then_they_agree_again(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    async with Gate(settings.require_redis_url()) as gate:
        gated = settings.model_copy(update={"stream_conflate_ms": 0, "redis_url": SecretStr(gate.url)})
        first = await start(gated)
        await comes(lambda: role(first), lambda found: found == "alone")
        second = await start(gated.model_copy(update={"api_port": free_port()}))
        pair = Pair(first, second)
        await pair.agree()
        mirror = Mirror()
        async with second.socket() as socket:
            await mirror.follow(socket)
            await mirror.until(socket, lambda rows: len(rows) == 3)
            before = mirror.epoch
            gate.shut()
            await mirror.until(socket, lambda rows: rows[KEY]["freshness"]["reason"] == "stream_down")
            await comes(lambda: (role(first), role(second)), lambda found: found == ("own", "own"))
            assert places(first)["positions"][0] != places(second)["positions"][0]
            gate.reopen()
            await pair.agree()
            # They follow the ticks again at some moment after that, and what was told before it is gone.
            await told_again(pair, settings, streams, 200)
            await mirror.until(socket, shows(200))
        assert mirror.epoch != before
        assert set(mirror.resets) == {"epoch_changed"}


async def test_alone_it_numbers_on_through_a_loss_of_redis(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    async with Gate(settings.require_redis_url()) as gate:
        api = await start(
            settings.model_copy(update={"stream_conflate_ms": 0, "redis_url": SecretStr(gate.url)})
        )
        await comes(lambda: role(api), lambda found: found == "alone")
        mirror = Mirror()
        async with api.socket() as socket:
            await mirror.follow(socket)
            await tick(streams, settings, beat(utc_now()), mark(utc_now()))
            await mirror.until(socket, lambda rows: rows[KEY]["freshness"]["reason"] is None)
            gate.shut()
            await mirror.until(socket, lambda rows: rows[KEY]["freshness"]["reason"] == "stream_down")
            await comes(lambda: role(api), lambda found: found == "own")
            gate.reopen()
            await comes(lambda: role(api), lambda found: found == "alone")

            await told_again(Pair(api, api), settings, streams, 200)
            await mirror.until(socket, shows(200))
        assert mirror.resets == []


async def test_what_redis_forgets_is_numbered_anew_for_all(
    pair: Pair, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with pair.second.socket() as socket:
        await mirror.follow(socket)
        await mirror.until(socket, lambda rows: len(rows) == 3)
        keys = await streams._redis.keys(f"{settings.frames_stream}*")
        await streams._redis.delete(*keys)
        await price(settings, streams, 200)
        await mirror.until(socket, shows(200))
    await pair.agree()


async def test_of_many_exactly_one_numbers(start: Start, settings: Settings, seeded: Database) -> None:
    assert seeded
    crowd = [await start(settings.model_copy(update={"api_port": free_port()})) for _ in range(3)]

    def found() -> tuple[int, int]:
        return sum(role(api) == "shared" for api in crowd), len({str(places(api)) for api in crowd})

    await comes(found, lambda counted: counted == (1, 1))
