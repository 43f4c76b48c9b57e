"""What is to be done, and for how long it has been."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from models.session import Reader, Writer
from models.tables.jobs import RESYNC

# A time further ahead than anything is ever put off was written by a clock that has been set back since.
_IS_DUE = "done < wanted AND (due_at <= clock_timestamp() OR due_at > clock_timestamp() + interval '2 hours')"
_OVERDUE_SECONDS = "CAST(extract(epoch FROM clock_timestamp() - due_at) AS double precision)"
_due = text(
    "SELECT wanted, trigger, attempts FROM coalesced_jobs "  # noqa: S608 - no input in it
    f"WHERE kind = :kind AND account = :account AND {_IS_DUE}"
)
_overdue = text(
    f"SELECT account, {_OVERDUE_SECONDS} FROM coalesced_jobs WHERE kind = :kind AND {_IS_DUE} "  # noqa: S608 - no input in it
    "AND due_at NOT BETWEEN clock_timestamp() - make_interval(secs => :grace) AND clock_timestamp() "
    "ORDER BY due_at LIMIT :most"
)
_waiting = text(
    "SELECT account, CAST(greatest(0, extract(epoch FROM due_at - clock_timestamp())) AS double precision) "
    "FROM coalesced_jobs WHERE kind = :kind AND account = ANY(:accounts) AND done < wanted ORDER BY due_at"
)
_count = text(
    f"SELECT count(*) FILTER (WHERE {_IS_DUE}), coalesce(max({_OVERDUE_SECONDS}) "  # noqa: S608 - no input in it
    f"FILTER (WHERE {_IS_DUE}), 0), count(*) FILTER (WHERE attempts > 0) "
    "FROM coalesced_jobs WHERE done < wanted"
)
_unanswered = text(
    "SELECT id, requested_by FROM jobs WHERE kind = :kind AND status = 'queued' "
    "AND created_at < clock_timestamp() - make_interval(secs => :age) ORDER BY created_at LIMIT :most"
)


class Wish(NamedTuple):
    """What is due: up to which wish, what made it worth while, and how often it failed since it was done."""

    wanted: int
    trigger: str
    attempts: int


class Overdue(NamedTuple):
    """An account whose work should have been done some seconds ago."""

    account: str
    seconds: float


class DueCounts(NamedTuple):
    """Work that is due, how long the oldest of it has been, and what failed and is to be tried again."""

    due: int
    overdue_seconds: float
    failing: int


class Unanswered(NamedTuple):
    """A resync that someone asked for and the broker link has not answered."""

    id: UUID
    requested_by: str


async def due(connection: Reader | Writer, kind: str, account: str) -> Wish | None:
    """What is to be done now, if anything."""
    row = (await connection.execute(_due, {"kind": kind, "account": account})).one_or_none()
    return None if row is None else Wish(*row)


async def overdue(reader: Reader, kind: str, *, grace_seconds: float, most: int) -> list[Overdue]:
    """What has been due for longer than a grace, the oldest first."""
    rows = await reader.execute(_overdue, {"kind": kind, "grace": grace_seconds, "most": most})
    return [Overdue(*row) for row in rows]


async def waiting(reader: Reader, kind: str, accounts: Iterable[str]) -> list[tuple[str, float]]:
    """Those of the accounts whose work waits, and in how many seconds it is due."""
    rows = await reader.execute(_waiting, {"kind": kind, "accounts": sorted(accounts)})
    return [(row[0], row[1]) for row in rows]


async def due_counts(connection: Reader | Writer) -> DueCounts:
    """How much is due, of every kind."""
    return DueCounts(*(await connection.execute(_count)).one())


async def unanswered_resyncs(reader: Reader, *, age_seconds: float, most: int) -> list[Unanswered]:
    """Resyncs asked for so long ago and not answered."""
    rows = await reader.execute(_unanswered, {"kind": RESYNC, "age": age_seconds, "most": most})
    return [Unanswered(*row) for row in rows]
