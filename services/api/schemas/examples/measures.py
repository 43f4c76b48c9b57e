"""Examples of measures, groups and benchmarks."""

from datetime import date

from msgspec import Struct

from services.api.schemas.examples.common import AT, OPENED, OWN, STATED
from services.api.schemas.groups import AccountGroup, AccountGroupList, BenchmarkList, BenchmarkSeries
from services.api.schemas.measures import (
    BenchmarkMeasures,
    DayFigure,
    DayOutcomeMeasures,
    DrawdownMeasures,
    DrawdownSpell,
    Figure,
    LargestHolding,
    MeasuredAccount,
    Measures,
    MoneyMeasures,
    PlacementMeasures,
    PositionOutcomeMeasures,
    ReturnFigure,
    ReturnMeasures,
    RiskMeasures,
    Span,
    YearReturns,
)

_NONE = Figure(value=None, reason="too_few_points")


def _is(value: str) -> Figure:
    return Figure(value=value)


EXAMPLES: dict[type[Struct], Struct] = {
    AccountGroupList: AccountGroupList(
        items=(AccountGroup(name="family", accounts=("U1234567", "U7654321")),),
        next_cursor=None,
        freshness=OWN,
    ),
    BenchmarkList: BenchmarkList(
        items=(
            BenchmarkSeries(
                name="S&P 500 TR",
                currency="USD",
                levels=2517,
                first_day=date(2016, 11, 21),
                last_day=date(2026, 11, 20),
            ),
        ),
        next_cursor=None,
        freshness=OWN,
    ),
    Measures: Measures(
        accounts=(
            MeasuredAccount(account="U1234567", currency="USD", points=15, first_at=OPENED, last_at=AT),
        ),
        group=None,
        resolution="day",
        currency="USD",
        span=Span(first_at=OPENED, last_at=AT, points=15, days="18", unknown_since=None),
        data_quality="complete",
        money=MoneyMeasures(
            start_value=_is("100000"),
            end_value=_is("104300.5"),
            net_contribution=_is("4000"),
            gain=_is("300.5"),
            average_value=_is("102116.25"),
        ),
        returns=ReturnMeasures(
            time_weighted=_is("0.002917"),
            annualised=ReturnFigure(value="0.002917", is_annualised=False),
            money_weighted=ReturnFigure(value="0.002894", is_annualised=False),
            modified_dietz=_is("0.002895"),
            best_day=DayFigure(value="0.0071", day=date(2026, 11, 12)),
            worst_day=DayFigure(value="-0.0104", day=date(2026, 11, 17)),
            positive_days=_is("0.571428571429"),
        ),
        drawdown=DrawdownMeasures(
            maximum=_is("-0.012"),
            current=_is("-0.004"),
            worst=(
                DrawdownSpell(
                    depth="-0.012",
                    peak_at=OPENED,
                    trough_at=AT,
                    recovered_at=None,
                    length_days="18",
                    recovery_days=None,
                ),
            ),
        ),
        risk=RiskMeasures(
            risk_free="0.03",
            volatility=_NONE,
            downside_deviation=_NONE,
            sharpe_ratio=_NONE,
            sortino_ratio=_NONE,
            calmar_ratio=Figure(value=None, reason="under_a_year"),
        ),
        benchmark=BenchmarkMeasures(
            name="S&P 500 TR",
            currency="USD",
            time_weighted=_is("0.0041"),
            beta=_NONE,
            alpha=_NONE,
            correlation=_NONE,
            tracking_error=_NONE,
            information_ratio=_NONE,
        ),
        days=DayOutcomeMeasures(
            days=14,
            decided=14,
            won=8,
            lost=6,
            gross_profit="2100.5",
            gross_loss="-1800",
            win_rate=_is("0.5714"),
            profit_factor=_is("1.1669"),
        ),
        closed_positions=PositionOutcomeMeasures(
            closed=3,
            decided=3,
            won=2,
            lost=1,
            currency="USD",
            gross_profit=_is("260"),
            gross_loss=_is("-30.25"),
            win_rate=_is("0.6667"),
            profit_factor=_is("8.595"),
        ),
        placement=PlacementMeasures(
            as_of=AT,
            long_exposure=_is("0.886574"),
            short_exposure=_is("0"),
            gross_exposure=_is("0.886574"),
            net_exposure=_is("0.886574"),
            concentration=_is("0.31"),
            largest_share=_is("0.42"),
            largest=LargestHolding(conid=265598, symbol="AAPL"),
            turnover=_is("0.12"),
            average_gross_exposure=_is("0.87"),
            average_cash_share=_is("0.13"),
            cash_drag=_is("-0.0004"),
        ),
        years=(
            YearReturns(year=2026, months=(*(_NONE,) * 10, _is("0.002917"), _NONE), whole=_is("0.002917")),
        ),
        freshness=STATED,
    ),
}
