"""Examples of what accounts are worth."""

from msgspec import Struct

from services.api.schemas.accounts import Account, AccountPage, Summary
from services.api.schemas.common import Coverage
from services.api.schemas.examples.common import LIVE

SUMMARY = Summary(
    account="U1234567",
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
    freshness=LIVE,
)

ACCOUNT = Account(
    account="DU1234567",
    alias=None,
    base_currency="USD",
    paper=True,
    listed=True,
    cost_method="fifo",
    freshness=LIVE,
)

EXAMPLES: dict[type[Struct], Struct] = {
    AccountPage: AccountPage(
        items=(ACCOUNT,),
        next_cursor=None,
        freshness=LIVE,
    ),
    Account: ACCOUNT,
    Summary: SUMMARY,
}
