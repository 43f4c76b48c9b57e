"""What follows from the statements that stand: what accounts were worth, and where they contradict us."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Final

from core.domain.days import day_of, moment_of
from models.queries.disputes.compare import COMPARED
from models.queries.performance import base_currency_of
from models.reckoned import reckon_days
from models.session import Database, Writer
from models.stores.statement_differences import (
    can_hold_comparison,
    hold_comparison,
    renew_differences,
)

NIGHT: Final = time(4)
"""New York time."""

UNDER_WAY_SECONDS: Final = 30.0


async def compare_again(database: Database, account: str, now: datetime) -> float | None:
    """The same for one account, of which the ledger has changed since its last import.

    Returns after how many seconds to try again while an import compares it: that sees what nobody else does.
    """
    async with database.write() as connection:
        if not await can_hold_comparison(connection, account):
            return UNDER_WAY_SECONDS
        await derive_from_statements(connection, [account], now)
    return None


def last_night(now: datetime) -> datetime:
    """When the last night ended for this: nobody trades, and the statements of the day are there."""
    night = moment_of(day_of(now), NIGHT)
    return night if night <= now else moment_of(day_of(now) - timedelta(days=1), NIGHT)


async def derive_from_statements(connection: Writer, accounts: Iterable[str], now: datetime) -> None:
    """Reckon the daily performance of these accounts anew, and compare them with their statements.

    A return is linked to all those before it, so an account's days go together: some thousand rows in ten
    years, of which those are written that differ. The ledger is folded by now. It is waited for others that
    compare one of them.
    """
    for account in sorted(accounts):
        await hold_comparison(connection, account)
        await reckon_days(connection, account, now)
        base = await base_currency_of(connection, account)
        await renew_differences(connection, account, base, COMPARED, now)
