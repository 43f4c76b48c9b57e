"""What follows from the statements that stand: what accounts were worth, and where they contradict us."""

from collections.abc import Iterable
from datetime import datetime

from core.domain.performance import as_contributed, daily_performance
from models.queries import performance as queries
from models.queries.disputes.compare import COMPARED
from models.session import Writer
from models.stores.performance import store_stated_days
from models.stores.statement_differences import renew_differences


async def derive_from_statements(connection: Writer, accounts: Iterable[str], now: datetime) -> None:
    """Reckon the daily performance of these accounts anew, and compare them with their statements.

    A return is linked to all those before it, so an account's days go together: some thousand rows in ten
    years, of which those are written that differ. The ledger is folded by now.
    """
    for account in sorted(accounts):
        base = await queries.base_currency_of(connection, account)
        values = await queries.stated_values_of(connection, account, base)
        flows = await queries.stated_flows_of(connection, account, base)
        stated = await queries.stated_contributions_of(connection, account)
        days = daily_performance(values, as_contributed(values, flows, stated))
        await store_stated_days(connection, account, list(days))
        await renew_differences(connection, account, base, COMPARED, now)
