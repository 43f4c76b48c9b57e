"""Examples of attribution."""

from datetime import timedelta

from msgspec import Struct

from services.api.schemas.attribution import (
    Attribution,
    AttributionItem,
    AttributionUnclassified,
    AttributionUnknown,
)
from services.api.schemas.examples.common import AT, STATED

EXAMPLES: dict[type[Struct], Struct] = {
    Attribution: Attribution(
        account="U1234567",
        since=AT - timedelta(days=30),
        until=AT,
        start_source="statement",
        end_source="statement",
        by="instrument",
        currency="USD",
        start_value="100000",
        end_value="104300.5",
        net_contribution="4000",
        gain="300.5",
        items=(
            AttributionItem(
                key="265598",
                conid=265598,
                symbol="AAPL",
                asset_class="STK",
                currency="USD",
                price="270",
                dividends="21.5",
                interest="0",
                fees="-1",
                fx="0",
                total="290.5",
                complete=True,
            ),
        ),
        unexplained="10",
        unknown=(
            AttributionUnknown(
                kind="price",
                conid=107550,
                symbol="VOD",
                asset_class="STK",
                currency="GBP",
                reason="no_mark",
            ),
        ),
        unclassified=(AttributionUnclassified(currency="USD", amount="12", worth="12"),),
        rate_age_seconds=12600,
        data_quality="incomplete",
        freshness=STATED,
    ),
}
