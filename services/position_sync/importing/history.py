"""What follows from the statements that stand: what accounts were worth, and where they contradict us."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from core.domain.days import day_of, moment_of
from core.domain.money import ZERO
from core.domain.performance import DAYS_APART, as_contributed, daily_performance
from models.queries import performance as queries
from models.queries.disputes.compare import COMPARED
from models.session import Database, Writer
from models.stores.performance import store_stated_days
from models.stores.statement_differences import (
    can_hold_comparison,
    hold_comparison,
    read_whole_tables,
    renew_differences,
)

NIGHT: Final = time(4)
"""New York time."""

UNDER_WAY_SECONDS: Final = 30.0

_DAY: Final = timedelta(days=1)


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
        base = await queries.base_currency_of(connection, account)
        values = await queries.stated_values_of(connection, account, base)
        flows = await queries.stated_flows_of(connection, account, base)
        stated = await queries.stated_contributions_of(connection, account)
        days = daily_performance(values, as_contributed(values, flows, stated))
        await read_whole_tables(connection)
        realized: Mapping[date, Decimal | None] = {}
        if values:
            realized = realized_since(
                [value.day for value in values],
                await queries.realized_by_day(connection, account, base),
                await queries.periods_told(connection, account),
            )
        await store_stated_days(connection, account, list(days), realized)
        await renew_differences(connection, account, base, COMPARED, now)


def realized_since(
    days: Sequence[date], realized: Mapping[date, Decimal | None], told: Iterable[tuple[date, date]]
) -> dict[date, Decimal | None]:
    """What was realized up to each day since the one before: like the change in value it is then no other's.

    ``None`` where statements do not tell all that was executed meanwhile: there may have been more.
    """
    known = {first + n * _DAY for first, last in told for n in range((last - first).days + 1)}
    found: dict[date, Decimal | None] = {}
    for before, day in pairwise([*(day - _DAY for day in days[:1]), *days]):
        since = [before + n * _DAY for n in range(1, (day - before).days + 1)]
        parts = [realized.get(one, ZERO) if one in known else None for one in since]
        sums = [part for part in parts if part is not None]
        adjacent = day - before <= DAYS_APART
        found[day] = sum(sums, ZERO) if adjacent and len(sums) == len(parts) else None
    return found
