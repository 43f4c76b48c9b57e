"""What one unit of an instrument was worth over a time, as snapshots and statements tell it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import text

from models.session import Reader
from models.standing import STANDING

_SLACK: Final = timedelta(days=1)
"""Between when a mark was told and when the snapshot is that took it down first."""

# The last of each stretch, so that the newest price is always among them; snapshots before statements, which
# tell of the end of a day.
_prices = text(
    "SELECT DISTINCT ON (stretch) u.at, u.price, "  # noqa: S608 - no input in it
    "least(width_bucket(extract(epoch FROM u.at), :first, :last, :points), :points) AS stretch FROM ("
    "SELECT mark_as_of AS at, mark_price AS price, 0 AS rank FROM snapshot_positions "
    "WHERE conid = :conid AND mark_price IS NOT NULL AND mark_as_of BETWEEN :since AND :until "
    "AND asof_ts BETWEEN :taken_from AND :taken_to "
    "UNION ALL SELECT p.as_of, p.mark_price, 1 FROM stated_positions p "
    f"{STANDING.format('p')} WHERE p.account = :account AND p.conid = :conid AND p.mark_price IS NOT NULL "
    "AND NOT p.implied AND p.as_of BETWEEN :since AND :until"
    ") u ORDER BY stretch, u.at DESC, u.rank"
)


class PriceRow(NamedTuple):
    """A price as it is quoted, and when it was told."""

    at: datetime
    price: Decimal


async def prices_between(
    reader: Reader, *, account: str, conid: int, since: datetime, until: datetime, points: int
) -> list[PriceRow]:
    """At most ``points`` prices of a time, oldest first: the last of each of as many equal stretches."""
    first, last = since.timestamp(), until.timestamp()
    rows = await reader.execute(
        _prices,
        {
            "account": account,
            "conid": conid,
            "since": since,
            "until": until,
            "taken_from": since - _SLACK,
            "taken_to": until + _SLACK,
            "first": first,
            # The stretches of no time would have no width.
            "last": max(last, first + 1),
            "points": points,
        },
    )
    return [PriceRow(row.at, row.price) for row in rows]
