"""Examples of statements and of the days that they tell of."""

from datetime import date

from msgspec import Struct

from services.api.schemas.examples.common import AT, STATED
from services.api.schemas.statements import (
    Statement,
    StatementCoverage,
    StatementCoveragePage,
    StatementGap,
    StatementPage,
)

EXAMPLES: dict[type[Struct], Struct] = {
    StatementPage: StatementPage(
        items=(
            Statement(
                import_id=3,
                account="U1234567",
                kind="flex",
                name="2026-11-20.xml",
                trigger="fetch",
                first_day=date(2026, 11, 16),
                last_day=date(2026, 11, 20),
                days=5,
                complete=True,
                generated_at=AT,
                imported_at=AT,
                differences=1,
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
    StatementCoveragePage: StatementCoveragePage(
        items=(
            StatementCoverage(
                account="U1234567",
                statements=2,
                first_day=date(2026, 11, 2),
                last_day=date(2026, 11, 20),
                days_covered=10,
                gaps_found=1,
                gaps=(StatementGap(first_day=date(2026, 11, 7), last_day=date(2026, 11, 15), days=9),),
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
}
