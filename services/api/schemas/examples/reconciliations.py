"""Examples of comparisons with the broker."""

from msgspec import Struct, structs

from services.api.schemas.examples.common import AT, LIVE, POSITION_ID
from services.api.schemas.reconciliations import (
    Difference,
    DifferenceAcknowledgement,
    DifferenceDetail,
    DifferencePage,
    Reconciliation,
    ReconciliationPage,
)

_RECONCILIATION = Reconciliation(
    id=4711,
    account="U1234567",
    started_at=AT,
    finished_at=AT,
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
    since=AT,
    resolved_at=None,
    position_id=POSITION_ID,
    status="acknowledged",
    acknowledged_at=AT,
    acknowledged_by="anna",
    note="The 20 of a gift; the statement comes in January.",
    acknowledged_ours="100",
    acknowledged_brokers="120",
    acknowledgement_ended_at=None,
)

EXAMPLES: dict[type[Struct], Struct] = {
    DifferenceAcknowledgement: DifferenceAcknowledgement(note=_DIFFERENCE.note or ""),
    DifferenceDetail: DifferenceDetail(**structs.asdict(_DIFFERENCE), freshness=LIVE),
    DifferencePage: DifferencePage(items=(_DIFFERENCE,), next_cursor=None, freshness=LIVE),
    ReconciliationPage: ReconciliationPage(
        items=(_RECONCILIATION,), compared_at=AT, next_cursor=None, freshness=LIVE
    ),
}
