"""Jobs that one worker at a time has: held apart from their rows, which tell meanwhile how they stand."""

from uuid import UUID

from sqlalchemy import text

from models.session import Writer

_hold = text("SELECT pg_try_advisory_xact_lock(:key)")
_still = text("SELECT id FROM jobs WHERE id = :id AND status IN ('queued', 'running')")


async def hold_job(writer: Writer, job_id: UUID) -> bool:
    """Keep a job from others until the transaction ends; false where another has it, or it has ended."""
    key = int.from_bytes(job_id.bytes[:8], signed=True)
    held: bool = (await writer.execute(_hold, {"key": key})).scalar_one()
    return held and (await writer.execute(_still, {"id": job_id})).first() is not None
