"""Measures of performance."""

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from lotkeeper_client.rows.common import Freshness


class MeasuredAccount(Struct, frozen=True, kw_only=True):
    """An account that was measured: the currency of its rows, how many there are, and from when to when."""

    account: str
    currency: str | None
    points: int
    first_at: datetime | None
    last_at: datetime | None


class Span(Struct, frozen=True, kw_only=True):
    """The time that the figures are about: from the first value to the last."""

    first_at: datetime | None
    last_at: datetime | None
    points: int
    days: Decimal
    unknown_since: datetime | None


class Figure(Struct, frozen=True, kw_only=True):
    """A figure, or null and the reason why it cannot be told (docs/reference/metrics.md)."""

    value: Decimal | None
    reason: str | None = None


class MoneyMeasures(Struct, frozen=True, kw_only=True):
    """Amounts in `currency`. What was gained is the change in value less what was contributed."""

    start_value: Figure
    end_value: Figure
    net_contribution: Figure
    gain: Figure
    average_value: Figure


class ReturnFigure(Struct, frozen=True, kw_only=True):
    """A return as a fraction: by the year where `is_annualised`, else of the whole time, under a year."""

    value: Decimal | None
    reason: str | None = None
    is_annualised: bool | None = None


class DayFigure(Struct, frozen=True, kw_only=True):
    """A day's return, and which day that was."""

    value: Decimal | None
    reason: str | None = None
    day: date | None = None


class ReturnMeasures(Struct, frozen=True, kw_only=True):
    """Returns, as fractions."""

    time_weighted: Figure
    annualised: ReturnFigure
    money_weighted: ReturnFigure
    modified_dietz: Figure
    best_day: DayFigure
    worst_day: DayFigure
    positive_days: Figure


class DrawdownSpell(Struct, frozen=True, kw_only=True):
    """A time below the highest so far. `recovered_at` is null while it lasts."""

    depth: Decimal
    peak_at: datetime
    trough_at: datetime
    recovered_at: datetime | None
    length_days: Decimal
    recovery_days: Decimal | None


class DrawdownMeasures(Struct, frozen=True, kw_only=True):
    """How far the linked return was below its highest so far: fractions, never above zero."""

    maximum: Figure
    current: Figure
    worst: tuple[DrawdownSpell, ...]


class RiskMeasures(Struct, frozen=True, kw_only=True):
    """Ratios by the year, of the series' own periods; `risk_free` is the annual rate that was asked for."""

    risk_free: Decimal
    volatility: Figure
    downside_deviation: Figure
    sharpe_ratio: Figure
    sortino_ratio: Figure
    calmar_ratio: Figure


class BenchmarkMeasures(Struct, frozen=True, kw_only=True):
    """The account beside a benchmark, over the days that both have."""

    name: str | None
    currency: str | None
    time_weighted: Figure
    beta: Figure
    alpha: Figure
    correlation: Figure
    tracking_error: Figure
    information_ratio: Figure


class DayOutcomeMeasures(Struct, frozen=True, kw_only=True):
    """How days of trading ended; amounts in `currency`."""

    days: int
    decided: int
    won: int
    lost: int
    gross_profit: Decimal
    gross_loss: Decimal
    win_rate: Figure
    profit_factor: Figure


class PositionOutcomeMeasures(Struct, frozen=True, kw_only=True):
    """How positions ended that were closed in that time (`GET /api/v1/statistics` has more)."""

    closed: int
    decided: int
    won: int
    lost: int
    currency: str | None
    gross_profit: Figure
    gross_loss: Figure
    win_rate: Figure
    profit_factor: Figure


class LargestHolding(Struct, frozen=True, kw_only=True):
    """The holding with the largest share."""

    conid: int
    symbol: str


class PlacementMeasures(Struct, frozen=True, kw_only=True):
    """How money is placed, as fractions."""

    as_of: datetime | None
    long_exposure: Figure
    short_exposure: Figure
    gross_exposure: Figure
    net_exposure: Figure
    concentration: Figure
    largest_share: Figure
    largest: LargestHolding | None
    turnover: Figure
    average_gross_exposure: Figure
    average_cash_share: Figure
    cash_drag: Figure


class YearReturns(Struct, frozen=True, kw_only=True):
    """What the twelve months of a year returned, and what is known of the year."""

    year: int
    months: tuple[Figure, ...]
    whole: Figure


class Measures(Struct, frozen=True, kw_only=True):
    """What accounts together were worth, earned and risked."""

    accounts: tuple[MeasuredAccount, ...]
    group: str | None
    resolution: str
    currency: str | None
    span: Span
    data_quality: str
    money: MoneyMeasures
    returns: ReturnMeasures
    drawdown: DrawdownMeasures
    risk: RiskMeasures
    benchmark: BenchmarkMeasures
    days: DayOutcomeMeasures
    closed_positions: PositionOutcomeMeasures
    placement: PlacementMeasures
    years: tuple[YearReturns, ...]
    freshness: Freshness
