"""An example of what an account was worth at a moment."""

from datetime import timedelta

from msgspec import Struct

from services.api.schemas.common import Freshness, Links
from services.api.schemas.examples.common import AT, POSITION_ID
from services.api.schemas.valuation import (
    AccountValuation,
    NearestValue,
    ValuationCash,
    ValuationCoverage,
    ValuationReport,
    ValuedPosition,
)

_HOUR = AT.replace(minute=0, second=0)

EXAMPLES: dict[type[Struct], Struct] = {
    ValuationReport: ValuationReport(
        as_of=AT,
        items=(
            AccountValuation(
                account="U1234567",
                base_currency="USD",
                positions=(
                    ValuedPosition(
                        position_id=POSITION_ID,
                        conid=107550,
                        symbol="VOD",
                        sec_type="STK",
                        currency="GBP",
                        quantity="1000",
                        average_cost="0.701",
                        cost_basis="701",
                        mark_price="72.4",
                        mark_as_of=_HOUR,
                        mark_age_seconds=3598,
                        mark_source="snapshot",
                        mark_restated=False,
                        market_value="724",
                        fx_rate="1.3105",
                        fx_as_of=_HOUR - timedelta(seconds=62),
                        market_value_base="948.802",
                        unrealized_pnl="23",
                        counted="948.802",
                    ),
                ),
                cash=(
                    ValuationCash(
                        currency="USD",
                        amount="20482.11",
                        as_of=_HOUR - timedelta(seconds=2),
                        source="snapshot",
                    ),
                ),
                positions_value="948.802",
                cash_value="20482.11",
                due_value="0",
                trades_apart=0,
                total="21430.912",
                oldest_rate_at=_HOUR - timedelta(seconds=62),
                coverage=ValuationCoverage(positions=1, valued=1, share="1"),
                net_liquidation=NearestValue(
                    amount="21430.91", as_of=_HOUR - timedelta(seconds=2), source="snapshot"
                ),
            ),
        ),
        freshness=Freshness(
            source="last_known",
            as_of=AT,
            received_at=None,
            age_seconds=86_400,
            stale=True,
            reason="as_of",
            links=Links(gateway="up", ibkr="up"),
        ),
    ),
}
