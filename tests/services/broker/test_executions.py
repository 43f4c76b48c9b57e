"""Executions asked for again: since when, what an answer covers, and whether what it told has arrived."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events.facts import CommissionReported, DatasetCompleted, ExecutionReported
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.broker import app as broker_app
from services.broker import executions, metrics, schedule
from services.broker.gateway_time import GatewayTimes, filter_time, midnight_before, seconds_to_midnight
from services.broker.holding import MOST_SECONDS, Holding
from services.broker.recorded import Recorded
from services.position_sync import app as worker
from services.simulator import Simulator, answers
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.services.position_sync.ledger_rows import count
from tests.waiting import comes, eventually

NEW_YORK = ZoneInfo("America/New_York")
FILL: dict[str, Any] = {"account": "DU1000001", "conid": 8719, "side": "BOT", "quantity": 1}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The time in the filter of each request for executions that the gateway got."""
    times: list[str] = []
    answer = answers.matching_executions

    def note(book: Any, request: Any, now: datetime, zone: str) -> Any:
        times.append(request.since)
        return answer(book, request, now, zone)

    monkeypatch.setattr(answers, "matching_executions", note)
    return times


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute takes a moment."""
    monkeypatch.setattr(schedule, "EXECUTIONS_SECONDS", 0.2)
    monkeypatch.setattr(executions, "_ON_ITS_WAY", timedelta(seconds=0.2))


@asynccontextmanager
async def a_worker(settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.main(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def clock_at(hour: int, minute: int, second: float) -> Callable[[], datetime]:
    """A clock that runs and that says this time of New York's day when it is asked for."""
    now = utc_now().astimezone(NEW_YORK)
    wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(seconds=second)
    ahead = wanted - now
    return lambda: utc_now() + ahead


@pytest.mark.parametrize(
    ("at", "midnight", "left"),
    [
        ("2026-11-20T14:30:00+00:00", "2026-11-20T05:00:00+00:00", 14.5 * 3600),
        ("2026-11-21T04:59:59+00:00", "2026-11-20T05:00:00+00:00", 1),
        ("2026-11-21T05:00:00+00:00", "2026-11-21T05:00:00+00:00", 86_400),
        ("2026-03-08T12:00:00+00:00", "2026-03-08T05:00:00+00:00", 16 * 3600),
        ("2026-11-01T12:00:00+00:00", "2026-11-01T04:00:00+00:00", 17 * 3600),
    ],
)
def test_the_gateways_day_begins_and_ends_at_its_midnight(at: str, midnight: str, left: float) -> None:
    moment = datetime.fromisoformat(at)
    assert midnight_before(moment, NEW_YORK) == datetime.fromisoformat(midnight)
    assert seconds_to_midnight(moment, NEW_YORK) == left


def test_a_filters_time_is_read_back_as_what_it_was() -> None:
    at = datetime(2026, 11, 20, 14, 30, 5, tzinfo=UTC)
    assert filter_time(at.astimezone(NEW_YORK)) == "20261120-14:30:05"
    assert GatewayTimes(NEW_YORK).read(filter_time(at)) == (at, False)


async def test_between_full_answers_only_what_came_since_the_last_is_asked_for(
    settings: Settings, reader: Reader, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "EXECUTIONS_SECONDS", 0.2)
    noon = clock_at(12, 0, 0)
    monkeypatch.setattr(broker_app, "utc_now", noon)
    async with Simulator.start(SMALL, clock=noon) as sim, broker_link(quick(settings, sim.port)):
        before = noon()
        await reader.synced()
        await comes(lambda: len(asked), lambda requests: requests >= 4)
        assert asked[0] == ""
        for time in asked[1:]:
            since, _ = GatewayTimes(NEW_YORK).read(time)
            assert before - timedelta(seconds=125) < since < noon() - timedelta(seconds=119)
        exec_id = await sim.fill(**FILL)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        told = [fact for fact in await reader.of(DatasetCompleted) if fact.dataset == "executions"]
        midnight = midnight_before(before, NEW_YORK)
        assert {fact.covers_from for fact in told if fact.account == "DU1000001"} == {midnight, None}
        assert told[0].covers_from == midnight


async def test_a_filtered_answer_brings_what_another_client_traded(
    settings: Settings, reader: Reader, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "EXECUTIONS_SECONDS", 0.2)
    noon = clock_at(12, 0, 0)
    monkeypatch.setattr(broker_app, "utc_now", noon)
    async with Simulator.start(SMALL, clock=noon) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        # The gateway tells us nothing of another client's fills until it is asked.
        monkeypatch.setattr(sim.gateway, "announce", lambda *_, **__: None)
        exec_id = await sim.fill(**FILL)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        assert any(asked)


def trade_during_an_answer(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have something traded while the gateway tells of executions for the first time; its id."""
    answer = answers.matching_executions
    live: list[str] = []

    def trade_meanwhile(book: Any, *about: Any) -> Any:
        found = answer(book, *about)
        if not live:
            try:
                sim.fill(**FILL).send(None)
            except StopIteration as done:
                live.append(done.value)
        return found

    monkeypatch.setattr(answers, "matching_executions", trade_meanwhile)
    return live


@pytest.mark.parametrize(
    ("at", "is_held"),
    [
        pytest.param((12, 0, 0), True, id="at noon"),
        pytest.param((23, 59, 20), False, id="before midnight"),
        pytest.param((0, 1, 0), False, id="after midnight"),
    ],
)
async def test_what_is_traded_while_the_first_answer_is_told_comes_after_it_but_about_midnight(
    settings: Settings,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    at: tuple[int, int, float],
    is_held: bool,
) -> None:
    # With midnight the gateway forgets it, and a link that is killed would have had it alone.
    clock = clock_at(*at)
    monkeypatch.setattr(broker_app, "utc_now", clock)
    if at[0] == 0:
        monkeypatch.setattr(executions, "_LAST_CALL_SECONDS", 120.0)
    async with Simulator.start(SMALL, clock=clock) as sim:
        earlier = [await sim.fill(**FILL) for _ in range(3)]
        live = trade_during_an_answer(sim, monkeypatch)
        async with broker_link(quick(settings, sim.port)):
            await reader.synced()
            await reader.until(CommissionReported, lambda fact: [fact.exec_id] == live)
        told = [fact.exec_id for fact in await reader.of(ExecutionReported)]
        assert told == ([*earlier, *live] if is_held else [*live, *earlier])


async def test_what_is_traded_while_a_live_link_asks_for_everything_again_is_told_at_once(
    settings: Settings, streams: RedisStreams, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    begin = Holding.begin

    def note(self: Holding, seconds: float = MOST_SECONDS) -> None:
        begin(self, seconds)
        held.append(seconds > 0)

    monkeypatch.setattr(Holding, "begin", note)
    noon = clock_at(12, 0, 0)
    monkeypatch.setattr(broker_app, "utc_now", noon)
    async with Simulator.start(SMALL, clock=noon) as sim, broker_link(quick(settings, sim.port)):
        await reader.until_beat(lambda beat: beat.state == "live")
        await ask_resync(streams, settings, "00000000-0000-0000-0000-000000000001")
        await reader.synced(2)
    assert held == [True, False]


async def test_before_the_gateways_midnight_all_executions_are_asked_for(
    settings: Settings, reader: Reader, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = clock_at(23, 59, 55.5)
    monkeypatch.setattr(broker_app, "utc_now", late)
    async with Simulator.start(SMALL, clock=late) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        assert asked == [""]
        await comes(lambda: len(asked), lambda requests: requests == 2)
        assert asked == ["", ""]
        assert late().astimezone(NEW_YORK).strftime("%H:%M") == "23:59"


async def test_an_answer_after_midnight_says_since_when_it_tells_everything(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "EXECUTIONS_SECONDS", 0.1)
    late = clock_at(23, 59, 58.6)
    monkeypatch.setattr(broker_app, "utc_now", late)
    async with Simulator.start(SMALL, clock=late) as sim, broker_link(quick(settings, sim.port)):
        midnight = midnight_before(late() + timedelta(minutes=1), NEW_YORK)
        told = await reader.until(
            DatasetCompleted,
            lambda fact: fact.dataset == "executions" and fact.as_of > midnight + timedelta(seconds=0.5),
        )
        assert told.covers_from == midnight


@pytest.mark.usefixtures("impatient")
async def test_facts_that_were_lost_between_link_and_database_come_back(
    settings: Settings, reader: Reader, database: Database
) -> None:
    lost = metrics.EXECUTIONS_MISSING._value.get()
    async with Simulator.start(SMALL) as sim:
        first = [await sim.fill(**FILL) for _ in range(3)]
        mine = quick(settings, sim.port, sweep_seconds=0.5)
        with capture_logs() as logs:
            async with broker_link(mine):
                await reader.synced()
                redis = Redis.from_url(settings.require_redis_url())
                await redis.xtrim(settings.facts_stream, maxlen=0, approximate=False)
                await redis.aclose()
                async with a_worker(settings):
                    await eventually(lambda: count(database, "executions"), lambda stored: stored == 3)
                    await eventually(
                        lambda: count(database, "commission_reports"), lambda stored: stored == 3
                    )
        assert metrics.EXECUTIONS_MISSING._value.get() - lost >= 3
    told = [line for line in logs if line["event"] == "executions_missing_in_database"]
    assert told[0]["executions"] == 3
    assert first[0] not in str(told)


@pytest.mark.usefixtures("impatient")
async def test_a_commission_that_was_lost_comes_back(settings: Settings, database: Database) -> None:
    async with Simulator.start(SMALL) as sim:
        await sim.fill(**FILL)
        async with broker_link(quick(settings, sim.port, sweep_seconds=0.5)), a_worker(settings):
            await eventually(lambda: count(database, "commission_reports"))
            async with database.write() as writer:
                await writer.execute(text("DELETE FROM commission_reports"))
            await eventually(lambda: count(database, "commission_reports"))


@pytest.mark.usefixtures("impatient")
async def test_what_is_stored_or_still_on_its_way_is_not_told_again(
    settings: Settings, reader: Reader, database: Database, asked: list[str]
) -> None:
    async with Simulator.start(SMALL) as sim:
        exec_id = await sim.fill(**FILL)
        async with broker_link(quick(settings, sim.port, sweep_seconds=0.3)):
            await reader.synced()
            # No worker runs yet: nothing says that it should have arrived.
            await comes(lambda: asked.count(""), lambda full: full >= 4)
            async with a_worker(settings):
                await eventually(lambda: count(database, "executions"))
                full = asked.count("")
                await comes(lambda: asked.count(""), lambda now: now >= full + 4)
            # The worker is away: what it was told before this it has stored, and nothing since.
            later = await sim.fill(**FILL)
            full = asked.count("")
            await comes(lambda: asked.count(""), lambda now: now >= full + 4)
            assert [fact.exec_id for fact in await reader.of(ExecutionReported)] == [exec_id, later]


async def test_a_new_link_tells_only_what_is_not_stored_as_it_is(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async def stored(table: str, number: int) -> None:
        await eventually(lambda: count(database, table), lambda rows: rows == number)

    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port)
        kept, lost, unpaid, other = [await sim.fill(**FILL) for _ in range(4)]
        async with broker_link(mine), a_worker(settings):
            await stored("executions", 4)
            await stored("commission_reports", 4)
        async with database.write() as writer:
            for statement in (
                "DELETE FROM executions WHERE exec_id = :lost",
                "DELETE FROM commission_reports WHERE exec_id IN (:lost, :unpaid)",
                "UPDATE executions SET price = price + 1 WHERE exec_id = :other",
            ):
                named = {"lost": lost, "unpaid": unpaid, "other": other}
                await writer.execute(
                    text(statement), {key: one for key, one in named.items() if f":{key}" in statement}
                )
        before = len(await reader.read())
        async with broker_link(mine):
            await reader.synced(2)
        facts = (await reader.read())[before:]
        told = [one.exec_id for one in facts if isinstance(one, ExecutionReported)]
        paid = [one.exec_id for one in facts if isinstance(one, CommissionReported)]
        assert (told, paid) == ([lost, other], [lost, unpaid])
        assert kept not in {*told, *paid}
        assert all(
            one.complete for one in facts if isinstance(one, DatasetCompleted) and one.dataset == "executions"
        )


async def test_a_new_link_asks_first_for_what_came_since_the_last_answer_and_then_for_all(
    settings: Settings,
    reader: Reader,
    database: Database,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noon = clock_at(12, 0, 0)
    monkeypatch.setattr(broker_app, "utc_now", noon)
    async with Simulator.start(SMALL, clock=noon) as sim:
        mine = quick(settings, sim.port)
        known = await sim.fill(**FILL)
        async with broker_link(mine), a_worker(settings):
            await reader.synced()
            await eventually(lambda: count(database, "commission_reports"))
            await eventually(lambda: answered(database), lambda until: until is not None)
        until = await answered(database)
        assert until is not None
        late = await sim.fill(**FILL)
        asked.clear()
        before = len(await reader.read())
        async with broker_link(mine):
            await reader.synced(2)
        since, _ = GatewayTimes(NEW_YORK).read(asked[0])
        assert until - timedelta(seconds=121) < since <= until - timedelta(seconds=120)
        assert asked[1:] == [""]
        facts = (await reader.read())[before:]
        # What the first answer told is under way, and the second does not tell it again.
        assert [one.exec_id for one in facts if isinstance(one, ExecutionReported)] == [late]
        assert [one.exec_id for one in facts if isinstance(one, CommissionReported)] == [late]
        answers_told = [
            one.covers_from
            for one in facts
            if isinstance(one, DatasetCompleted)
            and (one.dataset, one.account, one.complete) == ("executions", FILL["account"], True)
        ]
        assert answers_told == [None, midnight_before(noon(), NEW_YORK)]
        assert known != late


@asynccontextmanager
async def a_known_gateway(
    settings: Settings, reader: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Simulator, Settings]]:
    """At noon, with one complete answer stored, and nobody connected now; with a link's settings."""
    noon = clock_at(12, 0, 0)
    monkeypatch.setattr(broker_app, "utc_now", noon)
    async with Simulator.start(SMALL, clock=noon) as sim:
        mine = quick(settings, sim.port)
        async with broker_link(mine), a_worker(settings):
            await reader.synced()
            await eventually(lambda: answered(database), lambda until: until is not None)
        yield sim, mine


async def test_while_much_that_was_missing_is_stored_the_rest_of_the_day_is_not_asked_for(
    settings: Settings,
    reader: Reader,
    database: Database,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executions, "_MANY_FACTS", 0)
    heard_until, looks = Recorded.heard_until, []

    async def look(recorded: Recorded, epoch: int) -> datetime | None:
        looks.append(epoch)
        return await heard_until(recorded, epoch)

    async with a_known_gateway(settings, reader, database, monkeypatch) as (sim, mine):
        monkeypatch.setattr(Recorded, "heard_until", look)
        late = await sim.fill(**FILL)
        asked.clear()
        async with broker_link(mine):
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == late)
            await comes(lambda: len(looks), lambda times: times >= 4)
            assert len(asked) == 1
            async with a_worker(settings):
                await comes(lambda: asked[1:], lambda more: more == [""])
                assert await count(database, "executions") == 1
                await reader.synced(2)


async def test_the_rest_of_the_day_is_asked_for_though_nobody_stores_what_was_told(
    settings: Settings,
    reader: Reader,
    database: Database,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executions, "_MANY_FACTS", 0)
    monkeypatch.setattr(executions, "_STORED_WITHIN_SECONDS", 0.5)
    async with a_known_gateway(settings, reader, database, monkeypatch) as (sim, mine):
        await sim.fill(**FILL)
        asked.clear()
        async with broker_link(mine):
            await reader.synced(2)
        assert asked[1:] == [""]


async def answered(database: Database) -> datetime | None:
    async with database.read() as one:
        listed = (await one.execute(text("SELECT account FROM broker_accounts"))).scalars().all()
    return await Recorded(database).answered_until(listed) if listed else None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE sync_datasets SET as_of = as_of - interval '1 day'", id="another day's"),
        pytest.param("UPDATE sync_datasets SET complete = false", id="not complete"),
        pytest.param("DELETE FROM sync_datasets WHERE account = 'DU1000001'", id="not of every account"),
    ],
)
async def test_a_new_link_asks_for_all_at_once_where_the_last_answer_does_not_do(
    settings: Settings,
    reader: Reader,
    database: Database,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    async with a_known_gateway(settings, reader, database, monkeypatch) as (_, mine):
        async with database.write() as writer:
            await writer.execute(text(change))
        asked.clear()
        async with broker_link(mine):
            await reader.synced(2)
        assert asked == [""]


async def test_what_is_kept_aside_is_not_missing(database: Database) -> None:
    recorded = Recorded(database)
    told = {"a.01": False, "b.01": True, 'c"%_.01': False}
    assert sorted(await recorded.missing(told)) == sorted(told)
    async with database.write() as writer:
        for source, exec_id in (("facts", "a.01"), ("gateway", "b.01")):
            await writer.execute(
                text(
                    "INSERT INTO dead_facts (fingerprint, category, reason, payload, source, first_seen_at, "
                    "last_seen_at, occurrences) VALUES (:id, 'validation', 'no', :payload, :source, now(), "
                    "now(), 1)"
                ),
                {"id": exec_id, "payload": f'{{"exec_id":"{exec_id}"}}', "source": source},
            )
    assert sorted(await recorded.missing(told)) == ["b.01", 'c"%_.01']
    assert await recorded.missing({}) == []


async def test_very_many_that_are_missing_are_all_named(database: Database) -> None:
    told = {f"{number}.01": False for number in range(12_000)}
    assert len(await Recorded(database).missing(told)) == 12_000


async def test_while_the_database_is_away_nothing_is_known_to_be_lost(unused_port: int) -> None:
    nowhere = Database(f"postgresql+asyncpg://a@127.0.0.1:{unused_port}/a", application="test")
    recorded = Recorded(nowhere)
    assert await recorded.heard_until(1) is None
    assert await recorded.missing({"a.01": True}) == []
    await nowhere.close()


@pytest.mark.usefixtures("impatient")
async def test_a_night_without_the_link_is_recorded_as_a_gap(
    settings: Settings, reader: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = 0
    noon = clock_at(12, 0, 0)

    def clock() -> datetime:
        return noon() + timedelta(days=days)

    monkeypatch.setattr(broker_app, "utc_now", clock)
    async with Simulator.start(SMALL, clock=clock) as sim, a_worker(settings):
        async with broker_link(quick(settings, sim.port)):
            await reader.synced()
            await eventually(lambda: count(database, "sync_datasets", "dataset = 'executions'"))
        stopped = clock()
        days = 1
        async with broker_link(quick(settings, sim.port)):
            await eventually(lambda: count(database, "observation_gaps"), lambda gaps: gaps == 2)
    async with database.read() as connection:
        gaps = list(
            await connection.execute(
                text("SELECT account, started_at, ended_at, reason FROM observation_gaps")
            )
        )
    assert {gap.account for gap in gaps} == {"DU1000001", "DU1000002"}
    for gap in gaps:
        assert stopped - timedelta(seconds=30) < gap.started_at <= stopped + timedelta(seconds=1)
        assert gap.ended_at == midnight_before(clock(), NEW_YORK)
        assert gap.reason == "the broker link was stopped"
