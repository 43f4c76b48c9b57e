from msgspec import Struct

from models.queries.allocation import Grouping
from services.api.schemas.common import Amount, Freshness, Moment


class AllocationAccount(Struct, frozen=True, kw_only=True):
    """The newest snapshot of an account, which is what its items are of. Amounts are in ``base_currency``."""

    account: str
    snapshot_id: int
    asof_ts: Moment
    base_currency: str
    net_liquidation: Amount
    total_cash: Amount | None
    coverage: Amount


class AllocationItem(Struct, frozen=True, kw_only=True):
    """What an account holds of one thing, in the account's base currency.

    ``key`` is a global instrument's id, a ``sec_type``, a currency or a country, null where that is not
    known; ``cash`` tells the account's cash from holdings. ``rest`` is everything beyond the largest,
    together. ``market_value`` is of what has a known value, ``long_value`` and ``short_value`` (negative)
    its parts, ``share`` what it is of net liquidation; all null where nothing has one. Where
    ``holdings_valued`` is below ``holdings`` the rest of it is not known, and not zero. ``holdings_fresh``
    had a mark of that time. A future's value is that of what it is a contract on, no part of net liquidation.
    """

    account: str
    key: str | None
    name: str | None
    cash: bool
    rest: bool
    market_value: Amount | None
    long_value: Amount | None
    short_value: Amount | None
    share: Amount | None
    holdings: int
    holdings_valued: int
    holdings_fresh: int


class Allocation(Struct, frozen=True, kw_only=True):
    """What accounts hold, the largest first, each account by itself: nothing is summed across currencies."""

    by: Grouping
    accounts: tuple[AllocationAccount, ...]
    items: tuple[AllocationItem, ...]
    freshness: Freshness
