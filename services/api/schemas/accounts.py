from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from core.domain.lots import CostMethod
from services.api.schemas.common import Amount, Coverage, Freshness

ALL_ACCOUNTS = "ALL"
"""The summary key that holds the sums over all accounts."""
LONGEST_ALIAS: Final = 60
"""Characters of what an account is called."""


class Account(Struct, frozen=True, kw_only=True):
    """An account of the login. Paper accounts are labelled, and so is what the login's last list lacks.

    ``cost_method`` says which lot a closing fill takes first: the oldest, the newest, the dearest, or a part
    of each at their average. A book that was begun under another one keeps it until it is folded anew.
    """

    account: str
    alias: str | None
    base_currency: str | None
    paper: bool
    listed: bool
    cost_method: CostMethod
    freshness: Freshness


class AccountChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of an account is to be otherwise; what is left out stays.

    ``alias`` is what its owner calls it; null: as statements do, if they do.
    """

    alias: Annotated[str, Meta(min_length=1, max_length=LONGEST_ALIAS)] | UnsetType | None = UNSET
    cost_method: CostMethod | UnsetType = UNSET


class AccountPage(Struct, frozen=True, kw_only=True):
    """Every account that was ever seen."""

    items: tuple[Account, ...]
    next_cursor: str | None
    freshness: Freshness


class Summary(Struct, frozen=True, kw_only=True):
    """What an account is worth, in its base currency.

    The profit-and-loss figures are IBKR's account window, which resets daily. ``win_rate`` is the fraction of
    closed positions with a known result that ended in profit. ``total_trades`` counts executions, a corrected
    one once.
    """

    account: str
    base_currency: str | None
    net_liquidation: Amount | None
    total_cash: Amount | None
    gross_position_value: Amount | None
    daily_pnl: Amount | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount | None
    win_rate: Amount | None
    open_positions: int
    total_trades: int
    coverage: Coverage
    freshness: Freshness
