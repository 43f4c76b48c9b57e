from msgspec import Struct

from core.domain.lots import CostMethod
from services.api.schemas.common import Amount, Freshness, Moment


class Realized(Struct, frozen=True, kw_only=True):
    """What one account realized in one currency, in one period or symbol.

    ``realized_pnl`` is ours, null while one of the disposals is unknown (``unknown_disposals`` of them are);
    ``broker_realized_pnl`` is the sum of the broker's own figures for the same closing fills, null while it
    gave none for one of them (``missing_broker_figures``). ``difference`` is ours less the broker's, of the
    closing fills alone, null when either side is. ``realized_without_fill`` is ours of the
    ``disposals_without_fill``, of which the broker has no figure (an expiry, an exercise or an assignment, a
    merger, any other adjustment), null while one of them is unknown: where all are known, ``realized_pnl`` is
    the sum of ``broker_realized_pnl``, ``difference`` and it.

    ``method`` is the cost method that chose the lots, null where several did. ``difference_from_own`` is what
    it makes more than the accounts' own, null unless a method was asked for and both are known.
    """

    key: str
    account: str
    currency: str
    realized_pnl: Amount | None
    commission: Amount
    broker_realized_pnl: Amount | None
    difference: Amount | None
    realized_without_fill: Amount | None
    disposals: int
    disposals_without_fill: int
    unknown_disposals: int
    missing_broker_figures: int
    provisional: bool
    method: CostMethod | None
    difference_from_own: Amount | None


class RealizedPage(Struct, frozen=True, kw_only=True):
    """Realized profit and loss: periods newest first, symbols in order."""

    items: tuple[Realized, ...]
    next_cursor: str | None
    freshness: Freshness


class RealizedDifference(Struct, frozen=True, kw_only=True):
    """A closing fill on which ours and the broker's realized figure differ by more than half a cent.

    Up to half a cent is rounding: the broker reckons in binary floating point, to digits of its own choice.
    ``difference`` is ours less the broker's. While ``provisional``, ours may still change.
    """

    exec_id: str
    account: str
    conid: int
    symbol: str
    currency: str
    executed_at: Moment
    realized_pnl: Amount
    broker_realized_pnl: Amount
    difference: Amount
    provisional: bool
    position_id: str


class RealizedTotal(Struct, frozen=True, kw_only=True):
    """Ours against the broker's over all closing fills in question of one account and currency.

    The sums are over the ``compared_fills``, those of which both figures are known; ``differing_fills`` of
    them are more than half a cent apart, and ours is provisional in ``estimated_fills`` of those. Of
    ``missing_broker_figures`` fills the broker gave no figure, of ``unknown_fills`` we have none.
    """

    account: str
    currency: str
    realized_pnl: Amount
    broker_realized_pnl: Amount
    difference: Amount
    compared_fills: int
    differing_fills: int
    estimated_fills: int
    missing_broker_figures: int
    unknown_fills: int


class RealizedDifferencePage(Struct, frozen=True, kw_only=True):
    """Where ours and the broker's realized figures differ, newest first; the totals are of all pages."""

    items: tuple[RealizedDifference, ...]
    totals: tuple[RealizedTotal, ...]
    next_cursor: str | None
    freshness: Freshness
