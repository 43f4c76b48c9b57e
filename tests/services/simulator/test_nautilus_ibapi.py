"""IBKR's own client (as nautilus-ibapi repackages it), with its reader thread, against the simulator."""

import asyncio
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.wrapper import EWrapper

from services.simulator import Simulator
from tests.waiting import comes

ONE, AAPL = "DU1000001", 265598
UNSET = 1.7976931348623157e308


class Recorder(EWrapper):  # type: ignore[misc] # ibapi has no types
    """Keeps every callback as (name, arguments)."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.client = EClient(self)

    def __getattribute__(self, name: str) -> Any:
        if name in WATCHED:
            calls = object.__getattribute__(self, "calls")
            return lambda *args: calls.append((name, args))
        return object.__getattribute__(self, name)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [args for called, args in list(self.calls) if called == name]


WATCHED = {
    "accountDownloadEnd",
    "accountSummary",
    "accountSummaryEnd",
    "accountUpdateMulti",
    "accountUpdateMultiEnd",
    "commissionAndFeesReport",
    "completedOrdersEnd",
    "contractDetails",
    "contractDetailsEnd",
    "currentTime",
    "error",
    "execDetails",
    "execDetailsEnd",
    "historicalData",
    "historicalDataEnd",
    "managedAccounts",
    "nextValidId",
    "openOrder",
    "openOrderEnd",
    "orderStatus",
    "pnl",
    "pnlSingle",
    "position",
    "positionEnd",
    "positionMulti",
    "positionMultiEnd",
    "tickPrice",
    "tickSnapshotEnd",
    "updateAccountValue",
    "updatePortfolio",
}


@pytest.fixture
async def recorder(sim: Simulator) -> AsyncIterator[Recorder]:
    recorder = Recorder()
    client = recorder.client
    await asyncio.to_thread(client.connect, "127.0.0.1", sim.port, 21)
    thread = threading.Thread(target=client.run, daemon=True)
    thread.start()
    await comes(lambda: recorder.of("nextValidId"))
    yield recorder
    await asyncio.to_thread(client.disconnect)
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()


async def test_it_connects_at_the_same_protocol_version_and_gets_the_accounts(
    recorder: Recorder, sim: Simulator
) -> None:
    assert recorder.client.serverVersion() == 178
    assert recorder.of("managedAccounts") == [(",".join(sim.book.accounts),)]
    assert {args[2] for args in recorder.of("error")} <= {2104, 2106, 2158}


async def test_it_lists_the_positions_of_the_book(recorder: Recorder, sim: Simulator) -> None:
    recorder.client.reqPositions()
    await comes(lambda: recorder.of("positionEnd"))
    got = {(account, contract.conId): quantity for account, contract, quantity, _ in recorder.of("position")}
    assert got == {key: held.quantity for key, held in sim.book.positions.items()}
    recorder.client.reqPositionsMulti(5, ONE, "")
    await comes(lambda: recorder.of("positionMultiEnd"))
    assert len(recorder.of("positionMulti")) == len([key for key in sim.book.positions if key[0] == ONE])


async def test_it_gets_values_portfolio_and_summary(recorder: Recorder, sim: Simulator) -> None:
    recorder.client.reqAccountUpdates(True, ONE)
    await comes(lambda: recorder.of("accountDownloadEnd"))
    values = {(tag, currency): value for tag, value, currency, _ in recorder.of("updateAccountValue")}
    assert values["CashBalance", "GBP"] == "9120.75"
    assert len(recorder.of("updatePortfolio")) == len([key for key in sim.book.positions if key[0] == ONE])
    recorder.client.reqAccountSummary(6, "All", "NetLiquidation,$LEDGER:ALL")
    await comes(lambda: recorder.of("accountSummaryEnd"))
    assert {args[1] for args in recorder.of("accountSummary")} == set(sim.book.accounts)
    recorder.client.reqAccountUpdatesMulti(7, ONE, "", True)
    await comes(lambda: recorder.of("accountUpdateMultiEnd"))
    assert {args[3] for args in recorder.of("accountUpdateMulti")} >= {"NetLiquidation", "CashBalance"}


async def test_it_hears_of_a_fill_live_and_gets_it_again_on_request(
    recorder: Recorder, sim: Simulator
) -> None:
    exec_id = await sim.fill(
        account=ONE, conid=76792991, side="BOT", quantity=2, price="350.25", announce_order=True
    )
    await comes(lambda: recorder.of("commissionAndFeesReport"))
    recorder.client.reqExecutions(8, ExecutionFilter())
    await comes(lambda: recorder.of("execDetailsEnd"))
    live, replayed = recorder.of("execDetails")
    assert (live[0], replayed[0]) == (-1, 8)
    for _, contract, execution in (live, replayed):
        assert (contract.conId, execution.execId) == (76792991, exec_id)
        assert (execution.shares, execution.price, execution.side) == (Decimal(2), 350.25, "BOT")
    reports = [args[0] for args in recorder.of("commissionAndFeesReport")]
    assert [report.execId for report in reports] == [exec_id, exec_id]
    assert [report.realizedPNL for report in reports] == [UNSET, UNSET]


async def test_it_decodes_the_announced_order(recorder: Recorder, sim: Simulator) -> None:
    await sim.fill(account=ONE, conid=700100001, side="SLD", quantity=1, announce_order=True)
    await comes(lambda: len(recorder.of("openOrder")) == 3)
    _, contract, order, state = recorder.of("openOrder")[-1]
    assert (contract.right, contract.strike, order.action, state.status) == ("C", 250.0, "SELL", "Filled")
    assert state.commissionAndFees == 1.0
    assert [args[1] for args in recorder.of("orderStatus")] == ["PreSubmitted", "Filled"]


async def test_it_gets_profit_and_loss(recorder: Recorder) -> None:
    recorder.client.reqPnL(9, ONE, "")
    recorder.client.reqPnLSingle(10, ONE, "", AAPL)
    await comes(lambda: len(recorder.of("pnl")) >= 2 and len(recorder.of("pnlSingle")) >= 2)
    assert recorder.of("pnl")[0] == (9, UNSET, UNSET, UNSET)
    req_id, quantity, _, unrealized, _, value = recorder.of("pnlSingle")[1]
    assert (req_id, quantity) == (10, Decimal(300))
    assert unrealized == pytest.approx(300 * (228.02 - 191.24))
    assert value == pytest.approx(300 * 228.02)


async def test_it_gets_contracts_quotes_history_orders_and_the_time(recorder: Recorder) -> None:
    client, contract = recorder.client, Contract()
    contract.conId = 700200005
    client.reqContractDetails(11, contract)
    client.reqMktData(12, contract, "", True, False, [])
    client.reqHistoricalData(13, contract, "", "1 D", "1 hour", "TRADES", 1, 1, False, [])
    client.reqAllOpenOrders()
    client.reqCompletedOrders(False)
    client.reqCurrentTime()
    for end in (
        "contractDetailsEnd",
        "tickSnapshotEnd",
        "historicalDataEnd",
        "openOrderEnd",
        "completedOrdersEnd",
        "currentTime",
    ):
        await comes(lambda end=end: recorder.of(end))
    details = recorder.of("contractDetails")[0][1]
    assert (details.priceMagnifier, details.minTick, details.contract.multiplier) == (100, 0.25, "5000")
    assert len(recorder.of("historicalData")) == 24
    assert recorder.of("tickPrice")
