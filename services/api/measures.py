"""All measures of a series, as the contract spells them. Pure, and of a long series a matter of a second."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from core.domain.measures.amounts import average_value, gain, net_contribution
from core.domain.measures.benchmark import alpha, beta, correlation, information_ratio, tracking_error
from core.domain.measures.conversion import ends_of
from core.domain.measures.drawdowns import Drawdown, current_drawdown, drawdowns, maximum_drawdown
from core.domain.measures.holdings import (
    Concentration,
    Exposure,
    cash_drag,
    cash_share,
    concentration,
    exposure,
    gross_exposure,
    turnover,
)
from core.domain.measures.measured import Measured, PeriodReturn, Reason, ratio, unavailable
from core.domain.measures.money_weighted import modified_dietz_return, money_weighted_return
from core.domain.measures.months import yearly_returns
from core.domain.measures.returns import (
    DayReturn,
    Returns,
    annualised_return,
    best_day,
    daily_returns,
    day_outcomes,
    period_returns,
    positive_days,
    time_weighted_return,
    worst_day,
)
from core.domain.measures.risk import (
    calmar_ratio,
    downside_deviation,
    sharpe_ratio,
    sortino_ratio,
    volatility,
)
from core.domain.measures.series import AccountSeries
from core.domain.money import ZERO, plain
from core.domain.performance import DAYS_APART
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory
from core.domain.statistics import Outcomes, profit_factor, win_rate
from models.queries.placed import Placed, TradedValue
from services.api.schemas.measures import (
    BenchmarkMeasures,
    DayFigure,
    DayOutcomeMeasures,
    DrawdownMeasures,
    DrawdownSpell,
    Figure,
    LargestHolding,
    MoneyMeasures,
    PlacementMeasures,
    PositionOutcomeMeasures,
    ReturnFigure,
    ReturnMeasures,
    RiskMeasures,
    Span,
    YearReturns,
)

WORST: Final = 5
"""So many drawdowns are listed."""

_DIGITS: Final = 12
"""Behind the point of a ratio, as in the rows of performance."""

T = TypeVar("T")


class Closed(NamedTuple):
    """How positions ended in one currency."""

    currency: str
    outcomes: Outcomes


class Against(NamedTuple):
    """A benchmark: its name, the currency that its returns are in, and those by the day."""

    name: str
    currency: str | None
    returns: Returns


def money(series: AccountSeries) -> MoneyMeasures:
    """Amounts."""
    first, last = (series.valued[0], series.valued[-1]) if series.valued else (None, None)
    return MoneyMeasures(
        start_value=_or(first and first.net_liquidation, "too_few_points"),
        end_value=_or(last and last.net_liquidation, "too_few_points"),
        net_contribution=_exact(net_contribution(series)),
        gain=_exact(gain(series)),
        average_value=_exact(average_value(series)),
    )


def returns(series: AccountSeries) -> ReturnMeasures:
    """Returns of the whole time, and of its days."""
    return ReturnMeasures(
        time_weighted=figure_of(time_weighted_return(series)),
        annualised=_period(annualised_return(series)),
        money_weighted=_period(money_weighted_return(series)),
        modified_dietz=figure_of(modified_dietz_return(series)),
        best_day=_day(best_day(series)),
        worst_day=_day(worst_day(series)),
        positive_days=figure_of(positive_days(series)),
    )


def drawdown(series: AccountSeries) -> DrawdownMeasures:
    """The deepest falls."""
    return DrawdownMeasures(
        maximum=figure_of(maximum_drawdown(series)),
        current=figure_of(current_drawdown(series)),
        worst=tuple(spell_of(one) for one in drawdowns(series, WORST).value or ()),
    )


def risk(series: AccountSeries, risk_free: float) -> RiskMeasures:
    """How much it varied, and what was earned for it."""
    own = period_returns(series)
    return RiskMeasures(
        risk_free=spelled_ratio(risk_free),
        volatility=figure_of(volatility(own)),
        downside_deviation=figure_of(downside_deviation(own, risk_free)),
        sharpe_ratio=figure_of(sharpe_ratio(own, risk_free)),
        sortino_ratio=figure_of(sortino_ratio(own, risk_free)),
        calmar_ratio=figure_of(calmar_ratio(series)),
    )


def beside(series: AccountSeries, other: Against | None, risk_free: float) -> BenchmarkMeasures:
    """The account beside a benchmark."""
    if other is None:
        nothing = Figure(value=None, reason="no_benchmark")
        return BenchmarkMeasures(
            name=None,
            currency=None,
            time_weighted=nothing,
            beta=nothing,
            alpha=nothing,
            correlation=nothing,
            tracking_error=nothing,
            information_ratio=nothing,
        )
    own, its = daily_returns(series), other.returns
    return BenchmarkMeasures(
        name=other.name,
        currency=other.currency or None,
        time_weighted=figure_of(_over(its, series)),
        beta=figure_of(beta(own, its, risk_free)),
        alpha=figure_of(alpha(own, its, risk_free)),
        correlation=figure_of(correlation(own, its)),
        tracking_error=figure_of(tracking_error(own, its)),
        information_ratio=figure_of(information_ratio(own, its)),
    )


def days(series: AccountSeries) -> DayOutcomeMeasures:
    """How days of trading ended."""
    found = day_outcomes(series)
    return DayOutcomeMeasures(
        days=found.days,
        decided=found.decided,
        won=found.won,
        lost=found.lost,
        gross_profit=plain(found.gross_profit),
        gross_loss=plain(found.gross_loss),
        win_rate=_or(found.win_rate, "too_few_points"),
        profit_factor=_or(found.profit_factor, "no_loss" if found.decided else "too_few_points"),
    )


def closed_positions(found: Sequence[Closed]) -> PositionOutcomeMeasures:
    """How positions ended, of all accounts and currencies together; amounts only of a single currency."""
    decided = sum(one.outcomes.decided for one in found)
    won = sum(one.outcomes.won for one in found)
    currencies = {one.currency for one in found if one.outcomes.decided}
    with localcontext(EXACT):
        profit = sum((one.outcomes.gross_profit for one in found), ZERO)
        loss = sum((one.outcomes.gross_loss for one in found), ZERO)
    reason: Reason | None = None if currencies else "nothing_closed"
    if len(currencies) > 1:
        reason = "several_currencies"
    factor = profit_factor(profit, loss)
    return PositionOutcomeMeasures(
        closed=sum(one.outcomes.closed for one in found),
        decided=decided,
        won=won,
        lost=sum(one.outcomes.lost for one in found),
        currency=currencies.pop() if len(currencies) == 1 else None,
        gross_profit=_unless(reason, profit),
        gross_loss=_unless(reason, loss),
        win_rate=_or(win_rate(won, decided), "nothing_closed"),
        profit_factor=_or(None if reason else factor, reason or "no_loss"),
    )


def placement(
    series: AccountSeries,
    accounts: Sequence[str],
    placed: Sequence[Placed],
    traded: Iterable[TradedValue],
    rates: RateHistory | None,
) -> PlacementMeasures:
    """How money is placed; without ``rates`` nothing of another currency than theirs is known."""
    worth, values, sizes = _held(placed, rates)
    symbols = {held.conid: held.symbol for one in placed for held in one.holdings}
    is_whole = bool(accounts) and len(placed) == len(accounts)
    none: Measured[Any] = unavailable("no_snapshot")
    shares: Measured[Exposure] = exposure(values, worth) if is_whole else none
    few: Measured[Concentration[int]] = concentration(sizes) if is_whole else none
    largest = None if few.value is None else few.value.largest
    return PlacementMeasures(
        as_of=min(one.asof_ts for one in placed) if is_whole else None,
        long_exposure=part_of(shares, lambda one: one.long),
        short_exposure=part_of(shares, lambda one: one.short),
        gross_exposure=part_of(shares, lambda one: one.gross),
        net_exposure=part_of(shares, lambda one: one.net),
        concentration=part_of(few, lambda one: one.hhi),
        largest_share=part_of(few, lambda one: one.largest_share),
        largest=None if largest is None else LargestHolding(conid=largest, symbol=symbols[largest]),
        turnover=_exact(_turnover(series, traded, rates)),
        average_gross_exposure=figure_of(gross_exposure(series)),
        average_cash_share=figure_of(cash_share(series)),
        cash_drag=figure_of(cash_drag(series)),
    )


def years(series: AccountSeries) -> tuple[YearReturns, ...]:
    """Returns by year and month."""
    return tuple(
        YearReturns(
            year=one.year,
            months=tuple(figure_of(month) for month in one.months),
            whole=figure_of(one.whole),
        )
        for one in yearly_returns(series)
    )


def span(series: AccountSeries) -> Span:
    """The time that it is really about."""
    lost = np.flatnonzero(np.isnan(series.index))
    return Span(
        first_at=ends_of(series.valued[0].at) if series.valued else None,
        last_at=ends_of(series.valued[-1].at) if series.valued else None,
        points=len(series.valued),
        days=_days(timedelta(seconds=series.span_seconds)),
        unknown_since=ends_of(series.valued[lost[0]].at) if len(lost) else None,
    )


def _held(
    placed: Sequence[Placed], rates: RateHistory | None
) -> tuple[Decimal | None, list[Decimal | None], dict[int, Decimal | None]]:
    """What accounts were worth together, each of their holdings, and how much each instrument is of them.

    What one account is long and another is short of is held by both: neither takes away from the other.
    """
    worth: Decimal | None = ZERO
    values: list[Decimal | None] = []
    sizes: dict[int, Decimal | None] = {}
    with localcontext(EXACT):
        for one in placed:
            rate = None if rates is None else rates.at(one.currency, one.asof_ts)
            worth = _plus(worth, one.net_liquidation, rate)
            for held in one.holdings:
                value = _plus(ZERO, held.value, rate)
                values.append(value)
                size = None if value is None else abs(value)
                sizes[held.conid] = _plus(sizes.get(held.conid, ZERO), size, Decimal(1))
    return worth, values, sizes


def _plus(known: Decimal | None, value: Decimal | None, rate: Decimal | None) -> Decimal | None:
    if known is None or value is None or rate is None:
        return None
    return known + value * rate


def _over(its: Returns, series: AccountSeries) -> Measured[float]:
    """What a benchmark came to from the first day of a series to its last."""
    own = daily_returns(series).days
    if not len(own) or not len(its.values):
        return unavailable("too_few_points")
    last = own[-1]
    is_within = (its.days > np.datetime64(series.first_day)) & (its.days <= last)
    if its.first_day > series.first_day or its.days[-1] < last - np.timedelta64(DAYS_APART):
        return unavailable("incomplete_data")
    return ratio(np.prod(1.0 + its.values[is_within]).item() - 1.0)


def _turnover(
    series: AccountSeries, traded: Iterable[TradedValue], rates: RateHistory | None
) -> Measured[Decimal]:
    average = average_value(series)
    if average.value is None or rates is None:
        return unavailable(average.reason or "incomplete_data")
    sums: dict[str, Decimal] = {"BOT": ZERO, "SLD": ZERO}
    with localcontext(EXACT):
        for one in traded:
            rate = rates.at(one.currency, ends_of(one.day))
            if rate is None:
                return unavailable("incomplete_data")
            sums[one.side] += one.amount * rate
    return turnover(sums["BOT"], sums["SLD"], average.value)


def spell_of(one: Drawdown) -> DrawdownSpell:
    """A time below the highest so far."""
    recovered = one.recovery
    return DrawdownSpell(
        depth=spelled_ratio(one.depth),
        peak_at=ends_of(one.peak),
        trough_at=ends_of(one.trough),
        recovered_at=None if recovered is None else ends_of(recovered),
        length_days=_days(one.length),
        recovery_days=None if recovered is None else _days(recovered - one.trough),
    )


def _days(lasted: timedelta) -> str:
    return plain((Decimal(round(lasted.total_seconds())) / 86_400).quantize(Decimal("0.0001")))


def _exact(found: Measured[Decimal]) -> Figure:
    return Figure(value=None if found.value is None else plain(found.value), reason=found.reason)


def figure_of(found: Measured[float]) -> Figure:
    """A ratio, or why there is none."""
    return Figure(value=None if found.value is None else spelled_ratio(found.value), reason=found.reason)


def _period(found: Measured[PeriodReturn]) -> ReturnFigure:
    if found.value is None:
        return ReturnFigure(value=None, reason=found.reason)
    return ReturnFigure(value=spelled_ratio(found.value.value), is_annualised=found.value.is_annualised)


def _day(found: Measured[DayReturn]) -> DayFigure:
    if found.value is None:
        return DayFigure(value=None, reason=found.reason)
    return DayFigure(value=spelled_ratio(found.value.value), day=found.value.day)


def part_of(found: Measured[T], part: Callable[[T], Decimal]) -> Figure:
    """One of several figures that are told together, or why there are none."""
    if found.value is None:
        return Figure(value=None, reason=found.reason)
    return Figure(value=plain(part(found.value)))


def _or(value: Decimal | None, reason: Reason) -> Figure:
    return Figure(value=None, reason=reason) if value is None else Figure(value=plain(value))


def _unless(reason: Reason | None, value: Decimal) -> Figure:
    return Figure(value=plain(value)) if reason is None else Figure(value=None, reason=reason)


def spelled_ratio(number: float) -> str:
    """A ratio as text, never in scientific notation."""
    return plain(Decimal(f"{number:.{_DIGITS}f}"))
