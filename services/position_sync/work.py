"""Work that is due, done by one worker at a time, again and again until nothing of it is left.

What is due stands in ``coalesced_jobs``. Whoever is killed over it leaves it due, and lets go of it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError

from core import logs
from core.clock import Clock, utc_now
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries.jobs import Wish, due
from models.session import Database, is_passing
from models.stores import jobs_coalesced as store
from models.tables.jobs import RECONCILE
from services.position_sync.reconcile import reconcile

log = logs.get_logger(__name__)

_MOST_SECONDS = 110.0
_LEAST_SECONDS = 0.1
"""Before looking again at what has not settled."""

Do = Callable[[str], Awaitable[float | None]]
"""Does it, given what made it worth while; returns after how many seconds it is wanted again, if it is."""


async def work_off(database: Database, kind: str, account: str, do: Do, *, settle_seconds: float) -> bool:
    """Do what is due of one kind for one account; false where someone else is at it.

    A failure is noted, and what failed is due again later. A failure to note it leaves it due.
    """
    try:
        async with database.write() as holder:
            if not await store.hold(holder, kind, account):
                return False
            while (wish := await due(holder, kind, account)) is not None:
                elapsed_ms = logs.stopwatch()
                again_after = await _attempt(database, kind, account, do, wish)
                log.debug("work_done", kind=kind, trigger=wish.trigger, duration_ms=elapsed_ms())
                async with database.write() as writer:
                    await store.finish(
                        writer,
                        kind,
                        account,
                        seen=wish.wanted,
                        again_after_seconds=again_after,
                        settle_seconds=settle_seconds,
                    )
                if wish.attempts:
                    log.info("work_goes_well_again", kind=kind, failures=wish.attempts)
    except _FailedError:
        return True
    except Exception as error:
        if not is_passing(error):
            raise
        log.debug("work_left_for_later", kind=kind, reason=type(error).__name__)
    return True


class _FailedError(Exception):
    """It is noted already."""


async def _attempt(database: Database, kind: str, account: str, do: Do, wish: Wish) -> float | None:
    limit = asyncio.timeout(_MOST_SECONDS)
    try:
        async with limit:
            return await do(wish.trigger)
    except Exception as error:
        # That time ran out is no outage of PostgreSQL, though it looks like one.
        if not wish.attempts and (limit.expired() or not is_passing(error)):
            log.exception("work_failed", kind=kind)
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        reason = f"{type(cause).__name__}: {cause}".strip(": ")
        async with database.write() as writer:
            await store.fail(writer, kind, account, reason.replace("\x00", ""))
        raise _FailedError from error


async def compare_when_due(
    database: Database, streams: StreamPort, settings: Settings, account: str, *, clock: Clock = utc_now
) -> bool:
    """Compare an account with the broker, as often as that is due; false where someone else is at it."""

    async def compare(trigger: str) -> float | None:
        compared = await reconcile(database, streams, settings, account, trigger, clock=clock)
        return max(settings.settle_seconds, _LEAST_SECONDS) if compared.unsettled else None

    return await work_off(database, RECONCILE, account, compare, settle_seconds=settings.settle_seconds)
