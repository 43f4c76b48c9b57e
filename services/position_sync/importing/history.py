"""What accounts were worth before anybody recorded it: derived anew from the statements that stand."""

from collections.abc import Iterable

from core.domain.performance import daily_performance
from models.queries import performance as queries
from models.session import Writer
from models.stores.performance import store_stated_days


async def derive_history(connection: Writer, accounts: Iterable[str]) -> None:
    """Reckon the daily performance of these accounts anew, one after the other.

    A return is linked to all those before it, so an account's days go together: some thousand rows in ten
    years, of which those are written that differ.
    """
    for account in sorted(accounts):
        base = await queries.base_currency_of(connection, account)
        values = await queries.stated_values_of(connection, account, base)
        flows = await queries.stated_flows_of(connection, account, base)
        await store_stated_days(connection, account, list(daily_performance(values, flows)))
