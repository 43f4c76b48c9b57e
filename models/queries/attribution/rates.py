"""The stored rates nearest to moments."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.days import HELD_OF_FUTURES, day_of, moment_of
from core.domain.rate_history import HOLDS_FOR, RateHistory, ToldRate
from models.session import Reader
from models.standing import newest

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


async def nearest_rates(reader: Reader, base: str, needed: Iterable[Needed]) -> dict[Needed, Found]:
    """The rates into ``base`` that were told nearest to these moments, within a week of them.

    Of two as near the earlier counts.
    """
    asked = sorted({one for one in needed if one.currency != base})
    if not asked:
        return {}
    told = await _stated_days(reader, base, asked)
    parameters = {
        "base": base,
        "currencies": [one.currency for one in asked],
        "moments": [one.at for one in asked],
        "furthest": HOLDS_FOR,
    }
    told += [
        ToldRate(row.told_at, row.currency, base, row.rate) for row in await reader.execute(_told, parameters)
    ]
    history = RateHistory(base, told)
    found: dict[Needed, Found] = {}
    for one in asked:
        rate = history.nearest(one.currency, one.at)
        if rate is not None:
            found[one] = Found(rate.rate, abs(rate.as_of - one.at))
    return found


async def _stated_days(reader: Reader, base: str, asked: Sequence[Needed]) -> list[ToldRate]:
    moments = [one.at for one in asked]
    parameters = {
        "base": base,
        "currencies": sorted({one.currency for one in asked}),
        "first": day_of(min(moments) - HOLDS_FOR),
        "last": day_of(max(moments) + HOLDS_FOR),
    }
    return [
        ToldRate(moment_of(row.as_of, HELD_OF_FUTURES), row.currency, base, row.rate)
        for row in await reader.execute(_stated, parameters)
    ]
