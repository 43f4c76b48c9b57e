"""Times of which the executions are not known, and what tells why."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text

from core.domain.coverage import Answer, Span
from models.queries.links import LINK_OF, LISTENED_TO
from models.session import Reader, Writer
from models.tables import observation_gaps

_last_answers = text(
    "SELECT account, epoch, as_of FROM sync_datasets "
    "WHERE dataset = 'executions' AND account = ANY(:accounts) ORDER BY account FOR UPDATE"
)
_links_changed_at = text(
    f"SELECT max(l.since) FROM {LINK_OF} WHERE a.account = ANY(:accounts)"  # noqa: S608 - no input in it
)
_said_meanwhile = text(
    "SELECT l.message FROM sync_log l LEFT JOIN broker_sessions s USING (epoch) "  # noqa: S608 - no input in it
    f"WHERE l.kind = 'link' AND l.at > :start AND l.at <= :end AND ({LISTENED_TO}) "
    "GROUP BY l.message ORDER BY min(l.at) LIMIT 50"
)
_logins = text("SELECT epoch, login FROM broker_sessions WHERE epoch = ANY(:epochs)")
_ended = text("SELECT end_reason FROM broker_sessions WHERE epoch = :epoch")
_overlapping = text(
    "SELECT started_at, ended_at FROM observation_gaps WHERE account = :account AND closed_at IS NULL "
    "AND started_at < :end AND ended_at > :start"
)
_accounts_with_gaps = text(
    "SELECT DISTINCT account FROM observation_gaps WHERE account = ANY(:accounts) AND closed_at IS NULL "
    "ORDER BY account"
)


class GapRow(NamedTuple):
    """A time of which the gateway can tell an account's executions no more."""

    account: str
    started_at: datetime
    ended_at: datetime
    reason: str
    detected_at: datetime


async def open_gaps(reader: Reader, *, newest: int | None = None) -> list[GapRow]:
    """The gaps that nothing has filled, or the ``newest`` of them, by account and time."""
    table = observation_gaps.c
    query = select(*(table[name] for name in GapRow._fields)).where(table.closed_at.is_(None))
    query = query.order_by(table.started_at.desc(), table.id.desc()).limit(newest)
    return sorted(
        (GapRow(*row) for row in await reader.execute(query)),
        key=lambda one: (one.account, one.started_at, one.ended_at),
    )


async def last_answers(connection: Writer, accounts: Iterable[str]) -> dict[str, Answer]:
    """The last answers that told the accounts' executions completely. They stay so until the commit."""
    rows = await connection.execute(_last_answers, {"accounts": sorted(accounts)})
    return {row.account: Answer(row.epoch, row.as_of) for row in rows}


async def links_changed_at(connection: Writer, accounts: Iterable[str]) -> datetime | None:
    """When the state of the link of any of the accounts' logins last changed."""
    asked = {"accounts": sorted(accounts)}
    changed: datetime | None = (await connection.execute(_links_changed_at, asked)).scalar_one()
    return changed


async def said_of_links(connection: Writer, account: str, span: Span) -> list[str]:
    """What was noted of the link of an account's login in a time, each once, in order."""
    asked = {"account": account, "start": span.start, "end": span.end}
    rows = await connection.execute(_said_meanwhile, asked)
    return [row.message for row in rows]


async def logins_of(connection: Writer, epochs: Iterable[int]) -> dict[int, str]:
    """Of which login these sessions are, as far as they are known."""
    rows = await connection.execute(_logins, {"epochs": sorted(epochs)})
    return {row.epoch: row.login for row in rows}


async def why_ended(connection: Writer, epoch: int) -> str | None:
    """Why a connection ended; ``None`` where it has not, or nobody knows it."""
    reason: str | None = (await connection.execute(_ended, {"epoch": epoch})).scalar_one_or_none()
    return reason


async def gaps_overlapping(connection: Writer, account: str, span: Span) -> list[Span]:
    """The account's open gaps that fall into a time."""
    parameters = {"account": account, "start": span.start, "end": span.end}
    return [Span(*row) for row in await connection.execute(_overlapping, parameters)]


async def accounts_with_gaps(connection: Writer, accounts: Iterable[str]) -> list[str]:
    """Those of the accounts that have open gaps."""
    rows = await connection.execute(_accounts_with_gaps, {"accounts": sorted(accounts)})
    return [row.account for row in rows]
