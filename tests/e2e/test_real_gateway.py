"""``lotkeeper up`` against a gateway that is not there, does not answer, or keeps hanging up."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.simulator import Simulator
from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.waiting import SECONDS, eventually

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture
async def gateway() -> AsyncIterator[Simulator]:
    """A gateway whose port is closed at first."""
    async with Simulator.start("quiet") as simulator:
        simulator.pause_market()
        await simulator.refuse(True)
        yield simulator


async def test_it_says_what_is_wrong_keeps_serving_and_recovers_by_itself(
    gateway: Simulator, tmp_path: Path
) -> None:
    stack = Stack(
        tmp_path / "home",
        "main",
        LOTKEEPER_IB_PORT=str(gateway.port),
        LOTKEEPER_IB_CONNECT_TIMEOUT_SECONDS="2",
        LOTKEEPER_IB_HEARTBEAT_SECONDS="1",
    )
    try:
        # The gateway answers on this loop, so nothing may block it.
        await asyncio.to_thread(stack.start)
        async with _client(stack) as client:

            async def get(path: str) -> dict[str, Any]:
                reply = await client.get(path)
                reply.raise_for_status()
                body: dict[str, Any] = reply.json()
                return body

            async def reason() -> str | None:
                found: str | None = (await get("/sync"))["freshness"]["reason"]
                return found

            async def held() -> dict[tuple[str, int], Decimal]:
                rows = (await get("/positions?limit=500"))["items"]
                return {(row["account"], row["conid"]): Decimal(row["quantity"]) for row in rows}

            await eventually(reason, lambda found: found == "gateway_unreachable")
            assert await held() == {}

            gateway.accept_but_never_answer(True)
            await gateway.refuse(False)
            await eventually(reason, lambda found: found == "gateway_not_answering")

            gateway.accept_but_never_answer(False)
            gateway.drop_connections()
            await eventually(reason, lambda found: found is None, seconds=PATIENCE_SECONDS)
            book = {key: held.quantity for key, held in gateway.book.positions.items() if held.quantity}
            await eventually(held, lambda found: found == book)

            gateway.stall(True)
            await eventually(reason, lambda found: found in {"gateway_silent", "gateway_not_answering"})
            assert await held() == book, "what is known stays"
            gateway.stall(False)
            await eventually(reason, lambda found: found is None, seconds=PATIENCE_SECONDS)

            gateway.drop_every(2)
            await eventually(reason, lambda found: found is not None)
            assert await held() == book
            gateway.drop_every(None)
            await eventually(reason, lambda found: found is None, seconds=PATIENCE_SECONDS)
            assert await held() == book
        output = stack.output.read_text()
        assert "Traceback" not in output
        assert str(next(iter(gateway.book.accounts))) not in output, "no account number in the log"
    finally:
        await asyncio.to_thread(stack.stop)


def _client(stack: Stack) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {stack.token}"}
    return httpx.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, timeout=SECONDS)
