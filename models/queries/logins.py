"""Which logins there are, and what their links last said."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from core.domain.link import LinkState
from models.session import Reader, Writer
from models.tables.sync import SILENCE_SECONDS

_logins = text(
    "SELECT login, l.state, l.reason, l.since, l.heard_at, "
    "CAST(floor(extract(epoch FROM clock_timestamp() - l.heard_at)) AS int) AS silent_seconds, "
    # One that was stopped says so with its last beat.
    "l.reason <> 'broker_link_down' AND l.heard_at > clock_timestamp() - make_interval(secs => :silence) "
    "IS TRUE AS runs, coalesce(a.accounts, '{}') AS accounts, s.place, s.holder FROM broker_links l "
    "FULL JOIN (SELECT login, array_agg(account ORDER BY account) AS accounts FROM broker_accounts "
    "WHERE listed AND login IS NOT NULL GROUP BY login) a USING (login) "
    "LEFT JOIN LATERAL (SELECT n.place, n.holder FROM broker_sessions n WHERE n.login = "
    "coalesce(l.login, a.login) ORDER BY n.epoch DESC LIMIT 1) s ON true ORDER BY login"
)


class LoginRow(NamedTuple):
    """A login by its gateway's ``host:port``, with what its link last said, ``None`` if it never did.

    ``runs``: the link was heard of lately. ``accounts`` are those that the login lists, ``place`` and
    ``holder`` (``machine:process``) the installation that had the last session of it.
    """

    login: str
    state: LinkState | None
    reason: str | None
    since: datetime | None
    heard_at: datetime | None
    silent_seconds: int | None
    runs: bool
    accounts: list[str]
    place: str | None
    holder: str | None


async def known_logins(connection: Reader | Writer) -> list[LoginRow]:
    """Every login that lists accounts or whose link is told of, in the order of their names."""
    rows = await connection.execute(_logins, {"silence": SILENCE_SECONDS})
    return [LoginRow(*row) for row in rows]
