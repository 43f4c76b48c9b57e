"""More than anybody has: a hundred thousand positions, and a message of a megabyte."""

import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.settings import load_settings
from services.simulator import Simulator
from tests.faults.figures import Figures, record
from tests.faults.programs import Laboratory
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("faults")

ACCOUNTS, CONTRACTS = 10, 10_000
MEGABYTE = 1_000_000
FIRST_VIEW_SECONDS, MOST_MEGABYTES = 60, 600
_PATIENCE_SECONDS = 3 * FIRST_VIEW_SECONDS
"""So that one that is only slow says how slow."""


def scenario() -> dict[str, Any]:
    """Every account holds every contract."""
    symbols = [f"S{number}" for number in range(CONTRACTS)]
    return {
        "name": "large",
        "market": {"moves": False, "fills": False},
        "instruments": [
            {"conid": 1_000_000 + number, "symbol": symbol, "mark": "10", "exchange": "NYSE"}
            for number, symbol in enumerate(symbols)
        ],
        "accounts": [
            {"id": f"DU82{number:05}", "holdings": dict.fromkeys(symbols, "10 @ 9")}
            for number in range(ACCOUNTS)
        ],
    }


async def test_a_hundred_thousand_positions_and_a_message_of_a_megabyte(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    servers, nursery = laboratory.servers, laboratory.nursery
    database = await servers.new_database()
    async with Simulator.start(scenario()) as simulator, servers.database(database) as connection:
        settings = load_settings(
            home=tmp_path / "home",
            ib_port=simulator.port,
            ib_connect_timeout_seconds=60.0,
            database_url=servers.postgres.url_of(database),
            redis_url=servers.redis.url,
            stream_prefix=f"large-{uuid.uuid4().hex}",
        )
        began = time.monotonic()
        children = [
            nursery.start(name, name, env=settings.variables(), output=tmp_path / f"{name}.log")
            for name in ("worker", "broker")
        ]
        most = dict.fromkeys(("worker", "broker"), 0)

        async def positions() -> int:
            for child in children:
                most[child.name] = max(most[child.name], psutil.Process(child.pid).memory_info().rss)
            return int(await connection.fetchval("SELECT count(*) FROM positions WHERE status = 'open'"))

        try:
            await eventually(
                positions, lambda count: count == ACCOUNTS * CONTRACTS, seconds=_PATIENCE_SECONDS
            )
            seconds = time.monotonic() - began
            account, conid = next(iter(simulator.book.accounts)), next(iter(simulator.book.instruments))
            simulator.send_raw(["6", "2", "Note", "x" * MEGABYTE, "USD", account])
            exec_id = await simulator.fill(account=account, conid=conid, side="BOT", quantity=1)

            async def booked() -> bool:
                await positions()
                query = "SELECT count(*) FROM executions WHERE exec_id = $1"
                return bool(await connection.fetchval(query, exec_id))

            await eventually(booked)
        finally:
            for child in children:
                child.kill()
    megabytes = {name: round(size / 2**20) for name, size in most.items()}
    note = f"first view {seconds:.0f} s, link {megabytes['broker']} MB, worker {megabytes['worker']} MB"
    record(Figures("100,000 positions and 1 MB", 0, note=note))
    await servers.drop_database(database)
    assert seconds <= FIRST_VIEW_SECONDS
    assert max(megabytes.values()) <= MOST_MEGABYTES
