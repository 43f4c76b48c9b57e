"""Examples of comparisons with the broker."""

from msgspec import Struct

from services.api.schemas.examples.common import AT, LIVE, POSITION_ID
from services.api.schemas.reconciliations import (
    Difference,
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
)

EXAMPLES: dict[type[Struct], Struct] = {
    DifferencePage: DifferencePage(items=(_DIFFERENCE,), next_cursor=None, freshness=LIVE),
    ReconciliationPage: ReconciliationPage(items=(_RECONCILIATION,), next_cursor=None, freshness=LIVE),
}
