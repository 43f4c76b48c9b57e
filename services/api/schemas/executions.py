from typing import Literal

from msgspec import Struct

from services.api.schemas.common import Amount, Freshness, Moment


class Execution(Struct, frozen=True, kw_only=True):
    """A fill. ``quantity`` is positive; ``side`` carries the direction.

    The commission of a corrected fill is what its versions were charged together.
    """

    exec_id: str
    order_ref: str
    perm_id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    side: Literal["BOT", "SLD"]
    quantity: Amount
    price: Amount
    commission: Amount | None
    commission_currency: str | None
    realized_pnl: Amount | None
    broker_realized_pnl: Amount | None
    currency: str
    executed_at: Moment
    corrected_by: str | None
    position_id: str | None
    source: str


class ExecutionPage(Struct, frozen=True, kw_only=True):
    """Executions, newest first."""

    items: tuple[Execution, ...]
    next_cursor: str | None
    freshness: Freshness
