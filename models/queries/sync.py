"""Why the data is as fresh as it is: links, downloads, jobs, what could not be read."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select, text

from models.queries.links import LINK_OF
from models.session import Reader
from models.tables import (
    dead_facts,
    jobs,
    observation_gaps,
    outbox,
    positions,
    sync_datasets,
    sync_log,
)
from models.tables.sync import FAILURES

_link_word = text(
    f"SELECT l.state, l.updated_at FROM {LINK_OF} "  # noqa: S608 - no input in it
    "WHERE a.account = :account ORDER BY l.epoch DESC LIMIT 1"
)
_was_given_up = text(
    "SELECT EXISTS (SELECT FROM broker_accounts a JOIN broker_sessions s USING (login) "
    "WHERE a.account = :account AND s.given_up_at IS NOT NULL)"
)


class DatasetRow(NamedTuple):
    """How complete a download of an account is, as of when, and over which connection it came."""

    account: str
    dataset: str
    as_of: datetime
    complete: bool
    error: str
    epoch: int


class JobRow(NamedTuple):
    """A job and its times."""

    id: UUID
    kind: str
    status: str
    progress: Decimal | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    details: dict[str, Any] | None = None


class DeadRow(NamedTuple):
    """Unreadable messages of one category: different ones, and how often they came."""

    category: str
    kinds: int
    occurrences: int
    last_seen_at: datetime


class ErrorRow(NamedTuple):
    """One recent failure."""

    at: datetime
    category: str
    message: str


class LinkWord(NamedTuple):
    """The link's last known state, and when it last said so."""

    state: str
    updated_at: datetime


class Tally(NamedTuple):
    """Counts for the metrics."""

    open_positions: int
    closed_positions: int
    outbox_entries: int
    open_gaps: int


async def datasets(reader: Reader) -> list[DatasetRow]:
    """Every download of every account."""
    table = sync_datasets.c
    rows = await reader.execute(
        select(*(table[name] for name in DatasetRow._fields)).order_by(table.account, table.dataset)
    )
    return [DatasetRow(*row) for row in rows]


async def link_word(reader: Reader, account: str) -> LinkWord | None:
    """What the link of an account's login last said of itself; ``None`` before it ever did."""
    row = (await reader.execute(_link_word, {"account": account})).one_or_none()
    return None if row is None else LinkWord(*row)


async def was_given_up(reader: Reader, account: str) -> bool:
    """Whether the login that lists an account, or did last, was given up at some time."""
    return bool((await reader.execute(_was_given_up, {"account": account})).scalar_one())


def _job(row: Row[Any]) -> JobRow:
    return JobRow._make(row)


async def recent_jobs(reader: Reader, *, limit: int) -> list[JobRow]:
    """The newest jobs first."""
    table = jobs.c
    query = select(*(table[name] for name in JobRow._fields)).order_by(table.created_at.desc(), table.id)
    return [_job(row) for row in await reader.execute(query.limit(limit))]


async def job_by_id(reader: Reader, job_id: UUID) -> JobRow | None:
    """One job, or ``None``."""
    table = jobs.c
    query = select(*(table[name] for name in JobRow._fields)).where(table.id == job_id)
    row = (await reader.execute(query)).one_or_none()
    return None if row is None else _job(row)


async def dead_by_category(reader: Reader) -> list[DeadRow]:
    """What could not be read or applied and stands open, by category."""
    table = dead_facts.c
    rows = await reader.execute(
        select(
            table.category,
            func.count(),
            func.sum(table.occurrences).cast(table.occurrences.type),
            func.max(table.last_seen_at),
        )
        .where(table.status == "open")
        .group_by(table.category)
        .order_by(table.category)
    )
    return [DeadRow(*row) for row in rows]


async def last_errors(reader: Reader, *, limit: int) -> list[ErrorRow]:
    """The newest failures: messages kept aside, and downloads that ended badly. Never their content."""
    dead = select(
        dead_facts.c.last_seen_at.label("at"),
        dead_facts.c.category.label("category"),
        dead_facts.c.reason.label("message"),
    ).where(dead_facts.c.status == "open")
    failed = select(sync_log.c.at, sync_log.c.kind, sync_log.c.message).where(sync_log.c.kind.in_(FAILURES))
    listed = dead.union_all(failed).subquery()
    rows = await reader.execute(select(listed).order_by(listed.c.at.desc()).limit(limit))
    return [ErrorRow(*row) for row in rows]


async def outbox_entries(reader: Reader) -> int:
    """Changes committed and not yet published."""
    return (await reader.execute(select(func.count()).select_from(outbox))).scalar_one()


async def tally(reader: Reader) -> Tally:
    """Counts of positions by status, of the outbox, and of the gaps in what was observed."""
    is_open = positions.c.status == "open"
    row = (await reader.execute(select(func.count().filter(is_open), func.count().filter(~is_open)))).one()
    gaps = select(func.count()).where(observation_gaps.c.closed_at.is_(None))
    return Tally(row[0], row[1], await outbox_entries(reader), (await reader.execute(gaps)).scalar_one())
