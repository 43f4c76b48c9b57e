"""What could not be read or applied, kept whole, and what became of it."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text, update

from models.session import Writer
from models.stores.bulk import BulkInsert
from models.stores.jobs_dead import call_off_retries
from models.tables import dead_facts

# What was retried well and is told again, still unreadable, is open again; what was dropped stays dropped.
_upsert_dead = BulkInsert(
    dead_facts,
    (
        "fingerprint",
        "category",
        "reason",
        "payload",
        "source",
        "account",
        "epoch",
        "seq",
        "occurrences",
        "first_seen_at",
        "last_seen_at",
    ),
    conflict="ON CONFLICT (fingerprint) DO UPDATE SET "
    "occurrences = dead_facts.occurrences + excluded.occurrences, "
    "first_seen_at = least(dead_facts.first_seen_at, excluded.first_seen_at), "
    "last_seen_at = greatest(dead_facts.last_seen_at, excluded.last_seen_at), reason = excluded.reason, "
    "epoch = greatest(dead_facts.epoch, excluded.epoch), "
    "seq = CASE WHEN coalesce(excluded.epoch, 0) < dead_facts.epoch THEN dead_facts.seq "
    "ELSE excluded.seq END, "
    "status = CASE dead_facts.status WHEN 'retried' THEN 'open' ELSE dead_facts.status END, "
    "resolved_at = CASE dead_facts.status WHEN 'dropped' THEN dead_facts.resolved_at END",
)
_resolve = text(
    "UPDATE dead_facts SET status = 'retried', resolved_at = :at, retries = retries + 1 "
    "WHERE id = :id AND status <> 'retried' RETURNING id"
)


class DeadFact(NamedTuple):
    """What could not be read or applied, kept whole."""

    category: str
    reason: str
    payload: str
    source: str
    at: datetime
    account: str | None = None
    epoch: int | None = None
    seq: int | None = None


def _storable(words: str) -> str:
    """PostgreSQL's text holds neither the character NUL nor half a character."""
    return words.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()


async def bury(connection: Writer, facts: Iterable[DeadFact]) -> None:
    """Keep what could not be dealt with. The same thing again is counted, not kept twice."""
    rows: dict[str, list[object]] = {}
    for fact in facts:
        payload = _storable(fact.payload)
        fingerprint = hashlib.sha256(f"{fact.category}\n{payload}".encode()).hexdigest()
        row = rows.get(fingerprint)
        if row is None:
            rows[fingerprint] = [
                fingerprint,
                fact.category,
                _storable(fact.reason),
                payload,
                fact.source,
                _storable(fact.account or "") or None,
                fact.epoch,
                fact.seq,
                1,
                fact.at,
                fact.at,
            ]
        else:
            row[8] = int(str(row[8])) + 1
            row[10] = fact.at
    await _upsert_dead(connection, [rows[key] for key in sorted(rows)])


async def resolve_dead_fact(connection: Writer, dead_id: int, at: datetime) -> bool:
    """It was applied after all; whether nobody had done that before. Belongs into the same transaction."""
    return (await connection.execute(_resolve, {"id": dead_id, "at": at})).first() is not None


async def note_failed_retry(connection: Writer, dead_id: int, reason: str) -> None:
    """It was tried again in vain."""
    table = dead_facts.c
    await connection.execute(
        update(dead_facts)
        .where(table.id == dead_id, table.status != "retried")
        .values(retries=table.retries + 1, reason=_storable(reason))
    )


async def drop_dead_facts(connection: Writer, ids: Collection[int], at: datetime) -> list[int]:
    """Let open ones rest: kept, counted when they come again, and open no more. Returns those dropped.

    Retries that were asked for before, and are not through, are called off.
    """
    table = dead_facts.c
    # Locked, too, where nothing changes: so a retry under way is over before it is looked whether it is.
    await connection.execute(
        select(table.id).where(table.id.in_(sorted(ids))).order_by(table.id).with_for_update()
    )
    rows = await connection.execute(
        update(dead_facts)
        .where(table.id.in_(sorted(ids)), table.status == "open")
        .values(status="dropped", resolved_at=at)
        .returning(table.id)
    )
    dropped = sorted(row.id for row in rows)
    # Also where it had been dropped before: the last word counts.
    await call_off_retries(connection, ids, at)
    return dropped
