"""Accounts looked at together."""

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field

from lotkeeper_client.rows.accounts import Summary
from lotkeeper_client.rows.attention import OpenIssues
from lotkeeper_client.rows.common import Coverage, Freshness
from lotkeeper_client.rows.measures import DrawdownSpell, Figure, Span


class PortfolioExposure(Struct, frozen=True, kw_only=True):
    """What is held, as shares of net liquidation, by the newest snapshot of each account."""

    as_of: datetime | None
    long: Figure
    short: Figure
    gross: Figure
    net: Figure


class PortfolioSummary(Struct, frozen=True, kw_only=True):
    """What accounts are worth together, in `base_currency`, and what of them wants attention."""

    group: str | None
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
    exposure: PortfolioExposure
    open_issues: OpenIssues
    open_differences: int
    acknowledged_differences: int
    gaps: int
    accounts: tuple[Summary, ...]
    freshness: Freshness


class UnderwaterPoint(Struct, frozen=True, kw_only=True):
    """How far the linked return was below its highest so far: a fraction, never above zero."""

    at: datetime
    drawdown: Decimal


class Drawdowns(Struct, frozen=True, kw_only=True):
    """How far accounts together fell, and for how long; flows taken out."""

    accounts: tuple[str, ...]
    group: str | None
    resolution: str
    currency: str | None
    span: Span
    data_quality: str
    maximum: Figure
    current: Figure
    episodes: tuple[DrawdownSpell, ...]
    episodes_found: int
    underwater: tuple[UnderwaterPoint, ...]
    freshness: Freshness


class HistoryPoint(Struct, frozen=True, kw_only=True):
    """What accounts together were worth at a time, and what they had returned by then, as fractions."""

    at: datetime
    day: date
    net_liquidation: Decimal
    net_contribution: Decimal | None
    returned: Decimal | None = field(name="return")
    drawdown: Decimal | None
    benchmark: Decimal | None


class PortfolioHistory(Struct, frozen=True, kw_only=True):
    """What accounts together were worth, point by point, oldest first."""

    accounts: tuple[str, ...]
    group: str | None
    resolution: str
    currency: str | None
    benchmark: str | None
    span: Span
    data_quality: str
    points: tuple[HistoryPoint, ...]
    points_found: int
    freshness: Freshness


class CalendarDay(Struct, frozen=True, kw_only=True):
    """What a day of the broker's gained (`pnl`, contributions taken out), and that as a fraction."""

    day: date
    net_liquidation: Decimal
    net_contribution: Decimal | None
    pnl: Decimal | None
    returned: Decimal | None = field(name="return")


class CalendarMonth(Struct, frozen=True, kw_only=True):
    """The days of a month together: `days` of them, `unknown_days` of which cannot be told."""

    month: int
    days: int
    unknown_days: int
    pnl: Decimal | None
    returned: Decimal | None = field(name="return")


class Calendar(Struct, frozen=True, kw_only=True):
    """How each day of a year ended, of accounts together, in `currency`; by the broker's days."""

    year: int
    accounts: tuple[str, ...]
    group: str | None
    currency: str | None
    days: tuple[CalendarDay, ...]
    months: tuple[CalendarMonth, ...]
    unknown_days: int
    pnl: Decimal | None
    returned: Decimal | None = field(name="return")
    freshness: Freshness


class AllocationAccount(Struct, frozen=True, kw_only=True):
    """The newest snapshot of an account, which is what its items are of. Amounts are in `base_currency`."""

    account: str
    snapshot_id: int
    asof_ts: datetime
    base_currency: str
    net_liquidation: Decimal
    total_cash: Decimal | None
    coverage: Decimal


class AllocationItem(Struct, frozen=True, kw_only=True):
    """What an account holds of one thing, in the account's base currency."""

    account: str
    key: str | None
    name: str | None
    cash: bool
    rest: bool
    market_value: Decimal | None
    long_value: Decimal | None
    short_value: Decimal | None
    share: Decimal | None
    holdings: int
    holdings_valued: int
    holdings_fresh: int


class AllocationTotal(Struct, frozen=True, kw_only=True):
    """What all accounts in question hold of one thing together, in the currency that they share."""

    key: str | None
    name: str | None
    cash: bool
    rest: bool
    market_value: Decimal | None
    long_value: Decimal | None
    short_value: Decimal | None
    share: Decimal | None
    holdings: int
    holdings_valued: int
    holdings_fresh: int


class Allocation(Struct, frozen=True, kw_only=True):
    """What accounts hold, the largest first: each account by itself, and all together."""

    by: str
    group: str | None
    currency: str | None
    accounts: tuple[AllocationAccount, ...]
    items: tuple[AllocationItem, ...]
    totals: tuple[AllocationTotal, ...] | None
    freshness: Freshness


class ValuedPosition(Struct, frozen=True, kw_only=True):
    """What the ledger held of an instrument at the moment, and what that was worth at the nearest mark."""

    position_id: str
    conid: int
    symbol: str
    sec_type: str
    currency: str
    quantity: Decimal
    average_cost: Decimal | None
    cost_basis: Decimal | None
    mark_price: Decimal | None
    mark_as_of: datetime | None
    mark_age_seconds: int | None
    mark_source: str | None
    mark_restated: bool
    market_value: Decimal | None
    fx_rate: Decimal | None
    fx_as_of: datetime | None
    market_value_base: Decimal | None
    unrealized_pnl: Decimal | None
    counted: Decimal | None


class ValuationCash(Struct, frozen=True, kw_only=True):
    """Cash in one currency, as it was told nearest to the moment."""

    currency: str
    amount: Decimal
    as_of: datetime
    source: str


class ValuationCoverage(Struct, frozen=True, kw_only=True):
    """How many `positions` have a value in the base currency."""

    positions: int
    valued: int
    share: Decimal


class NearestValue(Struct, frozen=True, kw_only=True):
    """The broker's own net liquidation, told nearest to the moment."""

    amount: Decimal
    as_of: datetime
    source: str


class AccountValuation(Struct, frozen=True, kw_only=True):
    """What an account was worth. Amounts are in `base_currency`."""

    account: str
    base_currency: str | None
    positions: tuple[ValuedPosition, ...]
    cash: tuple[ValuationCash, ...]
    positions_value: Decimal | None
    cash_value: Decimal | None
    due_value: Decimal | None
    trades_apart: int | None
    total: Decimal | None
    oldest_rate_at: datetime | None
    coverage: ValuationCoverage
    net_liquidation: NearestValue | None


class ValuationReport(Struct, frozen=True, kw_only=True):
    """What accounts were worth at `as_of`."""

    as_of: datetime
    items: tuple[AccountValuation, ...]
    freshness: Freshness
