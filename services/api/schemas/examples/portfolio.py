"""Examples of accounts looked at together."""

from datetime import date

from msgspec import Struct

from services.api.schemas.common import Coverage
from services.api.schemas.examples.accounts import SUMMARY
from services.api.schemas.examples.common import AT, LIVE, OPENED, STATED
from services.api.schemas.measures import DrawdownSpell, Figure, Span
from services.api.schemas.portfolio import (
    Calendar,
    CalendarDay,
    CalendarMonth,
    Drawdowns,
    HistoryPoint,
    PortfolioExposure,
    PortfolioHistory,
    PortfolioSummary,
    UnderwaterPoint,
)
from services.api.schemas.validation import OpenIssues

EXAMPLES: dict[type[Struct], Struct] = {
    PortfolioSummary: PortfolioSummary(
        group=None,
        base_currency="USD",
        net_liquidation="104230.75",
        total_cash="12044.1",
        gross_position_value="92186.65",
        daily_pnl="310.22",
        unrealized_pnl="4410.9",
        realized_pnl="-55.1",
        win_rate="0.57",
        open_positions=18,
        total_trades=211,
        coverage=Coverage(fresh=17, total=18),
        exposure=PortfolioExposure(
            as_of=AT,
            long=Figure(value="0.91"),
            short=Figure(value="-0.05"),
            gross=Figure(value="0.96"),
            net=Figure(value="0.86"),
        ),
        open_issues=OpenIssues(error=0, warning=1, review=0, acknowledged=2),
        open_differences=0,
        acknowledged_differences=1,
        gaps=0,
        accounts=(SUMMARY,),
        freshness=LIVE,
    ),
    Drawdowns: Drawdowns(
        accounts=("U1234567",),
        group=None,
        resolution="day",
        currency="USD",
        span=Span(first_at=OPENED, last_at=AT, points=15, days="18", unknown_since=None),
        data_quality="complete",
        maximum=Figure(value="-0.012"),
        current=Figure(value="-0.004"),
        episodes=(
            DrawdownSpell(
                depth="-0.012",
                peak_at=OPENED,
                trough_at=AT,
                recovered_at=None,
                length_days="18",
                recovery_days=None,
            ),
        ),
        episodes_found=1,
        underwater=(UnderwaterPoint(at=OPENED, drawdown="0"), UnderwaterPoint(at=AT, drawdown="-0.012")),
        freshness=STATED,
    ),
    PortfolioHistory: PortfolioHistory(
        accounts=("U1234567",),
        group=None,
        resolution="day",
        currency="USD",
        benchmark="SPX",
        span=Span(first_at=OPENED, last_at=AT, points=2, days="18", unknown_since=None),
        data_quality="complete",
        points=(
            HistoryPoint(
                at=OPENED,
                day=date(2026, 11, 2),
                net_liquidation="100000",
                net_contribution="0",
                returned="0",
                drawdown="0",
                benchmark="0",
            ),
            HistoryPoint(
                at=AT,
                day=date(2026, 11, 20),
                net_liquidation="104300.5",
                net_contribution="5000",
                returned="-0.0069952381",
                drawdown="-0.0069952381",
                benchmark="0.0031",
            ),
        ),
        points_found=2,
        freshness=STATED,
    ),
    Calendar: Calendar(
        year=2026,
        accounts=("U1234567",),
        group=None,
        currency="USD",
        days=(
            CalendarDay(
                day=date(2026, 11, 20),
                net_liquidation="104300.5",
                net_contribution="0",
                pnl="-120.5",
                returned="-0.001153978",
            ),
        ),
        months=(CalendarMonth(month=11, days=1, unknown_days=0, pnl="-120.5", returned="-0.001153978"),),
        unknown_days=0,
        pnl="-120.5",
        returned="-0.001153978",
        freshness=STATED,
    ),
}
