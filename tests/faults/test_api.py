"""The API is killed while things happen: when it is back, what it tells is what there is."""

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import httpx
import pytest

from services.simulator.executions import Key
from services.stack.ports import free_port
from tests.faults.disturbances import killed
from tests.faults.figures import SEEDS, Figures, by_form
from tests.faults.oracle import CENT
from tests.faults.programs import Laboratory
from tests.faults.rig import Rig
from tests.waiting import SECONDS, eventually

pytestmark = pytest.mark.xdist_group("faults")

SIZE, KILLS = by_form(3_000, 9_000, 20_000), by_form(3, 10, 40)
TOKEN = "token-of-the-api-of-a-run-token"


def client(rig: Rig) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{rig.settings.api_port}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=SECONDS,
    )


async def answers(rig: Rig) -> bool:
    async with client(rig) as api:
        try:
            return (await api.get("/api/v1/positions")).status_code == 200
        except httpx.TransportError:
            return False


async def positions(rig: Rig) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"status": "all", "limit": 200}
    async with client(rig) as api:
        while True:
            answer = await api.get("/api/v1/positions", params=query)
            page = answer.raise_for_status().json()
            rows += page["items"]
            if page["next_cursor"] is None:
                return rows
            query["cursor"] = page["next_cursor"]


async def api_killed(rig: Rig, rng: random.Random, figures: Figures) -> None:
    """Kill it again and again; at the end it tells what the oracle says."""
    rig.start("api")
    await eventually(lambda: answers(rig))
    await killed("api", KILLS, again_seconds=rig.script.seconds / KILLS)(rig, rng, figures)
    await rig.until_told()
    await rig.settle(patience=30)
    await eventually(lambda: answers(rig))
    quantities: dict[Key, Decimal] = defaultdict(Decimal)
    realized: dict[Key, Decimal] = defaultdict(Decimal)
    for row in await positions(rig):
        key = row["account"], row["conid"]
        quantities[key] += Decimal(row["quantity"])
        realized[key] += Decimal(row["realized_pnl"])
    expected = rig.expected.books
    assert {key: number for key, number in quantities.items() if number} == {
        key: book.quantity for key, book in expected.items() if book.quantity
    }
    off = {key for key, book in expected.items() if abs(Fraction(realized[key]) - book.realized) >= CENT / 2}
    assert off == set()
    figures.note = f"{len(quantities)} books told by the API"


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_api_tells_what_there_is_after_it_was_killed(laboratory: Laboratory, seed: int) -> None:
    figures = await laboratory.run(
        "the API is killed", api_killed, seed=seed, size=SIZE, api_port=free_port(), api_token=TOKEN
    )
    assert figures.kills >= KILLS
