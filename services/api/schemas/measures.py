"""Measures of performance. Each is a value, or null and why there is none: never a false zero."""

from datetime import date

from msgspec import Struct

from core.domain.measures.measured import Reason
from core.domain.performance import Quality, Resolution
from services.api.schemas.common import Amount, Freshness, Moment


class Figure(Struct, frozen=True, kw_only=True):
    """A figure, or null and the reason why it cannot be told (docs/reference/metrics.md)."""

    value: Amount | None
    reason: Reason | None = None


class ReturnFigure(Struct, frozen=True, kw_only=True):
    """A return as a fraction: by the year where ``is_annualised``, else of the whole time, under a year."""

    value: Amount | None
    reason: Reason | None = None
    is_annualised: bool | None = None


class DayFigure(Struct, frozen=True, kw_only=True):
    """A day's return, and which day that was."""

    value: Amount | None
    reason: Reason | None = None
    day: date | None = None


class MeasuredAccount(Struct, frozen=True, kw_only=True):
    """An account that was measured: the currency of its rows, how many there are, and from when to when."""

    account: str
    currency: str | None
    points: int
    first_at: Moment | None
    last_at: Moment | None


class Span(Struct, frozen=True, kw_only=True):
    """The time that the figures are about: from the first value to the last.

    ``unknown_since`` is the end of the first interval without a return: ask from then on, or up to before it.
    """

    first_at: Moment | None
    last_at: Moment | None
    points: int
    days: Amount
    unknown_since: Moment | None


class MoneyMeasures(Struct, frozen=True, kw_only=True):
    """Amounts in ``currency``. What was gained is the change in value less what was contributed."""

    start_value: Figure
    end_value: Figure
    net_contribution: Figure
    gain: Figure
    average_value: Figure


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
    """A time below the highest so far. ``recovered_at`` is null while it lasts."""

    depth: Amount
    peak_at: Moment
    trough_at: Moment
    recovered_at: Moment | None
    length_days: Amount
    recovery_days: Amount | None


class DrawdownMeasures(Struct, frozen=True, kw_only=True):
    """How far the linked return was below its highest so far: fractions, never above zero.

    ``worst`` are the five deepest, the deepest first; none where ``maximum`` is not told.
    """

    maximum: Figure
    current: Figure
    worst: tuple[DrawdownSpell, ...]


class RiskMeasures(Struct, frozen=True, kw_only=True):
    """Ratios by the year, of the series' own periods; ``risk_free`` is the annual rate that was asked for."""

    risk_free: Amount
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
    """How days of trading ended; amounts in ``currency``."""

    days: int
    decided: int
    won: int
    lost: int
    gross_profit: Amount
    gross_loss: Amount
    win_rate: Figure
    profit_factor: Figure


class PositionOutcomeMeasures(Struct, frozen=True, kw_only=True):
    """How positions ended that were closed in that time (``GET /api/v1/statistics`` has more).

    ``currency`` is that of the instruments; null, as the amounts, where there are several.
    """

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
    """How money is placed, as fractions.

    The first ones are by the last snapshot up to ``to``, the oldest of several accounts being of ``as_of``;
    turnover, average exposure and cash are about the span.
    """

    as_of: Moment | None
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
    """What accounts together were worth, earned and risked.

    The series goes from the first value at or after ``from`` to the last up to ``to``; of several accounts it
    is their sum, in the time that all of them have. Amounts are in ``currency``. Hours and days at the end
    whose contribution is not known yet are left out: ``span`` says what time it really is about.
    ``data_quality`` is ``complete``; ``estimated``, where a value or contribution was placed by our own
    reckoning or values are missing; ``incomplete``, where the return cannot be told to the end.
    """

    accounts: tuple[MeasuredAccount, ...]
    group: str | None
    resolution: Resolution
    currency: str | None
    span: Span
    data_quality: Quality
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
