"""Examples of what was realized, by whichever cost method, and how positions ended."""

from msgspec import Struct

from services.api.schemas.comparison import (
    MethodClosing,
    MethodComparison,
    MethodDisposal,
    MethodFigure,
    MethodTotal,
)
from services.api.schemas.examples.common import AT, LIVE, OPENED, POSITION_ID
from services.api.schemas.realized import (
    Realized,
    RealizedDifference,
    RealizedDifferencePage,
    RealizedPage,
    RealizedTotal,
)
from services.api.schemas.statistics import Statistics, StatisticsPage

_METHOD_DISPOSAL = MethodDisposal(
    lot_seq=1,
    opened_at=OPENED,
    quantity="40",
    open_price="227.5",
    cost="9100",
    proceeds="9256",
    open_commission="0.4",
    close_commission="1",
    realized_pnl="154.6",
    provisional=False,
)
_METHOD_CLOSING = MethodClosing(
    seq=3,
    type="reduced",
    executed_at=AT,
    exec_id="0000e0d5.69cc0f11.01.01",
    quantity="-40",
    price="231.4",
    methods=(
        MethodFigure(
            method="fifo",
            realized_pnl="154.6",
            difference_from_own="0",
            commission="1.4",
            provisional=False,
            disposals=(_METHOD_DISPOSAL,),
        ),
    ),
)
_METHOD_TOTAL = MethodTotal(
    method="fifo",
    realized_pnl="154.6",
    difference_from_own="0",
    commission="1.4",
    closings=1,
    disposals=1,
    unknown_disposals=0,
    provisional=False,
)
_REALIZED = Realized(
    key="2026-11-20",
    account="U1234567",
    currency="USD",
    realized_pnl="154.6",
    commission="1.4",
    broker_realized_pnl="154.6",
    difference="0",
    realized_without_fill="0",
    disposals=1,
    disposals_without_fill=0,
    unknown_disposals=0,
    missing_broker_figures=0,
    provisional=False,
    method="fifo",
    difference_from_own=None,
)
_REALIZED_DIFFERENCE = RealizedDifference(
    exec_id="0000e0d5.69cc0f11.01.01",
    account="U1234567",
    conid=265598,
    symbol="AAPL",
    currency="USD",
    executed_at=AT,
    realized_pnl="154.6",
    broker_realized_pnl="154.2",
    difference="0.4",
    provisional=False,
    position_id=POSITION_ID,
)
_REALIZED_TOTAL = RealizedTotal(
    account="U1234567",
    currency="USD",
    realized_pnl="2180.35",
    broker_realized_pnl="2179.95",
    difference="0.4",
    compared_fills=41,
    differing_fills=1,
    estimated_fills=0,
    missing_broker_figures=2,
    unknown_fills=0,
)
_STATISTICS = Statistics(
    key="U1234567",
    account="U1234567",
    currency="USD",
    closed=9,
    decided=8,
    won=5,
    lost=2,
    even=1,
    unknown=1,
    provisional=1,
    win_rate="0.625",
    gross_profit="1410.5",
    gross_loss="-402",
    profit_factor="3.5087",
    average_win="282.1",
    average_loss="-201",
    largest_win="800.25",
    largest_loss="-310.4",
    expectancy="126.0625",
    realized_pnl=None,
    commission="18.2",
    average_holding_seconds=183_600,
    average_winner_holding_seconds=201_240,
    average_loser_holding_seconds=90_000,
)

EXAMPLES: dict[type[Struct], Struct] = {
    MethodComparison: MethodComparison(
        position_id=POSITION_ID,
        method="fifo",
        totals=(_METHOD_TOTAL,),
        items=(_METHOD_CLOSING,),
        next_cursor=None,
        freshness=LIVE,
    ),
    RealizedDifferencePage: RealizedDifferencePage(
        items=(_REALIZED_DIFFERENCE,), totals=(_REALIZED_TOTAL,), next_cursor=None, freshness=LIVE
    ),
    RealizedPage: RealizedPage(items=(_REALIZED,), next_cursor=None, freshness=LIVE),
    StatisticsPage: StatisticsPage(items=(_STATISTICS,), next_cursor=None, freshness=LIVE),
}
