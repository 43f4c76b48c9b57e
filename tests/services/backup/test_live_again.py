"""A restored database meets a gateway, a Redis and a spool that know more than it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from core.settings import Settings
from services.backup.creating import create
from services.backup.keys import identities
from services.backup.restoring import restore
from services.position_sync.app import main
from services.simulator import Simulator
from tests.databases import Templates, run_sql
from tests.services.backup.conftest import url_of
from tests.services.broker.conftest import SMALL, broker_link, quick
from tests.waiting import eventually


@pytest.fixture
def template(templates: Templates) -> str:
    return templates.migrated()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    worker = asyncio.create_task(main(settings))
    try:
        async with broker_link(settings):
            yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


async def ledger(settings: Settings) -> dict[str, Any]:
    """The fills there are, and what is held by account and contract."""
    fills = await run_sql(url_of(settings), "SELECT exec_id FROM executions ORDER BY 1")
    held = await run_sql(
        url_of(settings),
        "SELECT account, conid, sum(quantity) AS quantity FROM positions WHERE status = 'open' GROUP BY 1, 2",
    )
    return {
        "fills": {row["exec_id"] for row in fills},
        "held": {(row["account"], row["conid"]): row["quantity"] for row in held},
    }


async def test_what_came_after_the_backup_comes_again_from_the_broker(settings: Settings) -> None:
    async with Simulator.start(SMALL) as sim:
        live = quick(settings, sim.port)
        fills: set[str] = set()

        def held() -> dict[tuple[str, int], Decimal]:
            return {key: one.quantity for key, one in sim.book.positions.items() if one.quantity}

        async def fill(quantity: str) -> None:
            fills.add(await sim.fill(account="DU1000002", conid=8719, side="BOT", quantity=quantity))

        async def all_there() -> None:
            await eventually(
                lambda: ledger(live),
                lambda known: known["fills"] >= fills and known["held"] == held(),
                seconds=60,
            )

        async with running(live):
            await fill("3")
            await all_there()
        created = await create(live, "cli")
        async with running(live):
            await fill("4")
            await fill("5")
            await all_there()
        (before,) = await run_sql(url_of(live), "SELECT max(epoch) AS epoch FROM broker_sessions")
        # Redis goes on as it is: it has given out, and forgotten, what the restored database never saw.
        await restore(live, created.path, identities(live), replace=True)
        assert len((await ledger(live))["fills"]) == created.manifest.tables["executions"].rows == 1
        async with running(live):
            await all_there()
            await fill("6")
            await all_there()
        assert (await ledger(live))["fills"] == fills
        (after,) = await run_sql(url_of(live), "SELECT max(epoch) AS epoch FROM broker_sessions")
        assert after["epoch"] > before["epoch"]
        assert await run_sql(url_of(live), "SELECT * FROM dead_facts") == []
