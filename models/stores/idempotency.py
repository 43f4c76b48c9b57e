"""Requests that may be repeated: who is at one, and what was answered."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import CursorResult, delete, select, text, update

from models.session import Writer
from models.tables import idempotency_keys

KEPT_FOR: Final = timedelta(hours=24)
"""How long an answer is kept: a key that is used later begins anew."""

SILENT_FOR: Final = timedelta(seconds=30)
"""Who is at a request and was not heard of for so long is at it no more."""

_PRUNED_AT_ONCE: Final = 100

_claim = text(
    "INSERT INTO idempotency_keys AS kept (owner, key_hash, attempt, job_id, fingerprint, created_at, "
    "heard_at) VALUES (:owner, :key_hash, :attempt, :job_id, :fingerprint, :now, :now) "
    "ON CONFLICT (owner, key_hash) DO UPDATE SET attempt = excluded.attempt, heard_at = excluded.heard_at, "
    # What an earlier attempt began is found again under its id; after a day it is nobody's any more.
    "job_id = CASE WHEN kept.created_at > :kept_since THEN kept.job_id ELSE excluded.job_id END, "
    "fingerprint = CASE WHEN kept.created_at > :kept_since "
    "THEN coalesce(excluded.fingerprint, kept.fingerprint) ELSE excluded.fingerprint END, "
    "created_at = CASE WHEN kept.created_at > :kept_since THEN kept.created_at ELSE excluded.created_at END, "
    "status = NULL, media_type = NULL, body = NULL "
    "WHERE kept.created_at <= :kept_since OR (kept.status IS NULL AND kept.heard_at <= :heard_since "
    "AND coalesce(kept.fingerprint = excluded.fingerprint, true)) "
    "RETURNING job_id, fingerprint"
)
_prune = text(
    "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_keys "
    "WHERE created_at <= :kept_since ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED))"
)


class RequestKey(NamedTuple):
    """A key, and who sent it; hashes, so that a copy of the database tells neither."""

    owner: str
    key_hash: str


class Claim(NamedTuple):
    """The request is ours to do. ``fingerprint`` is that of whoever was at it before, as far as known."""

    key: RequestKey
    attempt: UUID
    job_id: UUID
    fingerprint: str | None


class KeptAnswer(NamedTuple):
    """What is known of the request. ``status`` is none while somebody is at it."""

    fingerprint: str | None
    status: int | None
    media_type: str | None
    body: bytes | None


async def claim(
    writer: Writer, key: RequestKey, *, attempt: UUID, job_id: UUID, fingerprint: str | None, now: datetime
) -> Claim | KeptAnswer:
    """Take the request on, unless somebody is at it or has done it."""
    since = now - KEPT_FOR
    await writer.execute(_prune, {"kept_since": since, "most": _PRUNED_AT_ONCE})
    row = (
        await writer.execute(
            _claim,
            {
                **key._asdict(),
                "attempt": attempt,
                "job_id": job_id,
                "fingerprint": fingerprint,
                "now": now,
                "kept_since": since,
                "heard_since": now - SILENT_FOR,
            },
        )
    ).first()
    if row is not None:
        return Claim(key, attempt, row.job_id, row.fingerprint)
    table = idempotency_keys.c
    found = (
        await writer.execute(
            select(table.fingerprint, table.status, table.media_type, table.body).where(
                table.owner == key.owner, table.key_hash == key.key_hash
            )
        )
    ).first()
    # Gone in between: whoever had it gave it up, and it can be asked for again at once.
    return KeptAnswer(None, None, None, None) if found is None else KeptAnswer(*found)


async def note_fingerprint(writer: Writer, held: Claim, fingerprint: str) -> None:
    """Say what the request is, now that it has come whole."""
    await _of(writer, held, fingerprint=fingerprint)


async def keep_alive(writer: Writer, held: Claim, now: datetime) -> None:
    """Say that we are still at it."""
    await _of(writer, held, heard_at=now)


async def let_go(writer: Writer, held: Claim, now: datetime) -> None:
    """Say that we are at it no more, and do not know what became of it: another attempt may find out."""
    await _of(writer, held, heard_at=now - SILENT_FOR)


async def keep_answer(
    writer: Writer, held: Claim, *, status: int, media_type: str | None, body: bytes | None
) -> None:
    """Keep the answer for whoever asks again."""
    await _of(writer, held, status=status, media_type=media_type, body=body)


async def forget(writer: Writer, held: Claim) -> None:
    """Nothing was begun: the same key may be used for a better request."""
    table = idempotency_keys.c
    await writer.execute(
        delete(idempotency_keys).where(
            table.owner == held.key.owner, table.key_hash == held.key.key_hash, table.attempt == held.attempt
        )
    )


async def _of(writer: Writer, held: Claim, **values: object) -> CursorResult[object]:
    table = idempotency_keys.c
    return await writer.execute(
        update(idempotency_keys)
        .where(
            table.owner == held.key.owner, table.key_hash == held.key.key_hash, table.attempt == held.attempt
        )
        .values(**values)
    )
