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


class AllocationTotal(Struct, frozen=True, kw_only=True):
    """What all accounts in question hold of one thing together, in the currency that they share.

    The fields are those of an item of one account; ``share`` is of what they are worth together.
    """

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


class AllocationItem(Struct, frozen=True, kw_only=True):
    """What an account holds of one thing, in the account's base currency.

    ``key`` is a global instrument's id, a ``sec_type``, a currency, a country, a conid or an account, null
    where that is not known; ``cash`` tells the account's cash from holdings. ``rest`` is everything beyond
    the largest, together. ``market_value`` is of what has a known value, ``long_value`` and ``short_value``
    (negative) its parts, ``share`` what it is of net liquidation; all null where nothing has one. Where
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
    """What accounts hold, the largest first: each account by itself, and all together.

    ``currency`` is the base currency of all of them, and ``totals`` is in it; both null where they have
    several, for nothing is summed across currencies.
    """

    by: Grouping
    group: str | None
    currency: str | None
    accounts: tuple[AllocationAccount, ...]
    items: tuple[AllocationItem, ...]
    totals: tuple[AllocationTotal, ...] | None
    freshness: Freshness
