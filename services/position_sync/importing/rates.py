"""Convert stated commissions at the rates of their day, as far as statements state them.

What no statement tells is converted later at what the broker says then, as what is told live: see
``services/position_sync/commissions.py``, which marks it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from core.domain.books import BookKey
from core.domain.days import end_of
from core.domain.rates import BaseRate, Rate, cross_rate
from models.queries.stated_rates import DayRate, books_lacking_rates, day_rates, lacking_rates
from models.session import Writer
from models.stores.executions import RecordedRate, replace_rates
from models.stores.imports_undone import named

MOST_DAYS_BACK: Final = 7
"""Statements have no rates of weekends and holidays: those of the last day before count."""

_Bases = Mapping[str, Mapping[str, DayRate]]
"""By base currency, the rates into it by currency."""


async def record_stated_rates(connection: Writer, keys: Iterable[BookKey], *, staged: bool = False) -> None:
    """Record the rates that commissions of these books need, of those that statements state.

    A rate of another day, which was all there was, gives way to that of the right one. With ``staged`` also
    for the executions that an import brings and that are not stored yet.
    """
    lacking = await lacking_rates(connection, keys, staged=staged)
    if not lacking:
        return
    by_day: dict[date, dict[str, dict[str, DayRate]]] = defaultdict(lambda: defaultdict(dict))
    for one in await day_rates(connection, {one.day for one in lacking}, MOST_DAYS_BACK):
        by_day[one.as_of][one.into][one.currency] = one
    recorded: list[RecordedRate] = []
    for need in lacking:
        for back in range(MOST_DAYS_BACK + 1):
            found = _cross(by_day.get(need.day - timedelta(days=back), {}), need.currency, need.into)
            if found is not None:
                rate, source = found
                recorded.append(RecordedRate(need.exec_id, need.currency, rate.value, rate.as_of, source))
                break
    await replace_rates(connection, recorded)


async def books_to_convert(connection: Writer, import_id: int) -> set[BookKey]:
    """Books with commissions that an import may bring the right rate for, whatever else it is about."""
    return await books_lacking_rates(connection, import_id, MOST_DAYS_BACK)


def _cross(bases: _Bases, of: str, into: str) -> tuple[Rate, str] | None:
    """One currency in another by way of a base, and the imports that state what it was made of."""
    for base, rates in sorted(bases.items()):
        used = [rates[currency] for currency in (of, into) if currency in rates and currency != base]
        told = {one.currency: BaseRate(one.rate, end_of(one.as_of)) for one in used}
        rate = cross_rate({**told, base: BaseRate(Decimal(1), None)}, of, into)
        if rate is not None:
            return rate, ", ".join(sorted({named(one.import_id) for one in used}))
    return None
