"""When the link was away, and since when anything is kept."""

from datetime import datetime, timedelta

from sqlalchemy import text

from models.session import Reader

# A line tells the state that the link came into, once: an outage lasts until it is live again, and
# `connecting` or `syncing` does not end it. One that stands by (`fenced`) says nothing of the link that has
# the login.
_away = text(
    "WITH told AS (SELECT l.at, l.id, l.details ->> 'to' AS state, l.details ->> 'reason' AS reason "
    "FROM sync_log l WHERE l.kind = 'link' AND l.at >= :since AND l.at < :until UNION ALL "
    "(SELECT :since, l.id, l.details ->> 'to', l.details ->> 'reason' FROM sync_log l WHERE l.kind = 'link' "
    "AND l.at < :since AND l.details ->> 'to' IN ('live', 'degraded', 'needs_login', 'disconnected') "
    "ORDER BY l.at DESC, l.id DESC LIMIT 1)), "
    "stood AS (SELECT at, state, reason, lead(at, 1, :until) OVER (ORDER BY at, id) AS until FROM told "
    "WHERE state IN ('live', 'degraded', 'needs_login', 'disconnected') "
    "UNION ALL SELECT at, state, reason, at FROM told WHERE state = 'fenced') "
    "SELECT DISTINCT b.bar, coalesce(nullif(s.reason, ''), s.state) AS reason FROM stood s "
    "CROSS JOIN LATERAL generate_series("
    "CAST(floor(extract(epoch FROM s.at - :since) / :step_seconds) AS int), "
    # What ends with a bar is not in the next one.
    "CAST(floor(extract(epoch FROM greatest(s.at, s.until - interval '1 microsecond') - :since) "
    "/ :step_seconds) AS int)) AS b(bar) WHERE s.state <> 'live' ORDER BY b.bar, reason"
)
_first = text(
    "SELECT min(f.hour) FROM broker_accounts b CROSS JOIN LATERAL "
    "(SELECT min(s.hour) AS hour FROM snapshots s WHERE s.account = b.account AND s.hour IS NOT NULL) f"
)


async def first_hour(reader: Reader) -> datetime | None:
    """The first hour of which any account has a snapshot."""
    found: datetime | None = (await reader.execute(_first)).scalar_one()
    return found


async def link_away(
    reader: Reader, since: datetime, until: datetime, step: timedelta
) -> dict[int, list[str]]:
    """Why the link was away, by the number of the part of the time, each ``step`` long, that this was in.

    An outage is in all parts that it lasted through; one that has not ended lasts until ``until``.
    """
    asked = {"since": since, "until": until, "step_seconds": step.total_seconds()}
    found: dict[int, list[str]] = {}
    for row in await reader.execute(_away, asked):
        found.setdefault(row.bar, []).append(row.reason)
    return found
