"""The stored rates nearest to moments."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.days import HELD_OF_FUTURES, day_of, moment_of
from models.session import Reader
from models.standing import newest

FURTHEST: Final = timedelta(days=7)
"""A rate that is further from a moment says nothing of it."""

# There is one a day of each currency, so that all of a time are fewer than what is to be converted in it.
_stated = text(
    newest(
        "fx_rates f",
        ("currency", "as_of"),
        columns="f.currency, f.as_of, f.rate",
        where="f.currency = ANY(:currencies) AND f.into_currency = :base AND f.import_id IS NOT NULL "
        "AND f.as_of BETWEEN :first AND :last",
    )
)
_PROBE = (
    "(SELECT f.rate, f.at FROM fx_rates f WHERE f.currency = k.currency AND f.into_currency = :base "
    "AND f.snapshot_id IS NOT NULL AND f.at BETWEEN {bounds} ORDER BY f.at {order} LIMIT 1)"
)
_told = text(
    "SELECT k.currency, k.at, r.rate, r.at AS told_at "
    "FROM unnest(CAST(:currencies AS text[]), CAST(:moments AS timestamptz[])) AS k(currency, at) "
    "CROSS JOIN LATERAL ("
    + _PROBE.format(bounds="k.at - CAST(:furthest AS interval) AND k.at", order="DESC")
    + " UNION ALL "
    + _PROBE.format(bounds="k.at AND k.at + CAST(:furthest AS interval)", order="ASC")
    + ") r"
)


class Needed(NamedTuple):
    """A rate of a currency at a moment."""

    currency: str
    at: datetime


class Found(NamedTuple):
    """What one unit was worth in the base currency, and how far from the moment that was told."""

    rate: Decimal
    apart: timedelta


class _Told(NamedTuple):
    at: datetime
    rate: Decimal


async def nearest_rates(reader: Reader, base: str, needed: Iterable[Needed]) -> dict[Needed, Found]:
    """The rates into ``base`` that were told nearest to these moments, within a week of them.

    Of two as near a statement's counts, and the earlier.
    """
    asked = sorted({one for one in needed if one.currency != base})
    if not asked:
        return {}
    days = await _stated_days(reader, base, asked)
    found: dict[Needed, Found] = {}
    for one in asked:
        for told in _around(days[one.currency], one.at):
            _take(found, one, told)
    parameters = {
        "base": base,
        "currencies": [one.currency for one in asked],
        "moments": [one.at for one in asked],
        "furthest": FURTHEST,
    }
    for row in await reader.execute(_told, parameters):
        _take(found, Needed(row.currency, row.at), _Told(row.told_at, row.rate))
    return found


async def _stated_days(reader: Reader, base: str, asked: Sequence[Needed]) -> dict[str, list[_Told]]:
    moments = [one.at for one in asked]
    parameters = {
        "base": base,
        "currencies": sorted({one.currency for one in asked}),
        "first": day_of(min(moments) - FURTHEST),
        "last": day_of(max(moments) + FURTHEST),
    }
    days: dict[str, list[_Told]] = defaultdict(list)
    for row in await reader.execute(_stated, parameters):
        days[row.currency].append(_Told(moment_of(row.as_of, HELD_OF_FUTURES), row.rate))
    return days


def _around(told: Sequence[_Told], at: datetime) -> Sequence[_Told]:
    """The last before a moment and the first from it on."""
    place = bisect_left(told, at, key=lambda one: one.at)
    return told[max(place - 1, 0) : place + 1]


def _take(found: dict[Needed, Found], one: Needed, told: _Told) -> None:
    apart = abs(told.at - one.at)
    known = found.get(one)
    if apart <= FURTHEST and (known is None or apart < known.apart):
        found[one] = Found(told.rate, apart)
