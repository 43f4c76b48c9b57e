"""Retries of what was set aside that somebody asked for: they wait until a worker has time."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from models.session import Writer
from models.stores.jobs_asked import AskedJob, ask_job
from models.stores.jobs_coalesced import may_be_silent
from models.stores.jobs_held import hold_job
from models.tables.jobs import DEAD_RETRY

CALLED_OFF = "It was dropped before it was applied."
"""What a retry ends with that waited, or was under way, when somebody let rest what it was of."""

_waiting = text(
    "SELECT id, CAST(details ->> 'dead_fact' AS bigint) AS dead_id, "
    "coalesce(CAST(details ->> 'begun' AS integer), 0) AS begun FROM jobs WHERE kind = 'dead_retry' "
    "AND status IN ('queued', 'running') ORDER BY created_at, id LIMIT 100"
)
_begun = text(
    "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, :now), "
    "details = details || jsonb_build_object('begun', CAST(:begun AS integer)) "
    "WHERE id = :id AND status IN ('queued', 'running')"
)
# Somebody who drops it at the same time waits, and finds it applied.
_is_wanted = text("SELECT 1 FROM jobs WHERE id = :id AND status IN ('queued', 'running') FOR NO KEY UPDATE")
_end = text(
    "UPDATE jobs SET status = :status, error = :error, progress = 1, finished_at = :now, "
    "details = details - 'begun' WHERE id = :id AND status IN ('queued', 'running')"
)
_call_off = text(
    "UPDATE jobs j SET status = 'failed', error = :error, progress = 1, finished_at = :now, "
    "details = j.details - 'begun' FROM dead_facts d WHERE j.kind = 'dead_retry' "
    "AND j.status IN ('queued', 'running') AND d.id = CAST(j.details ->> 'dead_fact' AS bigint) "
    "AND d.id = ANY(CAST(:dead_ids AS bigint[])) AND d.status = 'dropped'"
)


class RetryJob(NamedTuple):
    """A retry that somebody waits for, of what was set aside under a number.

    ``begun`` is how often a worker began with it, and came to no end.
    """

    id: UUID
    dead_id: int
    begun: int


async def ask_retry(writer: Writer, job_id: UUID, dead_id: int, now: datetime) -> AskedJob:
    """Ask for a retry, or join the one of the same that is not finished."""
    return await ask_job(writer, DEAD_RETRY, job_id, now, subject={"dead_fact": dead_id})


async def hold_retry(writer: Writer) -> RetryJob | None:
    """The oldest that waits and that no other worker has: held until the transaction ends.

    A worker that is killed over it lets go of it.
    """
    await may_be_silent(writer)
    for row in list(await writer.execute(_waiting)):
        if await hold_job(writer, row.id):
            return RetryJob(row.id, row.dead_id, row.begun)
    return None


async def begin_retry(writer: Writer, job: RetryJob, now: datetime) -> None:
    """Note that it is under way, before anything is tried: who dies over it notes nothing afterwards."""
    await writer.execute(_begun, {"id": job.id, "now": now, "begun": job.begun + 1})


async def is_wanted(writer: Writer, job: RetryJob) -> bool:
    """Whether nobody has called it off; from now on, until the commit, nobody can."""
    return (await writer.execute(_is_wanted, {"id": job.id})).first() is not None


async def end_retry(writer: Writer, job: RetryJob, *, error: str | None, now: datetime) -> None:
    """Note how it ended, unless it was called off."""
    status = "succeeded" if error is None else "failed"
    await writer.execute(_end, {"id": job.id, "status": status, "error": error, "now": now})


async def call_off_retries(writer: Writer, dead_ids: Collection[int], now: datetime) -> None:
    """End the retries of what has been dropped. Whoever asks for one afterwards has it done."""
    await writer.execute(_call_off, {"dead_ids": sorted(dead_ids), "error": CALLED_OFF, "now": now})
