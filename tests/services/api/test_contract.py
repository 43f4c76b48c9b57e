"""The answers of the API as files: the page's tests read the same ones, so the two cannot drift.

``UPDATE_CONTRACT=1`` writes them anew.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.noted import PositionOf
from models.session import Database
from models.stores.identity import refresh_mapping
from models.stores.notes import add_tag, write_note
from services.api.live.topic import Topic
from services.api.schemas.stream import SyncPart
from tests.services.api.conftest import QUICK, Api, Start
from tests.services.api.kept import seed_snapshots
from tests.services.api.measured import seed_groups
from tests.services.api.portfolio import AAPL, NOW, USD, beat, mark, position_id, seed_comparisons, tick
from tests.services.api.stated import seed_period, seed_statements
from tests.waiting import comes

FILES = Path(__file__).parents[2] / "data" / "contract"
AT = NOW + timedelta(seconds=2)
TOLD_TICKS = 2
"""A beat and a mark."""

REPLIES = {
    "accounts": "/api/v1/accounts",
    "summary": f"/api/v1/accounts/{USD}/summary",
    "summary-all": "/api/v1/accounts/ALL/summary",
    "positions": "/api/v1/positions",
    "positions-closed": "/api/v1/positions?status=closed",
    "positions-first-page": "/api/v1/positions?status=all&limit=2",
    "position": f"/api/v1/positions/{position_id('aapl')}",
    "events": f"/api/v1/positions/{position_id('aapl')}/events",
    "lots": f"/api/v1/positions/{position_id('won')}/lots",
    "methods": f"/api/v1/positions/{position_id('won')}/methods",
    "position-notes": f"/api/v1/positions/{position_id('aapl')}/notes",
    "position-prices": f"/api/v1/positions/{position_id('aapl')}/prices",
    "tags": "/api/v1/tags",
    "position-executions": f"/api/v1/positions/{position_id('aapl')}/executions",
    "realized": "/api/v1/realized",
    "realized-by-symbol": "/api/v1/realized?group_by=symbol",
    "realized-average": "/api/v1/realized?method=average",
    "realized-differences": "/api/v1/realized/differences",
    "statistics": "/api/v1/statistics",
    "statistics-by-day": "/api/v1/statistics?group_by=day",
    "reconciliations": "/api/v1/reconciliations",
    "differences": "/api/v1/reconciliations/differences?status=all",
    "performance": "/api/v1/performance",
    "attribution": f"/api/v1/performance/attribution?account={USD}",
    "measures": f"/api/v1/performance/measures?account={USD}",
    "account-groups": "/api/v1/account-groups",
    "benchmarks": "/api/v1/benchmarks",
    "snapshots": "/api/v1/snapshots",
    "snapshot": "/api/v1/snapshots/3",
    "snapshot-runs": "/api/v1/snapshots/runs",
    "instruments": "/api/v1/instruments",
    "instrument": f"/api/v1/instruments/{AAPL}",
    "allocation": "/api/v1/allocation",
    "allocation-by-currency": "/api/v1/allocation?by=currency",
    "valuation": "/api/v1/valuation?as_of=2026-11-20T13:30:00Z",
    "cash-balances": "/api/v1/cash/balances",
    "cash-flows": "/api/v1/cash/flows",
    "cash-rates": "/api/v1/cash/rates",
    "statement-differences": "/api/v1/statements/differences",
    "executions": "/api/v1/executions",
    "executions-corrected": "/api/v1/executions?include=corrected",
    "sync": "/api/v1/sync",
    "sync-history": "/api/v1/sync/history",
    "imports": "/api/v1/imports",
    "session": "/api/v1/session",
    "problem-group-not-found": "/api/v1/performance/measures?group=nobody",
    "problem-account-not-found": "/api/v1/accounts/U0/summary",
    "problem-validation-failed": "/api/v1/positions?limit=501",
    "problem-cursor-invalid": "/api/v1/positions?cursor=x",
    "job": f"/api/v1/jobs/{position_id('job')}",
    "jobs": "/api/v1/jobs",
    "dead": "/api/v1/dead",
    "dead-one": "/api/v1/dead/1",
    "meta": "/api/v1/meta",
    "validation": "/api/v1/validation",
    "alerts": "/api/v1/alerts",
    "statements": "/api/v1/statements",
    "statement-coverage": "/api/v1/statements/coverage",
    "portfolio-summary": "/api/v1/portfolio/summary",
    "portfolio-drawdowns": f"/api/v1/portfolio/drawdowns?account={USD}",
    "portfolio-history": f"/api/v1/portfolio/history?account={USD}",
    "portfolio-calendar": f"/api/v1/portfolio/calendar?account={USD}&year=2026",
    "portfolio-allocation": "/api/v1/portfolio/allocation?by=instrument",
    "portfolio-attribution": f"/api/v1/portfolio/attribution?account={USD}",
}


@pytest.fixture
async def still(start: Start, settings: Settings, seeded: Database) -> Api:
    """An API whose clock stands still two seconds after the broker last spoke."""
    await seed_comparisons(seeded)
    old, new = await seed_statements(seeded)
    await seed_period(seeded, old, USD, "2026-11-02", "2026-11-07")
    await seed_period(seeded, new, USD, "2026-11-16", "2026-11-18")
    await seed_snapshots(seeded)
    async with seeded.write() as writer:
        await refresh_mapping(writer, NOW)
        aapl = PositionOf(position_id("aapl"), USD, AAPL)
        await write_note(
            writer, aapl, held_at=NOW, body="Long term.\nSell above 250.", author="owner", now=NOW
        )
        for tag in ("dividend", "long term"):
            await add_tag(writer, aapl, tag, held_at=NOW, now=NOW)
    await seed_groups(seeded)

    def clock() -> datetime:
        return AT

    return await start(settings.model_copy(update={"stream_conflate_ms": 0}), clock=clock, pace=QUICK)


_STILL = {
    "epoch": "0123456789abcdef",
    "last_id": "1763672398000-0",
    "request_id": "0f8fad5bd9cb469fa16570867728950e",
    "version": "0.1.0",
    "schema": "0001",
    "server_time_zone": "UTC",
}


def settle(told: Any) -> Any:
    """Replace what differs from run to run and means nothing to a reader."""
    if isinstance(told, dict):
        return {
            key: _STILL[key] if key in _STILL and isinstance(value, str) else settle(value)
            for key, value in told.items()
        }
    return [settle(each) for each in told] if isinstance(told, list) else told


def compare(name: str, told: Any) -> None:
    path = FILES / f"{name}.json"
    text = json.dumps(settle(told), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_CONTRACT"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name} changed; UPDATE_CONTRACT=1 writes it anew"


async def go_live(api: Api, settings: Settings, streams: RedisStreams) -> None:
    async with api.socket() as socket:
        await socket.subscribe("summary")
        await tick(streams, settings, beat(AT, since=NOW - timedelta(hours=1)))
        await socket.next("status", where=lambda m: m["reason"] is None)


async def test_the_replies_are_those_on_file(still: Api, settings: Settings, streams: RedisStreams) -> None:
    await go_live(still, settings, streams)
    for name, path in REPLIES.items():
        compare(name, (await still.http.get(path)).json())


def _has_heard(sync: Topic) -> bool:
    links, ticks = sync.rows["links"], sync.rows["stream/ticks"]
    assert isinstance(links, SyncPart)
    assert links.links is not None
    assert isinstance(ticks, SyncPart)
    assert ticks.stream is not None
    return links.links.last_beat_at is not None and ticks.stream.length_entries == TOLD_TICKS


async def test_the_messages_are_those_on_file(still: Api, settings: Settings, streams: RedisStreams) -> None:
    await go_live(still, settings, streams)
    messages: dict[str, Any] = {}
    async with still.socket() as socket:
        messages["hello"] = await socket.next("hello")
        messages["status"] = await socket.next("status")
        # Numbered anew, so that the files do not depend on how often rows were judged before.
        for topic in still.context.hub.topics.values():
            topic.seq = 40
        await socket.subscribe("positions", "summary")
        messages["snapshot-positions"] = await socket.next(
            "snapshot", where=lambda m: m["topic"] == "positions"
        )
        messages["snapshot-summary"] = await socket.next("snapshot", where=lambda m: m["topic"] == "summary")
        await tick(streams, settings, mark(AT))
        messages["delta-positions"] = await socket.next("delta", where=lambda m: m["topic"] == "positions")
        messages["delta-summary"] = await socket.next("delta", where=lambda m: m["topic"] == "summary")
        # What is only looked at now and then knows of the beat and the tick a little later.
        sync = still.context.hub.topics["sync"]
        await socket.subscribe("sync")
        await socket.next("snapshot", where=lambda m: m["topic"] == "sync")
        await comes(lambda: _has_heard(sync))
        sync.seq = 41
        await socket.subscribe("executions", "sync", "jobs")
        for name in ("executions", "sync", "jobs"):
            told = await socket.next("snapshot", where=lambda m, name=name: m["topic"] == name)
            messages[f"snapshot-{name}"] = told
        resume = {"topic": "positions", "epoch": messages["delta-positions"]["epoch"], "after_seq": 40}
        await socket.send({"type": "subscribe", "topics": [resume]})
        messages["resumed"] = await socket.next("resumed")
        await socket.send({"type": "subscribe", "topics": [{**resume, "epoch": "gone"}]})
        messages["reset"] = await socket.next("reset")
        await socket.send({"type": "subscribe", "topics": [{"topic": "weather"}]})
        messages["error"] = await socket.next("error")
        messages["heartbeat"] = await socket.next("heartbeat", where=lambda m: len(m["seqs"]) == 5)
        await tick(streams, settings, beat(AT, ibkr="down", state="degraded", reason="ib_1100", since=AT))
        messages["status-ib-1100"] = await socket.next("status")
        still.context.hub.say_bye()
        messages["bye"] = await socket.next("bye")
    for name, message in messages.items():
        compare(f"ws-{name}", message)
