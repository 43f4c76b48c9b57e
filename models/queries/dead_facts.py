"""What was set aside: whole, to be shown, retried or dropped."""

from collections.abc import Collection
from datetime import datetime
from operator import eq, lt
from typing import Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, and_, func, select, text, true

from models.queries.narrowing import narrowed
from models.session import Reader, Writer
from models.tables import broker_sessions, dead_facts

DeadStatus: TypeAlias = Literal["open", "retried", "dropped"]
"""``open``: it waits for somebody; ``retried``: it was applied after all; ``dropped``: it was let rest."""

DeadChoice: TypeAlias = Literal["open", "retried", "dropped", "all"]


class DeadFactRow(NamedTuple):
    """One thing that could not be read or applied."""

    id: int
    category: str
    reason: str
    payload: str
    source: str
    account: str | None
    epoch: int | None
    seq: int | None
    occurrences: int
    first_seen_at: datetime
    last_seen_at: datetime
    status: str
    resolved_at: datetime | None
    retries: int


class SpokenWith(NamedTuple):
    """The protocol version and the zone of the gateway of one session, where they are known."""

    server_version: int | None
    time_zone: str | None


_table = dead_facts.c
_columns = [_table[name] for name in DeadFactRow._fields]


_BASE = "regexp_replace({}, '[.][0-9]+$', '')"
_EXEC_ID = """substring(d.payload FROM '"exec_id":"([^"]*)"')"""
_set_aside = text(
    f"SELECT {', '.join(f'd.{name}' for name in DeadFactRow._fields)} FROM dead_facts d "  # noqa: S608 - names of this program's own
    "WHERE d.status = 'open' AND d.source = 'facts' AND d.reason = :reason "
    f"AND {_BASE.format(_EXEC_ID)} IN "
    f"(SELECT {_BASE.format('t.exec_id')} FROM stated_trades t WHERE t.import_id = :id) "
    "ORDER BY d.first_seen_at, d.id"
)


def _wanted(category: str | None, account: str | None, *, every: bool) -> ColumnElement[bool]:
    return and_(
        true() if every else _table.status == "open",
        true() if category is None else _table.category == category,
        true() if account is None else _table.account == account,
    )


async def list_dead_facts(
    reader: Reader,
    *,
    category: str | None = None,
    account: str | None = None,
    every: bool = False,
    limit: int | None = None,
) -> list[DeadFactRow]:
    """Those that stand open, or ``every`` one, in the order in which they came first."""
    where = _wanted(category, account, every=every)
    query = select(*_columns).where(where).order_by(_table.id).limit(limit)
    return [DeadFactRow._make(row) for row in await reader.execute(query)]


async def dead_facts_page(
    reader: Reader,
    *,
    status: DeadStatus | None = None,
    category: str | None = None,
    account: str | None = None,
    after: int | None = None,
    limit: int,
) -> list[DeadFactRow]:
    """At most ``limit`` of them with a smaller number than ``after``, the one that came last first."""
    query = narrowed(
        select(*_columns).order_by(_table.id.desc()).limit(limit),
        # Spelled out, so that the index of what stands open is known to have them all.
        (_table.status, eq, None if status is None else text(f"'{status}'")),
        (_table.category, eq, category),
        (_table.account, eq, account),
        (_table.id, lt, after),
    )
    return [DeadFactRow._make(row) for row in await reader.execute(query)]


async def count_dead_facts(
    reader: Reader, *, category: str | None = None, account: str | None = None, every: bool = False
) -> int:
    """How many there are of those."""
    where = _wanted(category, account, every=every)
    query = select(func.count()).select_from(dead_facts).where(where)
    return (await reader.execute(query)).scalar_one()


async def dead_facts_by_id(reader: Reader, ids: Collection[int]) -> list[DeadFactRow]:
    """Those with these ids, as far as there are any."""
    query = select(*_columns).where(_table.id.in_(sorted(ids))).order_by(_table.id)
    return [DeadFactRow._make(row) for row in await reader.execute(query)]


async def executions_set_aside(connection: Writer, reason: str, import_id: int) -> list[DeadFactRow]:
    """Executions that were told live and set aside for this reason, of trades that an import states.

    In the order in which they came first.
    """
    rows = await connection.execute(_set_aside, {"reason": reason, "id": import_id})
    return [DeadFactRow._make(row) for row in rows]


async def spoken_with(reader: Reader, epoch: int | None) -> SpokenWith:
    """What the gateway of a session said of itself."""
    sessions = broker_sessions.c
    query = select(sessions.server_version, sessions.time_zone).where(sessions.epoch == (epoch or 0))
    row = (await reader.execute(query)).one_or_none()
    return SpokenWith(None, None) if row is None else SpokenWith(*row)
