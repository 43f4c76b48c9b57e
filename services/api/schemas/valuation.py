from msgspec import Struct

from core.domain.rate_history import WhoTold
from services.api.schemas.common import Amount, Freshness, Moment


class ValuedPosition(Struct, frozen=True, kw_only=True):
    """What the ledger held of an instrument at the moment, and what that was worth at the nearest mark.

    ``mark_price`` is as quoted, in the units of the moment: ``mark_restated`` where the mark, of
    ``mark_as_of``, is from the other side of a split. ``mark_age_seconds`` is negative where the mark is of
    after the moment. ``market_value``, ``unrealized_pnl`` and the costs are in ``currency``,
    ``market_value_base`` is that times ``fx_rate``. ``counted`` is its part of the account's ``total``:
    nothing of a future, whose gains are in the cash or due, and of a CFD what it gained. Without a mark there
    is no value, without a rate none in the base currency.
    """

    position_id: str
    conid: int
    symbol: str
    sec_type: str
    currency: str
    quantity: Amount
    average_cost: Amount | None
    cost_basis: Amount | None
    mark_price: Amount | None
    mark_as_of: Moment | None
    mark_age_seconds: int | None
    mark_source: WhoTold | None
    mark_restated: bool
    market_value: Amount | None
    fx_rate: Amount | None
    fx_as_of: Moment | None
    market_value_base: Amount | None
    unrealized_pnl: Amount | None
    counted: Amount | None


class ValuationCash(Struct, frozen=True, kw_only=True):
    """Cash in one currency, as it was told nearest to the moment.

    ``BASE_SUMMARY`` is all of it, in the base currency.
    """

    currency: str
    amount: Amount
    as_of: Moment
    source: WhoTold


class ValuationCoverage(Struct, frozen=True, kw_only=True):
    """How many ``positions`` have a value in the base currency.

    ``share`` (0 to 1, by value) of them all have one from a mark and a rate that were at most a week old.
    """

    positions: int
    valued: int
    share: Amount


class NearestValue(Struct, frozen=True, kw_only=True):
    """The broker's own net liquidation, told nearest to the moment."""

    amount: Amount
    as_of: Moment
    source: WhoTold


class AccountValuation(Struct, frozen=True, kw_only=True):
    """What an account was worth. Amounts are in ``base_currency``.

    ``total`` is cash, positions and what is due, as the broker counts net liquidation; null where a part of
    it is not known. ``due_value`` is interest and dividends that are due and what futures gained since they
    were settled; null: it was not told with the cash, and counts as nothing. ``oldest_rate_at`` is of when
    the oldest rate is that any of it was converted with. ``positions_value`` is of those positions that have
    one. ``trades_apart`` executions lie between the moment and the time of the cash, which is not moved on by
    them; null: no cash was told.
    """

    account: str
    base_currency: str | None
    positions: tuple[ValuedPosition, ...]
    cash: tuple[ValuationCash, ...]
    positions_value: Amount | None
    cash_value: Amount | None
    due_value: Amount | None
    trades_apart: int | None
    total: Amount | None
    oldest_rate_at: Moment | None
    coverage: ValuationCoverage
    net_liquidation: NearestValue | None


class ValuationReport(Struct, frozen=True, kw_only=True):
    """What accounts were worth at ``as_of``."""

    as_of: Moment
    items: tuple[AccountValuation, ...]
    freshness: Freshness
