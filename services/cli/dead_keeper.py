"""What a worker does about what was set aside: tries it again when somebody asked for that over the API."""

from typing import Final

from core import logs
from core.clock import Clock, utc_now
from core.process import again_and_again
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries.dead_facts import dead_facts_by_id
from models.session import Database, is_passing
from models.stores.jobs_dead import RetryJob, begin_retry, end_retry, hold_retry, is_wanted
from models.tables.jobs import DEAD_RETRY
from services.cli.dead_again import relaying, rereading
from services.position_sync.dead import retry

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 1.0

MOST_BEGUN: Final = 3
NO_END: Final = (
    f"Workers began with it {MOST_BEGUN} times and came to no end: they died, or were stopped. It stays set "
    "aside; look into their logs before it is tried again."
)


async def keep_dead(settings: Settings, database: Database, _streams: StreamPort) -> None:
    """Look for retries that were asked for until cancelled. Any number of workers may do so at once."""

    async def look() -> None:
        while await retry_asked(settings, database):
            pass

    await again_and_again(look, LOOK_SECONDS, name="dead_keeper", is_passing=is_passing)


async def retry_asked(settings: Settings, database: Database, *, clock: Clock = utc_now) -> bool:
    """Do the retry that has waited longest; false where none waits.

    Raises:
        Exception: it could not be tried, as PostgreSQL is away: it waits on.
    """
    async with database.write() as holder:
        job = await hold_retry(holder)
        if job is None:
            return False
        elapsed_ms = logs.stopwatch()
        with logs.caused_by(str(job.id)):
            error: str | None = NO_END
            if job.begun < MOST_BEGUN:
                async with database.write() as writer:
                    await begin_retry(writer, job, clock())
                error = await _retry(settings, database, job)
            await end_retry(holder, job, error=error, now=clock())
    with logs.caused_by(str(job.id)):
        log.info("job_ended", job=str(job.id), kind=DEAD_RETRY, ok=error is None, duration_ms=elapsed_ms())
    return True


async def _retry(settings: Settings, database: Database, job: RetryJob) -> str | None:
    """Why it cannot be applied still; ``None``: it is applied."""
    async with database.read() as reader:
        rows = await dead_facts_by_id(reader, [job.dead_id])
    if not rows:
        return "There is no such message any more."
    if rows[0].status == "retried":
        return None
    try:
        async with relaying(database, settings) as relay:
            outcome = await retry(
                relay,
                database,
                rows[0],
                rereading(database, settings),
                is_wanted=lambda writer: is_wanted(writer, job),
            )
    except Exception as error:
        if is_passing(error):
            raise
        log.exception("retry_failed")
        return f"{type(error).__name__}: see the worker's log"
    return None if outcome.status == "retried" else outcome.reason
