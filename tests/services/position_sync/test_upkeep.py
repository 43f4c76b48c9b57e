"""What keeps work going that arq, Redis or a worker forgot."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import event, text
from structlog.testing import capture_logs

from core.events import requests
from core.settings import Settings
from core.streams.port import START
from core.streams.redis import RedisStreams
from models.queries.jobs import due
from models.session import Database
from models.stores import jobs_coalesced as store
from models.tables.jobs import RECONCILE, SWEEP
from services.position_sync import jobs, upkeep, work
from services.position_sync.relay import GROUP, Relay
from services.position_sync.sweep import Sweep
from services.position_sync.upkeep import Upkeep
from services.position_sync.work import compare_when_due, work_off
from services.stack import RedisServer
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, execution, position
from tests.services.position_sync.ledger_rows import count
from tests.services.position_sync.test_app import running, send
from tests.waiting import eventually

NOWHERE = SecretStr("redis://127.0.0.1:1")
WAITING = "done < wanted"


REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
    RAISE 'not today' USING ERRCODE = 'check_violation'; END $$ LANGUAGE plpgsql
"""


async def nobody(_account: str, _trigger: str) -> None: ...


@pytest.fixture
def silent_relay(database: Database, streams: RedisStreams, settings: Settings) -> Relay:
    """Books, and tells no queue what is to be compared."""
    return Relay(database, streams, settings, ask_for_comparison=nobody)


@asynccontextmanager
async def queue_of(settings: Settings) -> AsyncIterator[jobs.ComparisonQueue]:
    redis = jobs.connect(settings)
    try:
        yield jobs.ComparisonQueue(redis, settings)
    finally:
        await jobs.close(redis)


@asynccontextmanager
async def keeping(database: Database, streams: RedisStreams, settings: Settings) -> AsyncIterator[Upkeep]:
    async with queue_of(settings) as queue:
        yield Upkeep(database, streams, settings, queue)


@asynccontextmanager
async def kept_up(database: Database, streams: RedisStreams, settings: Settings) -> AsyncIterator[None]:
    async with keeping(database, streams, settings) as one:
        task = asyncio.create_task(one.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that forgets everything when it stops."""
    with RedisServer(tmp_path / "own-redis", durable=False) as server:
        yield server


async def make_overdue(database: Database, seconds: float = 60) -> None:
    async with database.write() as writer:
        await writer.execute(
            text("UPDATE coalesced_jobs SET due_at = clock_timestamp() - make_interval(secs => :by)"),
            {"by": seconds},
        )


async def test_what_is_to_be_compared_is_stored_with_the_facts(silent_relay: Relay, rows: Rows) -> None:
    link = Link()
    await silent_relay.handle([link.entry(execution("a.01", "1"))])
    await silent_relay.handle([link.entry(execution("b.01", "1", seconds=1))])
    assert await rows(
        "SELECT kind, wanted, done, trigger, due_at - wanted_at < interval '0.2 s' AS is_pending "
        "FROM coalesced_jobs"
    ) == [{"kind": "reconcile", "wanted": 2, "done": 0, "trigger": "change", "is_pending": True}]


async def test_facts_that_could_not_be_stored_ask_for_no_comparison(
    silent_relay: Relay, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(text(REFUSE))
        await writer.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON executions EXECUTE FUNCTION refuse()")
        )
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])
    assert await count(database, "dead_facts") == 1
    assert await count(database, "coalesced_jobs") == 0


async def test_a_worker_compares_what_nobody_asked_it_for_and_what_has_not_settled(
    database: Database, settings: Settings, silent_relay: Relay
) -> None:
    settings = settings.model_copy(update={"settle_seconds": 1.0})
    await silent_relay.handle([Link().entry(execution("a.01", "1"), position("1", "10", seconds=2))])
    async with running(settings):
        await eventually(lambda: count(database, "ledger_books", "reconciled_at IS NOT NULL"))


async def test_without_redis_what_is_overdue_is_compared_all_the_same(
    database: Database, settings: Settings, silent_relay: Relay
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"), position("1", "10", seconds=2))])
    await make_overdue(database, upkeep._GRACE_SECONDS + 1)
    cut_off = settings.model_copy(update={"redis_url": NOWHERE, "settle_seconds": 0.0})
    nowhere = RedisStreams.connect(cut_off)
    async with keeping(database, nowhere, cut_off) as one:
        await one.compare_overdue()
    await nowhere.close()
    # Whether facts are on their way only Redis knows: what is concluded from has to be looked at again.
    assert await count(database, "coalesced_jobs", f"done > 0 AND error IS NULL AND {WAITING}") == 1


async def test_what_is_overdue_is_told_to_the_queue_first_and_done_if_that_has_not_helped(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])
    async with keeping(database, streams, settings) as one:
        await one.compare_overdue()
        queue = Redis.from_url(settings.require_redis_url())
        assert await queue.zcard(settings.queue_name) == 0, "arq is given time"
        await make_overdue(database, upkeep._GRACE_SECONDS + 1)
        await one.compare_overdue()
        assert await queue.zcard(settings.queue_name) == 1
        assert await count(database, "coalesced_jobs", WAITING) == 1, "arq does it"
        await make_overdue(database, upkeep._PATIENCE_SECONDS + 1)
        await one.compare_overdue()
        assert await count(database, "coalesced_jobs", WAITING) == 0
        await queue.aclose()


async def test_a_redis_that_comes_back_empty_holds_no_comparison_up(
    database: Database, settings: Settings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(upkeep, "_GRACE_SECONDS", 0.5)
    accounts = [f"DU{number}" for number in range(5)]
    mine = settings.model_copy(
        update={"redis_url": SecretStr(own_redis.url), "settle_seconds": 1.0, "sweep_seconds": 3600.0}
    )
    streams = RedisStreams.connect(mine)
    link = Link()
    async with running(mine):
        await eventually(lambda: count(database, "coalesced_jobs", "kind = 'sweep' AND done > 0"))
        facts = [execution(f"{name}.01", "1", account=name) for name in accounts]
        await send(streams, mine, link.entry(*facts).data)
        await eventually(lambda: count(database, "executions"), lambda stored: stored == 5)
        await asyncio.to_thread(own_redis.stop)
        assert await count(database, "coalesced_jobs", f"{WAITING} AND kind = 'reconcile'") == 5
        await asyncio.to_thread(own_redis.start)
        await eventually(
            lambda: count(database, "coalesced_jobs", f"{WAITING} AND kind = 'reconcile'"),
            lambda waiting: not waiting,
            seconds=30,
        )

        async def told() -> bool:
            try:
                await send(streams, mine, link.entry(execution("z.01", "1", account="DU0", seconds=9)).data)
            except Exception:  # noqa: BLE001 - any failure means: not yet
                return False
            return True

        await eventually(told)
        await eventually(
            lambda: count(database, "coalesced_jobs", "account = 'DU0' AND done = 2"), seconds=30
        )
    await streams.close()


async def test_a_comparison_that_fails_is_tried_again_and_told_once(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay, rows: Rows
) -> None:
    settings = settings.model_copy(update={"settle_seconds": 0.0})
    await silent_relay.handle([Link().entry(execution("a.01", "1"), position("1", "10", seconds=2))])
    async with database.write() as writer:
        await writer.execute(text(REFUSE))
        await writer.execute(
            text("CREATE TRIGGER refuse BEFORE UPDATE ON ledger_books EXECUTE FUNCTION refuse()")
        )
    with capture_logs() as logs:
        for attempts in (1, 2):
            await make_overdue(database)
            await compare_when_due(database, streams, settings, "DU1000001")
            (job,) = await rows(
                "SELECT attempts, error, done, due_at > now() AS is_later FROM coalesced_jobs"
            )
            assert (job["attempts"], job["done"], job["is_later"]) == (attempts, 0, True)
            assert "not today" in job["error"]
        async with database.write() as writer:
            await writer.execute(text("DROP TRIGGER refuse ON ledger_books"))
        await make_overdue(database)
        await compare_when_due(database, streams, settings, "DU1000001")
    assert await rows("SELECT attempts, error, done = wanted AS is_done FROM coalesced_jobs") == [
        {"attempts": 0, "error": None, "is_done": True}
    ]
    told = [line["event"] for line in logs if line["log_level"] != "debug"]
    assert [event for event in told if event.startswith("work_")] == ["work_failed", "work_goes_well_again"]


async def test_what_one_worker_is_at_another_leaves_alone(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])
    await make_overdue(database)
    async with database.write() as other:
        assert await store.hold(other, RECONCILE, "DU1000001")
        await compare_when_due(database, streams, settings, "DU1000001")
        assert await count(database, "coalesced_jobs", WAITING) == 1
    await compare_when_due(database, streams, settings, "DU1000001")
    assert await count(database, "coalesced_jobs", WAITING) == 0


async def test_the_queue_is_not_told_of_what_another_worker_is_at(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])
    await make_overdue(database)
    async with queue_of(settings) as queue, database.write() as other:
        assert await store.hold(other, RECONCILE, "DU1000001")
        await queue.compare(database, streams, "DU1000001")
        assert await queue.redis.zcard(settings.queue_name) == 0


async def test_work_that_takes_longer_than_a_transaction_may_be_silent_is_kept_from_others(
    database: Database,
) -> None:
    @event.listens_for(database._writing.sync_engine, "connect")
    def impatient(connection: Any, _: Any) -> None:
        connection.cursor().execute("SET idle_in_transaction_session_timeout = 200")

    async def silent_for_longer() -> Any:
        async with database.read() as reader:
            told = await reader.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' "
                    "AND datname = current_database() AND state_change < clock_timestamp() - interval '0.4 s'"
                )
            )
            return told.scalar_one()

    done: list[str] = []

    async def do(trigger: str) -> None:
        done.append(trigger)
        if len(done) == 1:
            await eventually(silent_for_longer, seconds=3)
            assert not await work_off(database, RECONCILE, "A", do, settle_seconds=0)

    async with database.write() as writer:
        await store.want(writer, RECONCILE, {"A": "first"}, 0)
    assert await work_off(database, RECONCILE, "A", do, settle_seconds=0)
    assert done == ["first"]
    assert await count(database, "coalesced_jobs", "done = wanted AND error IS NULL") == 1


async def test_work_that_takes_too_long_is_told_and_tried_again(
    database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_MOST_SECONDS", 0.05)

    async def do(_: str) -> None:
        await asyncio.Event().wait()

    async with database.write() as writer:
        await store.want(writer, RECONCILE, {"A": "first"}, 0)
    with capture_logs() as logs:
        await work_off(database, RECONCILE, "A", do, settle_seconds=0)
    assert [line["event"] for line in logs] == ["work_failed"]
    assert await rows("SELECT attempts, error FROM coalesced_jobs") == [
        {"attempts": 1, "error": "TimeoutError"}
    ]


async def test_what_is_wanted_meanwhile_is_done_before_it_is_let_go(database: Database) -> None:
    done: list[str] = []

    async def do(trigger: str) -> None:
        done.append(trigger)
        if len(done) < 3:
            async with database.write() as writer:
                await store.want(writer, RECONCILE, {"A": f"again {len(done)}"}, 0)

    async with database.write() as writer:
        await store.want(writer, RECONCILE, {"A": "first"}, 0)
    await work_off(database, RECONCILE, "A", do, settle_seconds=0)
    assert done == ["first", "again 1", "again 2"]


async def test_work_that_was_cut_off_is_still_due(database: Database) -> None:
    begun = asyncio.Event()

    async def do(_: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with database.write() as writer:
        await store.want(writer, RECONCILE, {"A": "first"}, 0)
    task = asyncio.create_task(work_off(database, RECONCILE, "A", do, settle_seconds=0))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.write() as writer:
        assert await due(writer, RECONCILE, "A") is not None
        assert await store.hold(writer, RECONCILE, "A"), "it was let go"


async def test_a_resync_that_nobody_answered_is_asked_for_again_by_one_worker(
    database: Database, streams: RedisStreams, settings: Settings
) -> None:
    waits, young, answered = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    async with database.write() as writer:
        for job, status, age in ((waits, "queued", 11), (young, "queued", 1), (answered, "succeeded", 60)):
            await writer.execute(
                text(
                    "INSERT INTO jobs (id, kind, status, requested_by, created_at) "
                    "VALUES (:id, 'resync', :status, 'api', clock_timestamp() - make_interval(secs => :age))"
                ),
                {"id": job, "status": status, "age": age},
            )
    async with keeping(database, streams, settings) as one, keeping(database, streams, settings) as other:
        await asyncio.gather(one.say_again(), other.say_again())
        await one.say_again()
    entries = await streams.tail(settings.requests_stream, START, count=10, block_ms=1)
    assert [requests.decode(entry.data).request for entry in entries] == [
        requests.ResyncRequested(job_id=str(waits), requested_by="api")
    ]


async def test_a_resync_is_not_asked_for_again_while_its_answer_may_wait_in_the_stream(
    database: Database, streams: RedisStreams, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_BEHIND", timedelta(seconds=-1))
    async with database.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO jobs (id, kind, status, created_at) "
                "VALUES (gen_random_uuid(), 'resync', 'queued', now() - interval '1 min')"
            )
        )
    await streams.ensure_group(settings.facts_stream, GROUP)
    await streams.append(settings.facts_stream, [Link().entry(execution("a.01", "1")).data])
    async with keeping(database, streams, settings) as one:
        await one.say_again()
        assert (await streams.info(settings.requests_stream)).length_entries == 0
        (given,) = await streams.read_group(settings.facts_stream, GROUP, "worker", count=1, block_ms=1)
        await one.say_again()
        assert (await streams.info(settings.requests_stream)).length_entries == 0
        await streams.acknowledge(settings.facts_stream, GROUP, [given.id])
        await one.say_again()
    assert (await streams.info(settings.requests_stream)).length_entries == 1


async def test_a_resync_is_asked_for_again_after_redis_was_away(
    database: Database, streams: RedisStreams, settings: Settings
) -> None:
    async with database.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO jobs (id, kind, status, created_at) "
                "VALUES (gen_random_uuid(), 'resync', 'queued', now() - interval '1 min')"
            )
        )
    cut_off = settings.model_copy(update={"redis_url": NOWHERE})
    nowhere = RedisStreams.connect(cut_off)
    with pytest.raises(Exception, match="Redis cannot be reached"):
        async with keeping(database, nowhere, cut_off) as one:
            await one.say_again()
    await nowhere.close()
    async with keeping(database, streams, settings) as one:
        await one.say_again()
    assert (await streams.info(settings.requests_stream)).length_entries == 1


async def test_one_of_many_workers_sweeps_and_not_before_it_is_time(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay, rows: Rows
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])

    async def sweeps() -> int:
        (job,) = await rows("SELECT wanted - 1 AS wanted FROM coalesced_jobs WHERE kind = 'reconcile'")
        return int(job["wanted"])

    async with keeping(database, streams, settings) as one, keeping(database, streams, settings) as other:
        await one.sweep_when_due()
        await one.sweep_when_due()
        assert await sweeps() == 1
        other._is_sweep_wanted = False
        await make_overdue(database)
        await asyncio.gather(one.sweep_when_due(), other.sweep_when_due())
        assert await sweeps() == 2
    async with keeping(database, streams, settings) as started_anew:
        await started_anew.sweep_when_due()
        assert await sweeps() == 3


async def test_a_sweep_that_was_cut_off_is_done_by_the_next_worker(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay
) -> None:
    await silent_relay.handle([Link().entry(execution("a.01", "1"))])
    async with database.write() as writer:
        await store.want(writer, SWEEP, {"": "time"}, 0)
    async with keeping(database, streams, settings) as one:
        one._is_sweep_wanted = False
        async with database.write() as killed:
            assert await store.hold(killed, SWEEP, "")
            await one.sweep_when_due()
            assert await count(database, "coalesced_jobs", "kind = 'reconcile' AND trigger = 'sweep'") == 0
        await one.sweep_when_due()
        assert await count(database, "coalesced_jobs", "kind = 'reconcile' AND trigger = 'sweep'") == 1


async def test_one_book_that_cannot_be_folded_holds_up_neither_the_others_nor_the_comparisons(
    database: Database, streams: RedisStreams, settings: Settings, silent_relay: Relay, rows: Rows
) -> None:
    accounts = [f"DU{number}" for number in range(7)]
    link = Link()
    await silent_relay.handle(
        [link.entry(*(execution(f"{account}.01", "1", account=account) for account in accounts))]
    )
    async with database.write() as writer:
        await writer.execute(text("UPDATE ledger_books SET dirty = true"))
        await writer.execute(text("UPDATE coalesced_jobs SET done = wanted"))
        await writer.execute(text(REFUSE))
        await writer.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON positions FOR EACH ROW "
                "WHEN (NEW.account = 'DU3') EXECUTE FUNCTION refuse()"
            )
        )
    swept = Sweep(database, streams, settings)
    with capture_logs() as logs:
        assert await swept.run() == accounts
        assert await swept.run() == accounts
    assert await rows("SELECT account FROM ledger_books WHERE dirty") == [{"account": "DU3"}]
    assert await count(database, "coalesced_jobs", WAITING) == 7
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["left_unfolded"]
    async with database.write() as writer:
        await writer.execute(text("DROP TRIGGER refuse ON positions"))
    await swept.run()
    assert await count(database, "ledger_books", "dirty") == 0


async def test_a_step_that_fails_is_told_once_and_the_others_go_on(
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    silent_relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.02)
    settings = settings.model_copy(update={"settle_seconds": 0.0})
    async with database.write() as writer:
        await writer.execute(text("ALTER TABLE outbox RENAME TO outbox_elsewhere"))
    with capture_logs() as logs:
        async with kept_up(database, streams, settings):

            async def told() -> list[str]:
                return [line["event"] for line in logs if line["event"].startswith("upkeep_")]

            await eventually(told, lambda events: events == ["upkeep_fails"])
            async with database.write() as writer:
                await writer.execute(text("ALTER TABLE outbox_elsewhere RENAME TO outbox"))
            await silent_relay.handle([Link().entry(execution("a.01", "1"))])
            await make_overdue(database)
            await eventually(told, lambda events: events == ["upkeep_fails", "upkeep_goes_on"])
            await eventually(
                lambda: count(database, "coalesced_jobs", "kind = 'reconcile' AND done = wanted")
            )
