"""Fetches of statements: begun, ended, and one process at a time for each query."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, text, update

from models.session import Writer
from models.tables import flex_fetches

LOCK_CLASS = 0x10C7_F1E8
"""The first half of each key. Other than that of the leases: whoever fetches holds no login."""

MOST_SUMMARY = 1000

_try_lock = text("SELECT pg_try_advisory_lock(:class, hashtext(:query_id))")
_unlock = text("SELECT pg_advisory_unlock(:class, hashtext(:query_id))")


class Fetched(NamedTuple):
    """Where a statement lies, and what it is."""

    path: str
    sha256: str
    size_bytes: int


async def lock_query(writer: Writer, query_id: str) -> bool:
    """Take the lock of a query, unless another has it. It lives as long as the server connection."""
    taken: bool = (await writer.execute(_try_lock, {"class": LOCK_CLASS, "query_id": query_id})).scalar_one()
    return taken


async def unlock_query(writer: Writer, query_id: str) -> None:
    """Let go of it, over the connection that took it."""
    await writer.execute(_unlock, {"class": LOCK_CLASS, "query_id": query_id})


async def begin_fetch(writer: Writer, query_id: str, *, asked: bool, token_mark: str, now: datetime) -> int:
    """Record that a fetch has begun; its id.

    Whoever calls this has the query's lock. So whatever of it is still running is not: its process is gone.
    """
    table = flex_fetches.c
    await writer.execute(
        update(flex_fetches)
        .where(table.query_id == query_id, table.outcome == "running")
        .values(
            outcome="failed",
            error_category="network",
            summary="Its process ended before it did.",
            finished_at=now,
        )
    )
    begun = await writer.execute(
        insert(flex_fetches)
        .values(query_id=query_id, asked=asked, token_mark=token_mark, started_at=now)
        .returning(table.id)
    )
    return int(begun.scalar_one())


async def fetch_succeeded(writer: Writer, fetch_id: int, fetched: Fetched, now: datetime) -> None:
    """Record what was fetched."""
    await writer.execute(
        update(flex_fetches)
        .where(flex_fetches.c.id == fetch_id)
        .values(
            outcome="succeeded",
            finished_at=now,
            file_path=fetched.path,
            sha256=fetched.sha256,
            size_bytes=fetched.size_bytes,
        )
    )


async def fetch_failed(
    writer: Writer, fetch_id: int, category: str, summary: str, now: datetime, fetched: Fetched | None = None
) -> None:
    """Record why it failed; ``fetched`` where there is a file, with which nothing could be done."""
    path, sha256, size_bytes = fetched or (None, None, None)
    await writer.execute(
        update(flex_fetches)
        .where(flex_fetches.c.id == fetch_id)
        .values(
            outcome="failed",
            error_category=category,
            summary=summary.replace("\x00", "")[:MOST_SUMMARY],
            finished_at=now,
            file_path=path,
            sha256=sha256,
            size_bytes=size_bytes,
        )
    )
