"""A history as so many points: of each stretch of it the lowest and the highest, in value and in return.

Short histories are told as they are. Otherwise the time is cut into stretches of one length, and of each the
rows are kept in which net liquidation and return were at their lowest and highest, and of the whole the first
and the last. Of hours, stretches of whole days or weeks (UTC) are made of the extremes of those, which are
noted when hours are reckoned: indexes hold just those.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import text

from core.domain.performance import Resolution, Source
from models.queries.performance import PerformanceRow
from models.session import Reader

Wanted: TypeAlias = Literal["hour", "day", "auto"]
"""``auto``: hours where they go back as far as days do, else days."""

LEAST_POINTS: Final = 10
MOST_POINTS: Final = 5_000
_AN_HOUR: Final = timedelta(hours=1)
_KEPT_OF_A_STRETCH: Final = 4
_NO_SHORTER: Final = timedelta(hours=23)
"""So far one of the broker's days ends from the next at least."""

_COLUMNS: Final = ", ".join(PerformanceRow._fields)
_OF: Final = "p.account = :account AND p.resolution = :resolution"
# A day that both a statement and snapshots tell of is the statement's, unless one source is asked for. It is
# looked up day by day: of NOT EXISTS a hash of all there is would be made.
_COUNTS: Final = (
    "(p.source = :source OR CAST(:source AS text) IS NULL AND (p.source = 'statement' OR "
    "(SELECT s.ts FROM performance_metrics s WHERE s.account = p.account AND s.resolution = p.resolution "
    "AND s.ts = p.ts AND s.source = 'statement') IS NULL))"
)
_first = text(
    f"SELECT p.ts FROM performance_metrics p WHERE {_OF} AND p.ts >= :since AND p.ts < :until "  # noqa: S608 - constants of ours, as below
    f"AND {_COUNTS} ORDER BY p.ts LIMIT 1"
)
_last = text(str(_first).replace("ORDER BY p.ts LIMIT", "ORDER BY p.ts DESC LIMIT"))
_all = text(
    f"SELECT {_COLUMNS} FROM performance_metrics p WHERE {_OF} AND p.ts BETWEEN :first AND :last "  # noqa: S608
    f"AND {_COUNTS} ORDER BY p.ts DESC"
)
_SPAN: Final = (
    "SELECT p.ts, p.source, p.net_liquidation, p.twr, "  # noqa: S608
    "date_bin(CAST(:width AS interval), p.ts, CAST(:origin AS timestamptz)) AS stretch "
    f"FROM performance_metrics p WHERE {_OF} AND {_COUNTS} "
)
_EXTREMES_OF: Final = (
    "WITH span AS MATERIALIZED ({span}), "  # noqa: S608
    "bounds AS (SELECT stretch, min(net_liquidation) AS low, max(net_liquidation) AS high, "
    "min(twr) AS least, max(twr) AS most FROM span GROUP BY stretch), "
    "chosen AS (SELECT min(ts) FILTER (WHERE net_liquidation = low) AS a, "
    "min(ts) FILTER (WHERE net_liquidation = high) AS b, min(ts) FILTER (WHERE twr = least) AS c, "
    "min(ts) FILTER (WHERE twr = most) AS d FROM span JOIN bounds USING (stretch) GROUP BY stretch), "
    "kept AS (SELECT unnest(ARRAY[a, b, c, d]) AS ts FROM chosen "
    "UNION SELECT CAST(:first AS timestamptz) UNION SELECT CAST(:last AS timestamptz)) "
    f"SELECT {_COLUMNS} FROM kept k JOIN performance_metrics p USING (ts) WHERE {_OF} AND {_COUNTS} "
    "ORDER BY ts DESC"
)
_stretches = text(_EXTREMES_OF.format(span=f"{_SPAN} AND p.ts BETWEEN :first AND :last"))
# Of a day or week that is not in it as a whole every hour is looked at.
_of_whole = {
    unit: text(
        _EXTREMES_OF.format(
            span=f"{_SPAN} AND p.extreme > {least} AND p.ts >= :whole AND p.ts < :rest "
            f"UNION ALL {_SPAN} AND p.ts >= :first AND p.ts < :whole "
            f"UNION ALL {_SPAN} AND p.ts >= :rest AND p.ts <= :last"
        )
    )
    for unit, least in ((timedelta(days=7), 1), (timedelta(days=1), 0))
}
_MONDAY: Final = datetime(2001, 1, 1, tzinfo=UTC)
_BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
_END: Final = datetime(9000, 1, 1, tzinfo=UTC)


class History(NamedTuple):
    """Rows, newest first, and what they are: of stretches so long, or all there are."""

    resolution: Resolution
    stretch: timedelta | None
    rows: list[PerformanceRow]


async def history(
    reader: Reader,
    account: str,
    *,
    resolution: Wanted,
    points: int,
    since: datetime | None = None,
    until: datetime | None = None,
    source: Source | None = None,
) -> History:
    """An account's history as at most ``points`` rows."""
    bounds = {"since": since or _BEGINNING, "until": until or _END, "source": source, "account": account}
    chosen: Resolution = "hour" if resolution == "hour" else "day"
    first = await _end(reader, bounds, chosen, newest=False)
    if resolution == "auto":
        of_hours = await _end(reader, bounds, "hour", newest=False)
        if of_hours is not None and (first is None or of_hours <= first):
            chosen, first = "hour", of_hours
    last = await _end(reader, bounds, chosen, newest=True)
    if first is None or last is None:
        return History(chosen, None, [])
    asked: dict[str, object] = {
        "account": account,
        "resolution": chosen,
        "source": source,
        "first": first,
        "last": last,
    }
    shortest = _AN_HOUR if chosen == "hour" else _NO_SHORTER
    if (last - first) // shortest + 1 <= points:
        return History(chosen, None, [PerformanceRow._make(row) for row in await reader.execute(_all, asked)])
    # The last one may be begun only.
    stretches = max(1, (points - 2) // _KEPT_OF_A_STRETCH - 1)
    width = max((last - first) / stretches, shortest)
    query = _stretches
    asked["origin"] = first
    unit = next((unit for unit in _of_whole if width >= unit), None)
    if unit is not None:
        width = -(-width // unit) * unit
        asked["origin"] = whole = _begin_of(unit, first)
        if chosen == "hour":
            query = _of_whole[unit]
            asked["whole"] = whole if since is None or whole == first else whole + unit
            asked["rest"] = _begin_of(unit, last) + (unit if until is None else timedelta())
    asked["width"] = width
    return History(chosen, width, [PerformanceRow._make(row) for row in await reader.execute(query, asked)])


async def _end(
    reader: Reader, bounds: Mapping[str, object], resolution: Resolution, *, newest: bool
) -> datetime | None:
    query = _last if newest else _first
    found: datetime | None = (
        await reader.execute(query, {**bounds, "resolution": resolution})
    ).scalar_one_or_none()
    return found


def _begin_of(unit: timedelta, moment: datetime) -> datetime:
    return _MONDAY + (moment - _MONDAY) // unit * unit
