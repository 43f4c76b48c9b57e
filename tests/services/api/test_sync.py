import asyncio
import uuid
from datetime import timedelta

from sqlalchemy import select, text, update

from core.clock import utc_now
from core.events import requests
from core.events.changes import AccountValueChanged
from core.events.facts import PnlReported
from core.settings import Settings
from core.streams.port import START
from core.streams.redis import RedisStreams
from models import tables as t
from models.queries.outages import link_away
from models.session import Database
from models.stores.jobs_coalesced import fail, want
from models.stores.sync import LogEntry, append_log
from models.tables.jobs import RECONCILE
from tests.services.api.conftest import Api
from tests.services.api.portfolio import USD, beat, position_id, publish, tick
from tests.waiting import eventually


async def asked(streams: RedisStreams, settings: Settings) -> list[requests.RequestEnvelope]:
    entries = await streams.tail(settings.requests_stream, START, count=100, block_ms=1)
    return [requests.decode(entry.data) for entry in entries]


async def test_sync_says_why_data_is_as_fresh_as_it_is(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    now = utc_now()
    await tick(streams, settings, beat(now, clock_offset_seconds=0.5))

    async def report() -> dict[str, object]:
        found: dict[str, object] = await api.get("/api/v1/sync")
        return found

    told = await eventually(report, lambda found: found["links"]["gateway"] == "up")  # type: ignore[index]  # JSON
    links = told["links"]
    assert isinstance(links, dict)
    assert (links["ibkr"], links["reason"], links["complete"], links["clock_offset_seconds"]) == (
        "up",
        None,
        True,
        0.5,
    )
    datasets = told["datasets"]
    assert isinstance(datasets, list)
    assert len(datasets) == 8
    values = next(d for d in datasets if (d["account"], d["dataset"]) == (USD, "account_values"))
    assert (values["complete"], values["cadence_seconds"], values["error"]) == (True, 210, None)
    assert told["dead_facts"] == [
        {"category": "parsing", "kinds": 1, "occurrences": 3, "last_seen_at": "2026-11-20T15:00:00Z"}
    ]
    assert "secret payload" not in str(told)
    assert told["last_errors"][0]["message"] == "unknown message id 999"  # type: ignore[index]  # JSON
    assert told["jobs"][0]["id"] == str(position_id("job"))  # type: ignore[index]  # JSON
    streams_told = told["streams"]
    assert isinstance(streams_told, list)
    assert [(s["name"], s["length_entries"]) for s in streams_told] == [
        ("facts", 0),
        ("ticks", 1),
        ("changes", 0),
        ("requests", 0),
    ]
    assert told["freshness"]["source"] == "live"  # type: ignore[index]  # JSON


async def test_sync_tells_of_times_that_nobody_observed_and_of_work_that_is_due(
    api: Api, database: Database
) -> None:
    told = await api.get("/api/v1/sync")
    assert told["gaps"] == [
        {
            "account": USD,
            "started_at": "2026-11-19T09:00:00Z",
            "ended_at": "2026-11-20T05:00:00Z",
            "reason": "the gateway waited for a login",
            "detected_at": "2026-11-20T14:00:00Z",
        }
    ]
    assert told["jobs_due"] == {"due": 0, "overdue_seconds": 0, "failing": 0}
    async with database.write() as writer:
        await want(writer, RECONCILE, {USD: "positions", "U2": "positions"}, 0)
        await fail(writer, RECONCILE, "U2", "no")
        await writer.execute(update(t.observation_gaps).values(closed_at=utc_now(), closed_by="a statement"))
        await writer.execute(update(t.coalesced_jobs).values(due_at=utc_now() - timedelta(seconds=60)))
    told = await api.get("/api/v1/sync")
    assert told["gaps"] == []
    due = told["jobs_due"]
    assert (due["due"], due["failing"]) == (2, 1)
    assert 60 <= due["overdue_seconds"] < 90


async def test_values_that_keep_coming_keep_their_dataset_young(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    now = utc_now()
    value = AccountValueChanged(account=USD, key="TotalCashValue", currency="USD", value="1", as_of=now)
    await publish(streams, settings, value)
    await tick(streams, settings, PnlReported(received_at=now, account=USD))

    async def ages() -> dict[str, int]:
        datasets = (await api.get("/api/v1/sync"))["datasets"]
        return {each["dataset"]: each["age_seconds"] for each in datasets if each["account"] == USD}

    told = await eventually(ages, lambda found: max(found["account_values"], found["pnl"]) < 60)
    assert told["positions"] > 60, "nothing was told of what is held"


async def test_a_resync_is_recorded_and_asked_of_the_broker(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    answer = await api.http.post("/api/v1/sync/resync")
    assert answer.status_code == 202
    job = answer.json()["job"]
    assert (job["kind"], job["status"], job["progress"], job["error"]) == ("resync", "queued", None, None)
    envelope = (await asked(streams, settings))[0]
    assert envelope.request == requests.ResyncRequested(job_id=job["id"], requested_by="api")
    assert (await api.get(f"/api/v1/jobs/{job['id']}"))["job"] == job


async def test_many_wishes_at_once_are_one_job(api: Api, settings: Settings, streams: RedisStreams) -> None:
    answers = await asyncio.gather(*(api.http.post("/api/v1/sync/resync") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job"]["id"] for answer in answers}) == 1
    assert len(await asked(streams, settings)) == 1


async def test_a_job_that_ended_is_not_joined(api: Api, database: Database) -> None:
    first = (await api.http.post("/api/v1/sync/resync")).json()["job"]["id"]
    async with database.write() as writer:
        await writer.execute(
            update(t.jobs)
            .where(t.jobs.c.id == uuid.UUID(first))
            .values(status="succeeded", finished_at=utc_now())
        )
    second = (await api.http.post("/api/v1/sync/resync")).json()["job"]["id"]
    assert second != first
    assert (await api.get(f"/api/v1/jobs/{first}"))["job"]["status"] == "succeeded"


async def test_a_job_that_waits_is_asked_for_again(
    api: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    first = (await api.http.post("/api/v1/sync/resync")).json()["job"]["id"]
    async with database.write() as writer:
        await writer.execute(
            update(t.jobs)
            .where(t.jobs.c.id == uuid.UUID(first))
            .values(created_at=utc_now() - timedelta(minutes=1))
        )
    second = (await api.http.post("/api/v1/sync/resync")).json()["job"]["id"]
    assert second == first
    told = [envelope.request for envelope in await asked(streams, settings)]
    assert [request.job_id for request in told if isinstance(request, requests.ResyncRequested)] == [
        first
    ] * 2


async def test_a_job_nobody_asked_for_is_a_problem(api: Api, database: Database) -> None:
    answer = await api.http.get(f"/api/v1/jobs/{uuid.uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    async with database.read() as reader:
        assert len((await reader.execute(select(t.jobs.c.id))).all()) == 1


async def test_the_progress_of_a_job_is_told(api: Api) -> None:
    assert (await api.get(f"/api/v1/jobs/{position_id('job')}"))["job"]["progress"] == "1"


async def test_bars_tell_the_worst_of_their_time(api: Api, seeded: Database) -> None:
    async with seeded.write() as writer:
        at = api.context.clock() - timedelta(minutes=1)
        await append_log(
            writer, [LogEntry(at, None, "link", "degraded", {"to": "degraded", "reason": "ib_1100"})]
        )
    for chosen, many in (("24h", 24), ("7d", 84), ("90d", 90)):
        found = await api.get("/api/v1/sync/history", range=chosen)
        assert len(found["items"]) == many
        assert {one["status"] for one in found["items"]} == {"unknown"}  # there is no snapshot yet
    async with seeded.write() as writer:
        hour = api.context.clock().replace(minute=0, second=0, microsecond=0)
        run = await writer.execute(
            text(
                "INSERT INTO snapshot_runs (trigger, hour, status, attempts, taken, failures, summary, "
                "schema_version, app_version, started_at, finished_at) VALUES ('hourly', :hour, 'success', "
                "1, 1, '{}', '', '1', '1', :hour, :hour) RETURNING id"
            ),
            {"hour": hour - timedelta(hours=5)},
        )
        await writer.execute(
            text(
                "INSERT INTO snapshots (run_id, account, hour, asof_ts, taken_at, net_liquidation, "
                "base_currency, coverage, source, snapshot_key, thinned_at) VALUES (:run, :account, :hour, "
                ":hour, :hour, 1, 'USD', 1, 'ibkr', 'made here', :hour)"
            ),
            {"run": run.scalar_one(), "account": USD, "hour": hour - timedelta(hours=5)},
        )
    found = await api.get("/api/v1/sync/history")
    statuses = [one["status"] for one in found["items"]]
    assert statuses == ["unknown"] * 18 + ["ok"] + ["missing"] * 4 + ["interrupted"]
    assert found["items"][-1]["reasons"] == ["ib_1100"]
    assert (await api.http.get("/api/v1/sync/history?range=1y")).status_code == 422


async def test_an_outage_is_in_every_bar_until_the_link_is_live_again(seeded: Database) -> None:
    hour = utc_now().replace(minute=0, second=0, microsecond=0)
    lines = (
        (-5.5, "disconnected", "gateway_unreachable"),  # before what is asked of
        (-2.5, "live", ""),
        (-2.2, "degraded", "ib_1100"),
        (-2, "live", ""),
        (-1.9, "fenced", ""),  # one that stands by, and is heard of no more
        (-0.9, "needs_login", "needs_login"),
        (-0.5, "connecting", ""),
        (-0.4, "syncing", ""),
    )
    async with seeded.write() as writer:
        for hours, to, reason in lines:
            told: dict[str, object] = {"to": to, "reason": reason}
            await append_log(writer, [LogEntry(hour + timedelta(hours=hours), None, "link", to, told)])
    async with seeded.read() as reader:
        found = await link_away(
            reader, hour - timedelta(hours=4), hour + timedelta(hours=1), timedelta(hours=1)
        )
    assert found == {
        0: ["gateway_unreachable"],
        1: ["gateway_unreachable", "ib_1100"],
        2: ["fenced"],
        3: ["needs_login"],
        4: ["needs_login"],
    }
