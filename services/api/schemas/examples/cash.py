"""Examples of cash."""

from datetime import date

from msgspec import Struct

from services.api.schemas.cash import (
    CashBalance,
    CashBalancePage,
    CashFlow,
    CashFlowPage,
    CurrencyRate,
    CurrencyRatePage,
)
from services.api.schemas.examples.common import AT, STATED

_DAY = date(2026, 11, 20)

EXAMPLES: dict[type[Struct], Struct] = {
    CashBalancePage: CashBalancePage(
        items=(
            CashBalance(
                account="U1234567",
                currency="USD",
                as_of=_DAY,
                cash="11830.25",
                settled_cash="10630.25",
                starts_on=_DAY,
                starting_cash="10031.25",
                trades="1200",
                commissions="-1",
                futures="0",
                flows="600",
                source="statement",
                import_id=3,
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
    CashFlowPage: CashFlowPage(
        items=(
            CashFlow(
                id="U1234567/dividend/24517766",
                account="U1234567",
                kind="dividend",
                external=False,
                at=AT,
                reported_on=_DAY,
                amount="600",
                currency="USD",
                fx_rate_to_base="1",
                conid=265598,
                symbol="AAPL",
                transaction_id="24517766",
                description="AAPL CASH DIVIDEND USD 0.25 PER SHARE",
                source="statement",
                import_id=3,
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
    CurrencyRatePage: CurrencyRatePage(
        items=(
            CurrencyRate(
                currency="EUR",
                into_currency="USD",
                as_of=_DAY,
                rate="1.0867",
                source="statement",
                import_id=3,
            ),
        ),
        next_cursor=None,
        freshness=STATED,
    ),
}
