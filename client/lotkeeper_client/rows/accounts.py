"""Accounts, groups of them, and benchmarks."""

from datetime import date
from decimal import Decimal

from msgspec import Struct

from lotkeeper_client.rows.common import Coverage, Freshness


class Account(Struct, frozen=True, kw_only=True):
    """An account of the login. Paper accounts are labelled, and so is what the login's last list lacks."""

    account: str
    alias: str | None
    base_currency: str | None
    paper: bool
    listed: bool
    cost_method: str
    freshness: Freshness


class Summary(Struct, frozen=True, kw_only=True):
    """What an account is worth, in its base currency."""

    account: str
    base_currency: str | None
    net_liquidation: Decimal | None
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    daily_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    win_rate: Decimal | None
    open_positions: int
    total_trades: int
    coverage: Coverage
    freshness: Freshness


class AccountGroup(Struct, frozen=True, kw_only=True):
    """Accounts that are looked at together."""

    name: str
    accounts: tuple[str, ...]


class BenchmarkSeries(Struct, frozen=True, kw_only=True):
    """A benchmark whose levels are kept; `currency` is null where its file did not come with one."""

    name: str
    currency: str | None
    levels: int
    first_day: date
    last_day: date
