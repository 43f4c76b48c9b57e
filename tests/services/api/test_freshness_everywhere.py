"""When the link drops, stalls or comes back, every answer says so; with somebody watching and with nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.clock import utc_now
from core.domain.freshness import BEAT_LIMIT
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from tests.services.api.conftest import Api, Start
from tests.services.api.mirror import Mirror
from tests.services.api.portfolio import USD, beat, mark, position_id, tick
from tests.waiting import SECONDS, eventually

_BEAT_SECONDS = 0.5
KEY = str(position_id("aapl"))
SUMMARY = f"/api/v1/accounts/{USD}/summary"


@dataclass
class Watch:
    """A clock that can be put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass(frozen=True)
class Loss:
    """What the link says when it is lost (nothing, where it stalls), and what is to be told of it."""

    says: dict[str, Any] | None
    reason: str
    links: dict[str, str]


LOSSES = {
    "dropped": Loss(
        {"gateway": "down", "ibkr": "unknown", "reason": "gateway_unreachable", "complete": False},
        "gateway_unreachable",
        {"gateway": "down", "ibkr": "unknown"},
    ),
    "lost IBKR": Loss(
        {"ibkr": "down", "reason": "ib_1100", "state": "degraded"},
        "ib_1100",
        {"gateway": "up", "ibkr": "down"},
    ),
    "silent": Loss(
        {"ibkr": "unknown", "reason": "data_stale", "state": "degraded"},
        "data_stale",
        {"gateway": "up", "ibkr": "unknown"},
    ),
    "stalled": Loss(None, "broker_link_down", {"gateway": "unknown", "ibkr": "unknown"}),
}
losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@dataclass
class Link:
    """The broker link, as the streams tell of it."""

    settings: Settings
    streams: RedisStreams
    watch: Watch

    async def live(self) -> None:
        await tick(self.streams, self.settings, beat(self.watch()), mark(self.watch()))

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Say so again and again, as a link does: said once, it is old before a busy machine has shown it."""

        async def beat_on() -> None:
            while True:
                await self.live()
                await asyncio.sleep(_BEAT_SECONDS)

        beating = asyncio.create_task(beat_on())
        try:
            yield
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    async def lose(self, loss: Loss) -> None:
        if loss.says is None:
            self.watch.ahead += BEAT_LIMIT + timedelta(seconds=1)
        else:
            told = beat(self.watch(), since=self.watch(), **loss.says)
            await tick(self.streams, self.settings, told)


@pytest.fixture
def link(settings: Settings, streams: RedisStreams) -> Link:
    return Link(settings, streams, Watch())


@pytest.fixture
async def watched(start: Start, settings: Settings, seeded: Database, link: Link) -> Api:
    assert seeded
    return await start(settings.model_copy(update={"stream_conflate_ms": 0}), clock=link.watch)


async def asked(api: Api) -> dict[str, Any]:
    """The blocks of everything that REST tells of this position."""
    page, alone = await api.get("/api/v1/positions"), await api.get(f"/api/v1/positions/{KEY}")
    summary, report = await api.get(SUMMARY), await api.get("/api/v1/sync")
    (row,) = [each for each in page["items"] if each["id"] == KEY]
    return {
        "page": page["freshness"],
        "row": row["freshness"],
        "alone": alone["freshness"],
        "sync": report["freshness"],
        "executions": (await api.get("/api/v1/executions"))["freshness"],
        "coverage": summary["coverage"]["fresh"],
        "summary": summary["freshness"],
        "links": report["links"],
    }


def is_live(told: dict[str, Any]) -> bool:
    blocks = [told[name] for name in ("page", "row", "alone", "sync", "executions")]
    return told["coverage"] == 1 and all(
        (block["source"], block["reason"], block["stale"]) == ("live", None, False) for block in blocks
    )


@losses
async def test_rest_says_so_with_nobody_watching(watched: Api, link: Link, loss: Loss) -> None:
    async def told_live() -> dict[str, Any]:
        await link.live()
        return await asked(watched)

    before = await eventually(told_live, is_live)
    assert not watched.context.hub.clients
    await link.lose(loss)
    after = await eventually(lambda: asked(watched), lambda told: told["row"]["reason"] == loss.reason)
    for name in ("page", "row", "alone", "sync", "executions", "summary"):
        block = after[name]
        assert (block["source"], block["reason"], block["stale"]) == ("last_known", loss.reason, True), name
        assert block["links"] == loss.links, name
        # What was known stays known, from when it was.
        assert block["as_of"] >= before[name]["as_of"], name
    assert after["coverage"] == 0
    assert after["links"]["reason"] == loss.reason
    assert {name: after["links"][name] for name in ("gateway", "ibkr")} == loss.links
    assert not after["links"]["complete"]
    await eventually(told_live, is_live)


@losses
async def test_the_stream_says_so_to_whoever_watches(watched: Api, link: Link, loss: Loss) -> None:
    positions, summary, parts = Mirror(), Mirror("summary"), Mirror("sync")
    mirrors = (positions, summary, parts)

    async with watched.socket() as socket:
        for mirror in mirrors:
            await mirror.follow(socket)

        async def until(reason: str | None, fresh: int) -> Any:
            async with asyncio.timeout(SECONDS):
                status = None
                while not (
                    status
                    and positions.rows.get(KEY, {}).get("freshness", {}).get("reason") == reason
                    and summary.rows.get(USD, {}).get("coverage", {}).get("fresh") == fresh
                    and parts.rows.get("links", {}).get("links", {}).get("reason") == reason
                ):
                    message = await socket.next()
                    for mirror in mirrors:
                        mirror.take(message)
                    if message["type"] == "status" and message["reason"] == reason:
                        status = message
                return status

        async with link.alive():
            await until(None, 1)
        known = positions.rows[KEY]["freshness"]["as_of"]
        await link.lose(loss)
        status = await until(loss.reason, 0)
        assert (status["links"], status["freshness"]["source"]) == (loss.links, "last_known")
        block = positions.rows[KEY]["freshness"]
        assert (block["source"], block["links"]) == ("last_known", loss.links)
        assert block["as_of"] >= known
        assert positions.rows[KEY]["market_price"] is not None
        async with link.alive():
            status = await until(None, 1)
        assert status["freshness"]["source"] == "live"
        assert positions.rows[KEY]["freshness"]["source"] == "live"
