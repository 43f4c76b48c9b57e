"""Examples of performance."""

from datetime import date

from msgspec import Struct

from services.api.schemas.examples.common import AT, STATED
from services.api.schemas.performance import Performance, PerformancePage

EXAMPLES: dict[type[Struct], Struct] = {
    PerformancePage: PerformancePage(
        resolution="day",
        stretch_seconds=None,
        items=(
            Performance(
                account="U1234567",
                resolution="day",
                ts=AT,
                day=date(2026, 11, 20),
                source="statement",
                currency="USD",
                net_liquidation="104300.5",
                total_cash="11830.25",
                gross_position_value="92470.25",
                daily_pnl="300.5",
                unrealized_pnl="8110",
                realized_pnl=None,
                net_contribution="4000",
                twr="0.043005",
                drawdown="-0.012",
                data_quality="complete",
                import_id=3,
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
}
