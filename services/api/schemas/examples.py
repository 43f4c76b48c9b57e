"""One example of each answer, typed, so that the documentation cannot drift from the contract."""

from datetime import UTC, datetime
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import asdict

from services.api.schemas.accounts import Account, AccountPage, Summary
from services.api.schemas.common import Coverage, Freshness, Links
from services.api.schemas.comparison import (
    MethodClosing,
    MethodComparison,
    MethodDisposal,
    MethodFigure,
    MethodTotal,
)
from services.api.schemas.executions import Execution, ExecutionPage
from services.api.schemas.lots import Lot, LotDisposal, LotPage
from services.api.schemas.positions import (
    Position,
    PositionDetail,
    PositionDifference,
    PositionEvent,
    PositionEventPage,
    PositionPage,
)
from services.api.schemas.realized import (
    Realized,
    RealizedDifference,
    RealizedDifferencePage,
    RealizedPage,
    RealizedTotal,
)
from services.api.schemas.reconciliations import (
    Difference,
    DifferencePage,
    Reconciliation,
    ReconciliationPage,
)
from services.api.schemas.session import Credentials, SessionInfo
from services.api.schemas.statistics import Statistics, StatisticsPage
from services.api.schemas.sync import (
    DatasetReport,
    DeadReport,
    ErrorReport,
    GroupReport,
    Job,
    JobAnswer,
    JobRecord,
    LinkReport,
    StreamReport,
    SyncReport,
)

_AT = datetime(2026, 11, 20, 20, 59, 58, tzinfo=UTC)
_OPENED = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
_POSITION = "0b7e4b54-9a52-5b1e-8d39-3f4d2f0c7a10"
_JOB = "7d9a1c52-1f6e-4a0e-9a55-1d2f7c3b9e01"

_LIVE = Freshness(
    source="live",
    as_of=_AT,
    received_at=_AT,
    age_seconds=2,
    stale=False,
    reason=None,
    links=Links(gateway="up", ibkr="up"),
)
_LAST_KNOWN = Freshness(
    source="last_known",
    as_of=_AT,
    received_at=_AT,
    age_seconds=5400,
    stale=True,
    reason="ib_1100",
    links=Links(gateway="up", ibkr="down"),
)
_ROW = Position(
    id=_POSITION,
    account="U1234567",
    conid=265598,
    symbol="AAPL",
    local_symbol="AAPL",
    description="APPLE INC",
    sec_type="STK",
    currency="USD",
    multiplier="1",
    side="long",
    status="open",
    quantity="100",
    average_cost="227.51",
    cost_basis="22751",
    market_price="231.4",
    market_value="23140",
    daily_pnl="112.5",
    unrealized_pnl="389",
    realized_pnl="0",
    commission="1",
    mark_as_of=_AT,
    opened_at=_OPENED,
    closed_at=None,
    holding_seconds=1_578_598,
    broker_quantity="100",
    reconciled=True,
    provisional=False,
    freshness=_LIVE,
)
_DETAIL = PositionDetail(
    **asdict(_ROW),
    average_entry_price="227.5",
    average_exit_price="231.4",
    max_quantity="140",
    cost_method="fifo",
    broker_average_cost="227.53",
    differences=(
        PositionDifference(
            id=13,
            kind="cost_mismatch",
            cause=None,
            inferred=False,
            ours="227.51",
            brokers="227.53",
            since=_AT,
        ),
    ),
)
_EVENT = PositionEvent(
    id=f"{_POSITION}:1",
    position_id=_POSITION,
    type="opened",
    executed_at=_OPENED,
    quantity="100",
    price="227.5",
    position_after="100",
    realized_pnl=None,
    commission="1",
    exec_id="0000e0d5.69cbfe2a.01.01",
    cause=None,
    inferred=False,
    replaced_quantity=None,
)
_EXECUTION = Execution(
    exec_id="0000e0d5.69cbfe2a.01.01",
    order_ref="",
    perm_id=1_923_456_781,
    account="U1234567",
    conid=265598,
    symbol="AAPL",
    local_symbol="AAPL",
    sec_type="STK",
    side="BOT",
    quantity="100",
    price="227.5",
    commission="1",
    commission_currency="USD",
    commission_rate=None,
    realized_pnl=None,
    broker_realized_pnl=None,
    currency="USD",
    executed_at=_OPENED,
    corrected_by=None,
    position_id=_POSITION,
    source="live",
)
_LOT = Lot(
    seq=1,
    exec_id="0000e0d5.69cbfe2a.01.01",
    opened_at=_OPENED,
    quantity="140",
    remaining="100",
    price="227.5",
    unit_cost="227.5",
    commission="1.4",
    remaining_commission="1",
    provisional=False,
    disposals=(
        LotDisposal(
            seq=1,
            exec_id="0000e0d5.69cc0f11.01.01",
            closed_at=_AT,
            holding_seconds=1_578_598,
            quantity="40",
            close_price="231.4",
            cost="9100",
            proceeds="9256",
            open_commission="0.4",
            close_commission="1",
            realized_pnl="154.6",
            provisional=False,
        ),
    ),
)
_METHOD_DISPOSAL = MethodDisposal(
    lot_seq=1,
    opened_at=_OPENED,
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
    executed_at=_AT,
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
    disposals=1,
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
    executed_at=_AT,
    realized_pnl="154.6",
    broker_realized_pnl="154.2",
    difference="0.4",
    provisional=False,
    position_id=_POSITION,
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
_RECONCILIATION = Reconciliation(
    id=4711,
    account="U1234567",
    started_at=_AT,
    finished_at=_AT,
    trigger="sweep",
    checked=18,
    differences=1,
    counts={"matched": 17, "quantity_mismatch": 1},
)
_DIFFERENCE = Difference(
    id=12,
    account="U1234567",
    conid=265598,
    symbol="AAPL",
    local_symbol="AAPL",
    sec_type="STK",
    currency="USD",
    kind="quantity_mismatch",
    cause="missed_executions",
    inferred=True,
    ours="100",
    brokers="120",
    since=_AT,
    resolved_at=None,
    position_id=_POSITION,
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
_SUMMARY = Summary(
    account="U1234567",
    base_currency="USD",
    net_liquidation="104230.75",
    total_cash="12044.1",
    gross_position_value="92186.65",
    daily_pnl="310.22",
    unrealized_pnl="4410.9",
    realized_pnl="-55.1",
    win_rate="0.57",
    open_positions=18,
    total_trades=211,
    coverage=Coverage(fresh=17, total=18),
    freshness=_LIVE,
)
_SYNC = SyncReport(
    links=LinkReport(
        gateway="up",
        ibkr="down",
        reason="ib_1100",
        since=_AT,
        complete=False,
        last_beat_at=_AT,
        last_message_at=_AT,
        clock_offset_seconds=0.02,
    ),
    datasets=(
        DatasetReport(
            account="U1234567",
            dataset="positions",
            as_of=_AT,
            age_seconds=5400,
            cadence_seconds=None,
            complete=True,
            error=None,
        ),
    ),
    streams=(
        StreamReport(
            name="facts",
            length_entries=12,
            last_id="1763672398000-0",
            groups=(GroupReport(name="position_sync", pending_entries=0, lag_entries=0),),
        ),
    ),
    outbox_entries=0,
    dead_facts=(DeadReport(category="parsing", kinds=1, occurrences=3, last_seen_at=_AT),),
    jobs=(
        JobRecord(
            id=_JOB,
            kind="resync",
            status="succeeded",
            progress=None,
            error=None,
            created_at=_AT,
            started_at=_AT,
            finished_at=_AT,
        ),
    ),
    last_errors=(ErrorReport(at=_AT, category="parsing", message="unknown message id 999"),),
    freshness=_LAST_KNOWN,
)

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    {
        AccountPage: AccountPage(
            items=(
                Account(
                    account="DU1234567",
                    alias=None,
                    base_currency="USD",
                    paper=True,
                    listed=True,
                    cost_method="fifo",
                    freshness=_LIVE,
                ),
            ),
            next_cursor=None,
            freshness=_LIVE,
        ),
        Credentials: Credentials(token="the content of the token file"),  # noqa: S106 - says what goes there
        ExecutionPage: ExecutionPage(items=(_EXECUTION,), next_cursor=None, freshness=_LIVE),
        JobAnswer: JobAnswer(job=Job(id=_JOB, kind="resync", status="queued", progress=None, error=None)),
        MethodComparison: MethodComparison(
            position_id=_POSITION,
            method="fifo",
            totals=(_METHOD_TOTAL,),
            items=(_METHOD_CLOSING,),
            next_cursor=None,
            freshness=_LIVE,
        ),
        LotPage: LotPage(
            average_entry_price="227.5",
            average_exit_price="231.4",
            max_quantity="140",
            holding_seconds=1_578_598,
            items=(_LOT,),
            next_cursor=None,
            freshness=_LIVE,
        ),
        DifferencePage: DifferencePage(items=(_DIFFERENCE,), next_cursor=None, freshness=_LIVE),
        Position: _ROW,
        PositionDetail: _DETAIL,
        PositionEventPage: PositionEventPage(items=(_EVENT,), next_cursor=None, freshness=_LIVE),
        PositionPage: PositionPage(items=(_ROW,), next_cursor=None, freshness=_LIVE),
        RealizedDifferencePage: RealizedDifferencePage(
            items=(_REALIZED_DIFFERENCE,), totals=(_REALIZED_TOTAL,), next_cursor=None, freshness=_LIVE
        ),
        RealizedPage: RealizedPage(items=(_REALIZED,), next_cursor=None, freshness=_LIVE),
        ReconciliationPage: ReconciliationPage(items=(_RECONCILIATION,), next_cursor=None, freshness=_LIVE),
        StatisticsPage: StatisticsPage(items=(_STATISTICS,), next_cursor=None, freshness=_LIVE),
        SessionInfo: SessionInfo(authenticated=True, profile="main", version="0.1.0"),
        Summary: _SUMMARY,
        SyncReport: _SYNC,
    }
)
