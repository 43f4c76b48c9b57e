import asyncio
import shutil
import subprocess

import msgspec
import pytest
from sqlalchemy import insert

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.openapi import ROOTS
from services.api.schemas.examples import EXAMPLES
from tests.services.api.conftest import Api
from tests.services.api.portfolio import beat, tick
from tests.waiting import eventually


async def test_figures_come_from_the_database_and_the_streams(
    api: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    await streams.ensure_group(settings.facts_stream, "position_sync")
    await streams.append(settings.facts_stream, [b"x", b"y"])
    await streams.read_group(settings.facts_stream, "position_sync", "w", count=1, block_ms=100)
    await tick(streams, settings, beat(utc_now()))
    async with database.write() as writer:
        await writer.execute(insert(t.outbox).values(payload=b"x"))

    async def figures() -> set[str]:
        return set((await api.http.get("/metrics")).text.splitlines())

    told = await eventually(figures, lambda lines: 'lotkeeper_link_up{link="gateway",login=""} 1.0' in lines)
    assert {
        'lotkeeper_dead_facts{category="parsing"} 3.0',
        'lotkeeper_positions{status="open"} 3.0',
        'lotkeeper_positions{status="closed"} 3.0',
        "lotkeeper_outbox_entries 1.0",
        "lotkeeper_observation_gaps_open 1.0",
        "lotkeeper_jobs_due 0.0",
        "lotkeeper_jobs_overdue_seconds 0.0",
        "lotkeeper_jobs_failing 0.0",
        'lotkeeper_stream_entries{stream="facts"} 2.0',
        'lotkeeper_stream_pending_entries{group="position_sync",stream="facts"} 1.0',
        'lotkeeper_stream_lag_entries{group="position_sync",stream="facts"} 1.0',
        'lotkeeper_dataset_incomplete_accounts{dataset="positions"} 0.0',
        "lotkeeper_database_up 1.0",
        "lotkeeper_redis_up 1.0",
        "lotkeeper_live 1.0",
    } <= {
        line.replace('stream="facts",group="position_sync"', 'group="position_sync",stream="facts"')
        for line in told
    }
    assert any(line.startswith("process_resident_memory_bytes") for line in told)
    assert not any("U1111111" in line for line in told), "no account number leaves by this door"


@pytest.mark.promtool
async def test_promtool_finds_nothing_to_say(api: Api) -> None:
    await api.get("/api/v1/accounts")
    text = (await api.http.get("/metrics")).content
    promtool = shutil.which("promtool")
    assert promtool is not None
    command = [promtool, "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode() + checked.stdout.decode()


async def test_the_openapi_document_describes_every_route_with_examples(api: Api) -> None:
    document = await api.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/livez",
        "/readyz",
        "/metrics",
        "/api/v1/session",
        "/api/v1/sessions",
        "/api/v1/sessions/{number}",
        "/api/v1/setup",
        "/api/v1/tokens",
        "/api/v1/tokens/{token_id}",
        "/api/v1/users",
        "/api/v1/users/{name}",
        "/api/v1/users/{name}/password",
        "/api/v1/users/{name}/second-factor",
        "/api/v1/users/{name}/second-factor/prove",
        "/api/v1/users/{name}/second-factor/remove",
        "/api/v1/audit",
        "/api/v1/accounts",
        "/api/v1/accounts/{account}/summary",
        "/api/v1/positions",
        "/api/v1/positions/{position_id}",
        "/api/v1/positions/{position_id}/events",
        "/api/v1/positions/{position_id}/lots",
        "/api/v1/positions/{position_id}/executions",
        "/api/v1/positions/{position_id}/methods",
        "/api/v1/executions",
        "/api/v1/realized",
        "/api/v1/realized/differences",
        "/api/v1/reconciliations",
        "/api/v1/reconciliations/differences",
        "/api/v1/reconciliations/differences/{difference_id}/acknowledge",
        "/api/v1/performance",
        "/api/v1/performance/attribution",
        "/api/v1/performance/measures",
        "/api/v1/account-groups",
        "/api/v1/benchmarks",
        "/api/v1/cash/balances",
        "/api/v1/cash/flows",
        "/api/v1/cash/rates",
        "/api/v1/statements/differences",
        "/api/v1/imports",
        "/api/v1/imports/{import_id}",
        "/api/v1/imports/{import_id}/undo",
        "/api/v1/snapshots",
        "/api/v1/snapshots/runs",
        "/api/v1/snapshots/gaps",
        "/api/v1/issues",
        "/api/v1/issues/check",
        "/api/v1/issues/{issue_id}",
        "/api/v1/issues/{issue_id}/acknowledge",
        "/api/v1/rules",
        "/api/v1/stream/events",
        "/api/v1/snapshots/{snapshot_id}",
        "/api/v1/instruments",
        "/api/v1/instruments/{conid}",
        "/api/v1/allocation",
        "/api/v1/valuation",
        "/api/v1/statistics",
        "/api/v1/tags",
        "/api/v1/positions/{position_id}/notes",
        "/api/v1/positions/{position_id}/notes/{note_id}",
        "/api/v1/positions/{position_id}/tags",
        "/api/v1/positions/{position_id}/prices",
        "/api/v1/accounts/{account}",
        "/api/v1/sync",
        "/api/v1/sync/history",
        "/api/v1/sync/resync",
        "/api/v1/jobs",
        "/api/v1/jobs/{job_id}",
        "/api/v1/dead",
        "/api/v1/dead/{dead_id}",
        "/api/v1/dead/{dead_id}/retry",
        "/api/v1/dead/{dead_id}/drop",
        "/api/v1/meta",
        "/api/v1/settings",
        "/api/v1/validation",
        "/api/v1/alerts",
        "/api/v1/statements",
        "/api/v1/statements/coverage",
        "/api/v1/portfolio/summary",
        "/api/v1/portfolio/drawdowns",
        "/api/v1/portfolio/history",
        "/api/v1/portfolio/calendar",
        "/api/v1/portfolio/allocation",
        "/api/v1/portfolio/attribution",
    }
    known = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            for status, answer in described["responses"].items():
                for media in answer.get("content", {}).values():
                    reference = media["schema"].get("$ref")
                    if reference is not None:
                        assert reference.rpartition("/")[2] in known, (path, method, status)
                        assert "example" in media, (path, method, status)


@pytest.mark.parametrize("schema", EXAMPLES, ids=lambda schema: schema.__name__)
def test_each_example_is_what_it_says(schema: type[msgspec.Struct]) -> None:
    example = EXAMPLES[schema]
    assert msgspec.json.decode(msgspec.json.encode(example), type=schema) == example
    assert schema in ROOTS


async def test_health_is_constant_and_public(api: Api) -> None:
    api.http.headers.pop("authorization")
    answer = await api.http.get("/livez")
    assert (answer.status_code, answer.content) == (200, b'{"status":"ok"}')
    assert (await api.http.get("/readyz")).json() == {"status": "ready"}


async def test_it_is_not_ready_before_there_is_a_picture_to_serve(api: Api) -> None:
    assert (await api.http.get("/readyz")).status_code == 200
    api.context.hub.loaded.clear()
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert (await api.http.get("/livez")).status_code == 200
