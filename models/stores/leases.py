"""Locks that live as long as one server connection: one live link a login and an account.

They are PostgreSQL's session-level advisory locks, so the writer must be that of an ``OwnConnection``. The
transaction that takes one does not end it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from models.session import Writer

LOCK_CLASS = 0x10C7_11FE
"""The first half of each key. Any constant of our own; the second half is of the name."""

_try = text("SELECT pg_try_advisory_lock(:class, :name)")
_try_for_now = text("SELECT pg_try_advisory_xact_lock(:class, :name)")
_unlock_all = text("SELECT pg_advisory_unlock_all()")
_backend = text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_HELD = (
    "FROM pg_locks JOIN pg_stat_activity activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = :class AND objsubid = 2 AND pid <> pg_backend_pid()"
)
_others = text(f"SELECT EXISTS (SELECT {_HELD})")
_end_own = text(
    f"SELECT count(pg_terminate_backend(pid)) {_HELD} AND pid = :pid AND activity.backend_start = :started_at"
)


class Backend(NamedTuple):
    """One server process of PostgreSQL; its number alone may be another's after a restart."""

    pid: int
    started_at: datetime


async def take_locks(writer: Writer, names: Sequence[str], *, lock_class: int = LOCK_CLASS) -> bool:
    """Take the lock of every name, in this order; if one is another's, hold none at all.

    Links look whether anybody holds a lock of their class: what is no link takes another one.
    """
    for name in names:
        taken = await writer.execute(_try, {"class": lock_class, "name": _number(name)})
        if not taken.scalar_one():
            await writer.execute(_unlock_all)
            return False
    return True


async def is_free(writer: Writer, name: str) -> bool:
    """Whether nobody has the lock of this name; then nobody takes it until the transaction ends."""
    taken = await writer.execute(_try_for_now, {"class": LOCK_CLASS, "name": _number(name)})
    return bool(taken.scalar_one())


async def own_backend(writer: Writer) -> Backend:
    """The server process at the other end of this connection."""
    return Backend._make((await writer.execute(_backend)).one())


async def end_former_backend(writer: Writer, former: Backend) -> bool:
    """End a server process that still holds locks for a connection we lost; whether there was one."""
    parameters = {"class": LOCK_CLASS, "pid": former.pid, "started_at": former.started_at}
    ended: int = (await writer.execute(_end_own, parameters)).scalar_one()
    return ended > 0


async def others_hold_locks(writer: Writer) -> bool:
    """Whether another link of this database, whatever its login, has a lock."""
    found: bool = (await writer.execute(_others, {"class": LOCK_CLASS})).scalar_one()
    return found


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big", signed=True)
