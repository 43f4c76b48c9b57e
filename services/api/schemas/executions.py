from typing import Literal

from msgspec import Struct

from services.api.schemas.common import Amount, Freshness, Moment


class Execution(Struct, frozen=True, kw_only=True):
    """A fill. ``quantity`` is positive, of a cancellation zero; ``side`` carries the direction.

    The commission is as charged, in ``commission_currency``; ``commission_rate`` is the recorded value of one
    unit of that in ``currency``, null where none is needed or none is known yet. A corrected fill's is what
    its versions were charged together: converted where they were charged in several currencies, and null
    while one of those cannot be converted; their rate is null where they have several.
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
    commission_rate: Amount | None
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
