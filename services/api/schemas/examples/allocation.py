"""An example of what accounts hold."""

from datetime import timedelta

from msgspec import Struct

from services.api.schemas.allocation import Allocation, AllocationAccount, AllocationItem, AllocationTotal
from services.api.schemas.common import Freshness, Links
from services.api.schemas.examples.common import AT

_AS_OF = AT.replace(minute=0, second=0) - timedelta(seconds=2)

EXAMPLES: dict[type[Struct], Struct] = {
    Allocation: Allocation(
        by="global_instrument",
        group=None,
        currency="USD",
        accounts=(
            AllocationAccount(
                account="U1234567",
                snapshot_id=812,
                asof_ts=_AS_OF,
                base_currency="USD",
                net_liquidation="118902.44",
                total_cash="20482.11",
                coverage="1",
            ),
        ),
        items=(
            AllocationItem(
                account="U1234567",
                key="isin:US0378331005",
                name="APPLE INC",
                cash=False,
                rest=False,
                market_value="98420.33",
                long_value="98420.33",
                short_value="0",
                share="0.8277402",
                holdings=2,
                holdings_valued=2,
                holdings_fresh=2,
            ),
            AllocationItem(
                account="U1234567",
                key=None,
                name="Cash",
                cash=True,
                rest=False,
                market_value="20482.11",
                long_value="20482.11",
                short_value="0",
                share="0.1722598",
                holdings=1,
                holdings_valued=1,
                holdings_fresh=1,
            ),
        ),
        totals=(
            AllocationTotal(
                key="isin:US0378331005",
                name="APPLE INC",
                cash=False,
                rest=False,
                market_value="98420.33",
                long_value="98420.33",
                short_value="0",
                share="0.8277402",
                holdings=2,
                holdings_valued=2,
                holdings_fresh=2,
            ),
        ),
        freshness=Freshness(
            source="last_known",
            as_of=_AS_OF,
            received_at=_AS_OF,
            age_seconds=3600,
            stale=True,
            reason="snapshot",
            links=Links(gateway="up", ibkr="up"),
        ),
    ),
}
