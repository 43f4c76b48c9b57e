"""When the link was away, and since when anything is kept."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from models.session import Reader
from models.tables.sync import GIVEN_UP

# A line tells the state that the link came into, once: an outage lasts until it is live again, and
# `connecting` or `syncing` does not end it. One that stands by (`fenced`) says nothing of the link that has
# the login.
_STANDING: Final = f"('live', 'degraded', 'needs_login', 'disconnected', '{GIVEN_UP}')"
_away = text(
    # Each login has an outage of its own, until it is given up or its installation serves another login.
    "WITH words AS (SELECT l.at, l.id, l.details ->> 'to' AS state, l.details ->> 'reason' AS reason, "  # noqa: S608 - no input in it
    "coalesce(l.details ->> 'login', s.login, '') AS login, s.epoch, s.place FROM sync_log l "
    "LEFT JOIN broker_sessions s USING (epoch) WHERE l.kind IN ('link', 'login') AND l.at < :until), "
    "told AS (SELECT * FROM words WHERE at >= :since UNION ALL "
    "(SELECT DISTINCT ON (login) :since, id, state, reason, login, epoch, place FROM words WHERE at < :since "
    f"AND state IN {_STANDING} ORDER BY login, at DESC, id DESC)), "
    "spoken AS (SELECT t.*, lead(t.at, 1, :until) OVER (PARTITION BY t.login ORDER BY t.at, t.id) AS next_at "
    f"FROM told t WHERE t.state IN {_STANDING}), "
    "stood AS (SELECT t.at, t.state, t.reason, least(t.next_at, r.retired_at) AS until FROM spoken t "
    "CROSS JOIN LATERAL (SELECT min(n.started_at) AS retired_at FROM broker_sessions n "
    "WHERE n.login <> t.login AND n.epoch > t.epoch AND (t.place IS NULL OR n.place = t.place) "
    # Whose a session was that is not known nobody can say: it ends with the next one.
    "OR t.login = '' AND n.started_at > t.at) r "
    "WHERE r.retired_at IS NULL OR r.retired_at > t.at "
    "UNION ALL SELECT at, state, reason, at FROM told WHERE state = 'fenced') "
    "SELECT DISTINCT b.bar, coalesce(nullif(s.reason, ''), s.state) AS reason FROM stood s "
    "CROSS JOIN LATERAL generate_series("
    "CAST(floor(extract(epoch FROM s.at - :since) / :step_seconds) AS int), "
    # What ends with a bar is not in the next one.
    "CAST(floor(extract(epoch FROM greatest(s.at, s.until - interval '1 microsecond') - :since) "
    "/ :step_seconds) AS int)) AS b(bar) "
    f"WHERE s.state NOT IN ('live', '{GIVEN_UP}') ORDER BY b.bar, reason"
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
