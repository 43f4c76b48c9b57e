"""ib_insync, an older client of the same protocol, in a process of its own."""

import asyncio
import json
import sys
from typing import Any

import pytest

from services.simulator import Simulator
from tests.waiting import SECONDS

ONE, AAPL = "DU1000001", 265598
SCRIPT = """
import asyncio, json, sys
asyncio.set_event_loop(asyncio.new_event_loop())
import ib_insync
ib = ib_insync.IB()
ib.connect("127.0.0.1", int(sys.argv[1]), clientId=31, timeout=20, readonly=True)
live = []
print("ready", flush=True)
until = 200
while not (ib.fills() and ib.fills()[-1].commissionReport.execId) and until:
    ib.sleep(0.05); until -= 1
pnl = ib.reqPnL("DU1000001")
while not (pnl.unrealizedPnL == pnl.unrealizedPnL and pnl.unrealizedPnL < 1e300) and until:
    ib.sleep(0.05); until -= 1
details = ib.reqContractDetails(ib_insync.Contract(conId=700200005))
print(json.dumps({
    "version": ib.client.serverVersion(),
    "accounts": ib.managedAccounts(),
    "positions": [[p.account, p.contract.conId, p.position] for p in ib.positions()],
    "net": [v.account for v in ib.accountValues() if v.tag == "NetLiquidation"],
    "fills": [[f.execution.execId, f.execution.shares, f.commissionReport.execId] for f in ib.fills()],
    "trades": [t.orderStatus.status for t in ib.trades()],
    "replayed": [f.execution.execId for f in ib.reqExecutions()],
    "pnl": pnl.unrealizedPnL,
    "summary": sorted({v.account for v in ib.accountSummary()}),
    "magnifier": details[0].priceMagnifier,
}), flush=True)
ib.disconnect()
"""


@pytest.fixture
async def seen(sim: Simulator) -> dict[str, Any]:
    """What ib_insync saw while one announced order was filled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", SCRIPT, str(sim.port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            assert await process.stdout.readline() == b"ready\n"
            exec_id = await sim.fill(account=ONE, conid=AAPL, side="SLD", quantity=3, announce_order=True)
            answer: dict[str, Any] = json.loads(await process.stdout.readline())
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return {**answer, "exec_id": exec_id}


async def test_ib_insync_connects_and_sees_the_same_book(sim: Simulator, seen: dict[str, Any]) -> None:
    assert seen["version"] == 176
    assert seen["accounts"] == list(sim.book.accounts)
    got = {(account, conid): quantity for account, conid, quantity in seen["positions"]}
    assert got == {key: float(held.quantity) for key, held in sim.book.positions.items()}
    assert set(seen["net"]) == set(sim.book.accounts) == set(seen["summary"])
    assert seen["fills"] == [[seen["exec_id"], 3.0, seen["exec_id"]]]
    assert seen["replayed"] == [seen["exec_id"]]
    assert seen["trades"] == ["Filled"]
    assert seen["pnl"] > 0
    assert seen["magnifier"] == 100
