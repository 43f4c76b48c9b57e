"""Accounts looked at together: what they are worth now, how far they fell, and how each day ended."""

from datetime import date

from msgspec import Struct, field

from core.domain.performance import Quality, Resolution
from services.api.schemas.accounts import Summary
from services.api.schemas.common import Amount, Coverage, Freshness, Moment
from services.api.schemas.measures import DrawdownSpell, Figure, Span
from services.api.schemas.validation import OpenIssues


class PortfolioExposure(Struct, frozen=True, kw_only=True):
    """What is held, as shares of net liquidation, by the newest snapshot of each account; as of the oldest.

    ``short`` is below zero; ``gross`` = long - short, ``net`` = long + short.
    """

    as_of: Moment | None
    long: Figure
    short: Figure
    gross: Figure
    net: Figure


class PortfolioSummary(Struct, frozen=True, kw_only=True):
    """What accounts are worth together, in ``base_currency``, and what of them wants attention.

    Amounts are null where the accounts have no currency in common, or one of them does not tell the figure:
    unknown is not zero. ``daily_pnl``, ``unrealized_pnl`` and ``realized_pnl`` are IBKR's account window,
    which resets daily. ``accounts`` has each of them by itself; of several those count in the sums whose data
    can be live. ``open_differences`` are books that are not what the broker says, of
    ``acknowledged_differences`` others somebody said why they may stand; ``gaps`` are times of which the
    executions are not known.
    """

    group: str | None
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
    exposure: PortfolioExposure
    open_issues: OpenIssues
    open_differences: int
    acknowledged_differences: int
    gaps: int
    accounts: tuple[Summary, ...]
    freshness: Freshness


class UnderwaterPoint(Struct, frozen=True, kw_only=True):
    """How far the linked return was below its highest so far: a fraction, never above zero."""

    at: Moment
    drawdown: Amount


class Drawdowns(Struct, frozen=True, kw_only=True):
    """How far accounts together fell, and for how long; flows taken out.

    ``episodes`` are the deepest of ``episodes_found``, the deepest first. ``underwater`` is every point, or,
    where there are more than asked for, the lowest of stretches in a row. Where ``maximum`` has a reason,
    neither can be told.
    """

    accounts: tuple[str, ...]
    group: str | None
    resolution: Resolution
    currency: str | None
    span: Span
    data_quality: Quality
    maximum: Figure
    current: Figure
    episodes: tuple[DrawdownSpell, ...]
    episodes_found: int
    underwater: tuple[UnderwaterPoint, ...]
    freshness: Freshness


class CalendarDay(Struct, frozen=True, kw_only=True):
    """What a day of the broker's gained (``pnl``, contributions taken out), and that as a fraction.

    Null where it cannot be told: the value before is the account's first, more than five days ago or not
    known, or what was contributed is not.
    """

    day: date
    net_liquidation: Amount
    net_contribution: Amount | None
    pnl: Amount | None
    returned: Amount | None = field(name="return")


class CalendarMonth(Struct, frozen=True, kw_only=True):
    """The days of a month together: ``days`` of them, ``unknown_days`` of which cannot be told.

    The sum and the linked return are of all its days, and null while one of them is not known.
    """

    month: int
    days: int
    unknown_days: int
    pnl: Amount | None
    returned: Amount | None = field(name="return")


class Calendar(Struct, frozen=True, kw_only=True):
    """How each day of a year ended, of accounts together, in ``currency``; by the broker's days.

    The sums of the year are null while one of its days is not known.
    """

    year: int
    accounts: tuple[str, ...]
    group: str | None
    currency: str | None
    days: tuple[CalendarDay, ...]
    months: tuple[CalendarMonth, ...]
    unknown_days: int
    pnl: Amount | None
    returned: Amount | None = field(name="return")
    freshness: Freshness


class HistoryPoint(Struct, frozen=True, kw_only=True):
    """What accounts together were worth at a time, on a day of the broker's, and what they had returned.

    ``net_contribution`` is what was brought less what was taken since the point before it in the same answer
    (of the first: since the value before it; nothing, where there is none). ``return`` is the linked return
    since the first value, contributions taken out, ``drawdown`` how far that was below its highest so far,
    ``benchmark`` what the benchmark had returned since that first day: fractions. Null where it cannot be
    told.
    """

    at: Moment
    day: date
    net_liquidation: Amount
    net_contribution: Amount | None
    returned: Amount | None = field(name="return")
    drawdown: Amount | None
    benchmark: Amount | None


class PortfolioHistory(Struct, frozen=True, kw_only=True):
    """What accounts together were worth, point by point, oldest first, in ``currency``.

    Where there are more than asked for, ``points`` are of each stretch the lowest and the highest in value
    and the lowest in return, besides the first and the last; ``points_found`` is how many there are.
    """

    accounts: tuple[str, ...]
    group: str | None
    resolution: Resolution
    currency: str | None
    benchmark: str | None
    span: Span
    data_quality: Quality
    points: tuple[HistoryPoint, ...]
    points_found: int
    freshness: Freshness
