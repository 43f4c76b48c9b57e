"""The stored rates nearest to moments."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.days import BROKER_ZONE, HELD_OF_FUTURES
from models.session import Reader
from models.standing import NEWEST_FIRST, STANDING

FURTHEST: Final = timedelta(days=7)
"""A rate that is further from a moment says nothing of it."""

_CLOCK = f"interval '{HELD_OF_FUTURES.hour} hours {HELD_OF_FUTURES.minute} minutes'"
_STATED = (
    f"(SELECT f.rate, (CAST(f.as_of AS timestamp) + {_CLOCK}) AT TIME ZONE '{BROKER_ZONE}' AS at "  # noqa: S608 - constants of this program's own
    f"FROM fx_rates f {STANDING.format('f')} WHERE f.currency = k.currency AND f.into_currency = :base "
    "AND f.import_id IS NOT NULL AND f.as_of {bounds} "
    f"ORDER BY f.as_of {{order}}, {NEWEST_FIRST} LIMIT 1)"
)
_TOLD = (
    "(SELECT f.rate, f.at FROM fx_rates f WHERE f.currency = k.currency AND f.into_currency = :base "
    "AND f.source = 'snapshot' AND f.at {bounds} ORDER BY f.at {order} LIMIT 1)"
)
_DAY = f"CAST(k.at AT TIME ZONE '{BROKER_ZONE}' AS date)"
_nearest = text(
    "SELECT k.currency, k.at, r.rate, r.at AS told_at "  # noqa: S608 - as above
    "FROM unnest(CAST(:currencies AS text[]), CAST(:moments AS timestamptz[])) AS k(currency, at) "
    "CROSS JOIN LATERAL (SELECT u.rate, u.at FROM ("
    + " UNION ALL ".join(
        (
            _STATED.format(bounds=f"BETWEEN {_DAY} - 7 AND {_DAY}", order="DESC"),
            _STATED.format(bounds=f"BETWEEN {_DAY} - 8 AND {_DAY} - 1", order="DESC"),
            _STATED.format(bounds=f"BETWEEN {_DAY} + 1 AND {_DAY} + 7", order="ASC"),
            _TOLD.format(bounds="BETWEEN k.at - CAST(:furthest AS interval) AND k.at", order="DESC"),
            _TOLD.format(bounds="BETWEEN k.at AND k.at + CAST(:furthest AS interval)", order="ASC"),
        )
    )
    + ") u ORDER BY abs(extract(epoch FROM u.at - k.at)), u.at LIMIT 1) r"
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
    """The rates into ``base`` that were told nearest to these moments, within a week of them."""
    asked = sorted({one for one in needed if one.currency != base})
    if not asked:
        return {}
    parameters = {
        "base": base,
        "currencies": [one.currency for one in asked],
        "moments": [one.at for one in asked],
        "furthest": FURTHEST,
    }
    return {
        Needed(row.currency, row.at): Found(row.rate, abs(row.told_at - row.at))
        for row in await reader.execute(_nearest, parameters)
    }
