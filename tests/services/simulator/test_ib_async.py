"""Unmodified ib_async over TCP: what a recorder asks, and what it gets."""

from datetime import UTC, datetime
from decimal import Decimal

import ib_async
import pytest

from services.simulator import Simulator
from tests.services.simulator.clients import ib_connected
from tests.waiting import comes

ONE, TWO, AAPL, ES, FRESH = "DU1000001", "DU1000002", 265598, 700200001, 76792991
UNSET = 1.7976931348623157e308


async def test_it_connects_and_finds_all_accounts_positions_and_values(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        assert ib.client.serverVersion() == 178
        assert ib.managedAccounts() == ["DU1000001", "DU1000002", "DU1000003"]
        got = {(row.account, row.contract.conId): (row.position, row.avgCost) for row in ib.positions()}
        expected = {
            key: (float(held.quantity), float(held.average_cost)) for key, held in sim.book.positions.items()
        }
        assert got == expected
        values = {(row.account, row.tag, row.currency): row.value for row in ib.accountValues()}
        assert values[ONE, "CashBalance", "EUR"] == "41870.20"
        assert {account for account, tag, _ in values if tag == "NetLiquidation"} == set(sim.book.accounts)


async def test_contracts_of_positions_are_told_in_full(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        by_conid = {row.contract.conId: row.contract for row in ib.positions()}
        option, future, stock, pair = (by_conid[conid] for conid in (700100001, ES, AAPL, 12087792))
        assert (option.secType, option.right, option.strike, option.multiplier) == ("OPT", "C", 250.0, "100")
        assert option.localSymbol.startswith("AAPL  ")
        assert (future.secType, future.multiplier, future.exchange) == ("FUT", "50", "")
        assert (stock.exchange, stock.multiplier) == ("NASDAQ", "")
        assert (pair.secType, pair.localSymbol, pair.currency) == ("CASH", "EUR.USD", "USD")


async def test_a_fill_of_an_unannounced_order_arrives_with_its_commission_and_position(
    sim: Simulator,
) -> None:
    async with ib_connected(sim.port) as ib:
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="SLD", quantity=10, price="230.10")
        fill = await comes(lambda: next((f for f in ib.fills() if f.commissionReport.execId), None))
        assert fill.execution.execId == exec_id
        assert (fill.execution.shares, fill.execution.price, fill.execution.side) == (10.0, 230.10, "SLD")
        assert fill.execution.time == sim.book.executions[exec_id].executed_at.replace(microsecond=0)
        assert fill.commissionReport.realizedPNL == pytest.approx((230.10 - 191.24) * 10 - 0.35)
        assert not ib.trades()
        await comes(lambda: [p for p in ib.positions(ONE) if p.contract.conId == AAPL and p.position == 290])


async def test_an_announced_order_fires_the_events_that_ib_async_has_for_orders_it_knows(
    sim: Simulator,
) -> None:
    async with ib_connected(sim.port, client_id=0) as ib:
        told: list[str] = []
        ib.execDetailsEvent += lambda _trade, fill: told.append(fill.execution.execId)
        ib.commissionReportEvent += lambda _trade, _fill, report: told.append(report.execId)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=5, announce_order=True)
        await comes(lambda: len(told) == 2)
        assert told == [exec_id, exec_id]
        assert ib.trades()[0].orderStatus.status == "Filled"


async def test_an_opening_fill_carries_the_unset_value_as_realized_profit(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        reports: list[float] = []
        original = ib.wrapper.commissionReport

        def keep(report: ib_async.CommissionReport) -> None:
            reports.append(report.realizedPNL)
            original(report)

        ib.wrapper.commissionReport = keep
        await sim.fill(account=ONE, conid=FRESH, side="BOT", quantity=1)
        await comes(lambda: reports)
        assert reports == [UNSET]


async def test_a_closed_position_is_told_as_zero(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        await sim.fill(account=ONE, conid=AAPL, side="SLD", quantity=300)
        await comes(lambda: all(row.contract.conId != AAPL for row in ib.positions(ONE)))


async def test_executions_of_today_are_replayed_with_their_commissions_and_honour_the_filter(
    sim: Simulator,
) -> None:
    first = await sim.fill(account=ONE, conid=AAPL, side="SLD", quantity=1)
    second = await sim.fill(account=TWO, conid=ES, side="BOT", quantity=1, client_id=7, order_id=3)
    async with ib_connected(sim.port) as ib:

        async def ids(**wanted: object) -> list[str]:
            fills = await ib.reqExecutionsAsync(ib_async.ExecutionFilter(**wanted))
            return [fill.execution.execId for fill in fills]

        # ib_async keeps the report with the fill it met first, at connecting.
        assert [fill.commissionReport.execId for fill in ib.fills()] == [first, second]
        assert await ids() == [first, second]
        assert await ids(acctCode=TWO) == [second]
        assert await ids(clientId=7) == [second]
        assert await ids(symbol="AAPL") == [first]
        assert await ids(secType="FUT") == [second]
        assert await ids(side="SELL") == [first]
        assert await ids(exchange="CME") == [second]
        assert await ids(time="20990101-00:00:00") == []
        assert await ids(time="20200101-00:00:00") == [first, second]


async def test_profit_and_loss_come_about_once_a_second_and_unset_first(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        seen: list[float] = []
        ib.pnlEvent += lambda pnl: seen.append(pnl.unrealizedPnL)
        account, single = ib.reqPnL(ONE), ib.reqPnLSingle(ONE, "", AAPL)
        await comes(lambda: account.unrealizedPnL < UNSET)
        await comes(lambda: single.value == 300 * 228.02)
        assert seen[0] == UNSET
        assert single.unrealizedPnL == pytest.approx(300 * (228.02 - 191.24))
        sim.book.marks[AAPL] = Decimal(230)
        await comes(lambda: single.value == 300 * 230)
        ib.cancelPnL(ONE)
        ib.cancelPnLSingle(ONE, "", AAPL)
        await comes(lambda: not any(s.subscriptions.pnl for s in sim.gateway.sessions))


async def test_account_updates_bring_portfolio_rows_and_follow_changes(sim: Simulator) -> None:
    async with ib_connected(sim.port, account=TWO) as ib:
        rows = {row.contract.conId: row for row in ib.portfolio(TWO)}
        assert len(rows) == len([key for key in sim.book.positions if key[0] == TWO])
        assert rows[AAPL].position == -100
        assert rows[AAPL].marketPrice == 228.02
        assert rows[AAPL].contract.primaryExchange == "NASDAQ"
        await sim.fill(account=TWO, conid=AAPL, side="SLD", quantity=50)
        await comes(lambda: any(row.position == -150 for row in ib.portfolio(TWO)))


async def test_account_values_are_sent_again_when_they_change() -> None:
    scenario = {"extends": "quiet", "gateway": {"account_seconds": 0.05}}
    async with Simulator.start(scenario) as sim, ib_connected(sim.port) as ib:
        old = {(v.account, v.tag, v.currency): v.value for v in ib.accountValues()}
        sim.book.marks[AAPL] += 10
        await comes(
            lambda: any(
                v.tag == "NetLiquidation" and v.value != old[v.account, v.tag, v.currency]
                for v in ib.accountValues(ONE)
            )
        )


async def test_the_account_summary_covers_every_account(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        rows = await ib.accountSummaryAsync()
        assert {row.account for row in rows} == set(sim.book.accounts)
        assert {row.currency for row in rows if row.tag == "CashBalance"} == {"USD", "EUR", "GBP", "BASE"}


async def test_every_instrument_has_contract_details(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        for conid, instrument in sim.book.instruments.items():
            (details,) = await ib.reqContractDetailsAsync(ib_async.Contract(conId=conid))
            assert details.contract is not None
            assert details.contract.localSymbol == instrument.local_symbol
            assert details.priceMagnifier == instrument.price_magnifier
            assert details.minTick == float(instrument.min_tick)
            assert details.longName == instrument.long_name
            told = [(one.tag, one.value) for one in details.secIdList or ()]
            assert told == ([("ISIN", instrument.isin)] if instrument.isin else [])
        apple, future = sim.book.instruments[AAPL], sim.book.instruments[ES]
        assert (apple.isin, future.isin) == ("US0378331005", "")
        futures = await ib.reqContractDetailsAsync(ib_async.Future("ES", exchange="CME"))
        assert [one.contract.conId for one in futures if one.contract] == [ES]


async def test_an_unknown_contract_is_error_200(sim: Simulator) -> None:
    async with ib_connected(sim.port, raiseSyncErrors=False) as ib:
        codes: list[int] = []
        ib.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
        assert await ib.reqContractDetailsAsync(ib_async.Contract(conId=1)) == []
        ib.reqPnLSingle(ONE, "", 1)
        await comes(lambda: codes == [200, 200])


async def test_quotes_stream_and_snapshots_end(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        contract = ib_async.Stock("AAPL", "SMART", "USD", conId=AAPL)
        (ticker,) = await ib.reqTickersAsync(contract)
        assert (ticker.bid, ticker.ask, ticker.last) == (228.01, 228.03, 228.02)
        live = ib.reqMktData(contract)
        sim.book.marks[AAPL] = Decimal(240)
        await comes(lambda: live.last == 240)
        ib.cancelMktData(contract)
        await comes(lambda: not any(s.subscriptions.quotes for s in sim.gateway.sessions))


@pytest.mark.parametrize(
    ("duration", "bar", "bars"), [("1 D", "1 hour", 24), ("2 W", "1 day", 14), ("600 S", "30 secs", 20)]
)
async def test_history_is_answered_with_bars_that_end_at_the_mark(
    sim: Simulator, duration: str, bar: str, bars: int
) -> None:
    async with ib_connected(sim.port) as ib:
        contract = ib_async.Contract(conId=AAPL)
        got = await ib.reqHistoricalDataAsync(
            contract, "", duration, bar, "TRADES", useRTH=True, formatDate=2
        )
        assert len(got) == bars
        assert got[-1].close == 228.02
        assert all(one.low <= one.close <= one.high for one in got)


async def test_the_time_and_the_orders_are_answered(sim: Simulator) -> None:
    async with ib_connected(sim.port, readonly=False) as ib:
        assert abs((await ib.reqCurrentTimeAsync() - datetime.now(UTC)).total_seconds()) < 5
        assert await ib.reqOpenOrdersAsync() == []
        assert await ib.reqAllOpenOrdersAsync() == []
        assert await ib.reqCompletedOrdersAsync(apiOnly=False) == []


async def test_orders_are_rejected_because_the_gateway_is_read_only(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        codes: list[int] = []
        ib.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
        contract = ib_async.Stock("AAPL", "SMART", "USD", conId=AAPL)
        trade = ib.placeOrder(contract, ib_async.MarketOrder("BUY", 1))
        await comes(lambda: codes)
        assert codes == [321]
        assert trade.fills == []
        assert not sim.book.executions


async def test_several_clients_hear_of_the_same_fill(sim: Simulator) -> None:
    async with ib_connected(sim.port, client_id=1) as one, ib_connected(sim.port, client_id=2) as two:
        assert sim.client_ids == [1, 2]
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        for ib in (one, two):
            await comes(lambda ib=ib: [fill.execution.execId for fill in ib.fills()] == [exec_id])


async def test_a_client_id_that_is_taken_is_error_326_and_the_end(sim: Simulator) -> None:
    async with ib_connected(sim.port, client_id=9):
        second, codes = ib_async.IB(), []
        second.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
        with pytest.raises(TimeoutError):
            await second.connectAsync("127.0.0.1", sim.port, clientId=9, timeout=0.5)
        assert codes == [326]
        assert sim.client_ids == [9]


async def test_the_market_fills_orders_of_its_own_and_the_client_ends_with_the_same_book() -> None:
    scenario = {
        "extends": "default",
        "market": {"fill_seconds": [0.005, 0.01], "tick_seconds": 0.05, "fewest_positions": 42},
    }
    async with Simulator.start(scenario, seed=3) as sim, ib_connected(sim.port) as ib:
        await comes(lambda: len(ib.fills()) >= 200)
        sim.pause_market()
        await comes(lambda: len(ib.fills()) == len(sim.book.executions))
        await ib.reqCurrentTimeAsync()
        got = {(row.account, row.contract.conId): row.position for row in ib.positions()}
        assert got == {key: float(held.quantity) for key, held in sim.book.positions.items()}
        orders = [fill.execution for fill in ib.fills()]
        # Manual orders: ib_async shows both of their ids as 0.
        assert {0, 2147483647} <= {one.order.order_id for one in sim.book.executions.values()}
        assert {one.clientId for one in orders} == {0, 7, 12}
        # Partial fills: several executions of one order, cumulative quantity rising.
        assert len({one.permId for one in orders}) < len(orders)
        sim.resume_market()
        await comes(lambda: len(ib.fills()) > len(orders))


async def test_a_burst_arrives_complete_and_in_order(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        burst = await sim.burst(2_000, books=60)
        await comes(lambda: len(ib.fills()) == 2_000)
        await ib.reqCurrentTimeAsync()
        assert [fill.execution.execId for fill in ib.fills()] == burst.exec_ids
        assert all(fill.commissionReport.execId for fill in ib.fills())
        got = {(row.account, row.contract.conId): row.position for row in ib.positions()}
        assert got == {key: float(held.quantity) for key, held in sim.book.positions.items()}


async def test_account_and_position_requests_for_one_account_are_answered(sim: Simulator) -> None:
    async with ib_connected(sim.port) as ib:
        rows: list[tuple[str, float]] = []
        ib.wrapper.positionMulti = lambda _id, account, _model, _contract, position, _cost: rows.append(
            (account, position)
        )
        ended: list[int] = []
        ib.wrapper.positionMultiEnd = ended.append
        ib.client.reqPositionsMulti(900, TWO, "")
        await comes(lambda: ended == [900])
        assert len(rows) == len([key for key in sim.book.positions if key[0] == TWO])
        await sim.fill(account=TWO, conid=ES, side="BOT", quantity=1)
        await comes(lambda: rows[-1] == (TWO, 1.0))
        ib.client.cancelPositionsMulti(900)
        ib.client.cancelAccountUpdatesMulti(1)
        ib.client.cancelPositions()
        ib.client.reqAccountUpdates(subscribe=False, acctCode=TWO)
        await ib.reqCurrentTimeAsync()
        assert not any(s.subscriptions.positions for s in sim.gateway.sessions)
