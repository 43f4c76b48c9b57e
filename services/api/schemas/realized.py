from msgspec import Struct

from services.api.schemas.common import Amount, Freshness


class Realized(Struct, frozen=True, kw_only=True):
    """What one account realized in one currency, in one period or symbol.

    ``realized_pnl`` is ours, null while one of the disposals is unknown (``unknown_disposals`` of them are);
    ``broker_realized_pnl`` is the sum of the broker's own figures for the same closing fills, null while it
    gave none for one of them (``missing_broker_figures``).
    """

    key: str
    account: str
    currency: str
    realized_pnl: Amount | None
    commission: Amount
    broker_realized_pnl: Amount | None
    disposals: int
    unknown_disposals: int
    missing_broker_figures: int
    provisional: bool


class RealizedPage(Struct, frozen=True, kw_only=True):
    """Realized profit and loss: periods newest first, symbols in order."""

    items: tuple[Realized, ...]
    next_cursor: str | None
    freshness: Freshness
