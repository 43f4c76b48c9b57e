"""Examples of positions, and of what they were made of."""

from msgspec import Struct
from msgspec.structs import asdict

from services.api.schemas.examples.common import AT, LIVE, OPENED, POSITION_ID
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

_ROW = Position(
    id=POSITION_ID,
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
    mark_as_of=AT,
    opened_at=OPENED,
    closed_at=None,
    holding_seconds=1_578_598,
    broker_quantity="100",
    reconciled=True,
    provisional=False,
    freshness=LIVE,
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
            since=AT,
        ),
    ),
)
_EVENT = PositionEvent(
    id=f"{POSITION_ID}:1",
    position_id=POSITION_ID,
    type="opened",
    executed_at=OPENED,
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
    executed_at=OPENED,
    corrected_by=None,
    position_id=POSITION_ID,
    source="live",
)
_LOT = Lot(
    seq=1,
    exec_id="0000e0d5.69cbfe2a.01.01",
    opened_at=OPENED,
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
            closed_at=AT,
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

EXAMPLES: dict[type[Struct], Struct] = {
    ExecutionPage: ExecutionPage(items=(_EXECUTION,), next_cursor=None, freshness=LIVE),
    LotPage: LotPage(
        average_entry_price="227.5",
        average_exit_price="231.4",
        max_quantity="140",
        holding_seconds=1_578_598,
        items=(_LOT,),
        next_cursor=None,
        freshness=LIVE,
    ),
    Position: _ROW,
    PositionDetail: _DETAIL,
    PositionEventPage: PositionEventPage(items=(_EVENT,), next_cursor=None, freshness=LIVE),
    PositionPage: PositionPage(items=(_ROW,), next_cursor=None, freshness=LIVE),
}
