"""The arq worker: comparisons and the sweep. Work that can be done again is queued; facts never are.

arq ends when its Redis connections are cut, so it is run again, in this process, until it is told to stop.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from math import ceil
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import msgspec
from arq import Retry, cron, func
from arq.connections import ArqRedis
from arq.worker import Worker
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from core import logs
from core.events.requests import RECONCILE_JOB, SWEEP_JOB
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.position_sync.faults import is_passing
from services.position_sync.reconcile import reconcile
from services.position_sync.sweep import sweep

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = logs.get_logger(__name__)

_JOB_TIMEOUT_SECONDS = 120
_ALWAYS_AGAIN = 10**9
_SWALLOWED_SECONDS = 0.2
"""A cancellation that had no effect for so long was swallowed, and is asked for again."""
_FINISH_SECONDS = 1.0
_ATTEMPTS = 3
_LEAST_SECONDS = 0.05
_RETRY_FIRST_SECONDS = 0.2
_RETRY_MOST_SECONDS = 5.0
_MINUTE = 60

_encode = cast("Callable[[dict[str, Any]], bytes]", msgspec.msgpack.Encoder(enc_hook=str).encode)
_decode = cast("Callable[[bytes], dict[str, Any]]", msgspec.msgpack.decode)


def connect(settings: Settings) -> ArqRedis:
    """A client for arq's queue. It connects when first used and again after a loss."""
    pool = ConnectionPool.from_url(
        settings.require_redis_url(), socket_connect_timeout=3, socket_timeout=15, health_check_interval=15
    )
    return ArqRedis(
        pool,
        job_serializer=_encode,
        job_deserializer=_decode,
        default_queue_name=settings.queue_name,
    )


async def close(redis: ArqRedis) -> None:
    """Close a client and its pool."""
    with suppress(RedisError, OSError):
        await redis.aclose(close_connection_pool=True)
        await redis.connection_pool.disconnect()


@dataclass
class ComparisonQueue:
    """Asks for comparisons: few wait per account, however many changes ask for one."""

    redis: ArqRedis
    settings: Settings
    _asked: dict[str, float] = field(default_factory=dict)

    async def ask(self, account: str, trigger: str) -> None:
        """Have ``account`` compared once things have settled. Without Redis the sweep does it later."""
        now = time.monotonic()
        settle = self.settings.settle_seconds
        # Whatever was asked for a moment ago is still waiting out the settling time.
        if trigger == "change" and now - self._asked.get(account, -settle) < settle / 2:
            return
        if await self.ask_again(account, trigger):
            self._asked[account] = now

    async def ask_again(self, account: str, trigger: str) -> bool:
        """The same whenever it was asked for last; returns whether Redis took it."""
        settle = self.settings.settle_seconds
        # A comparison under way may have looked before what is asked for was committed, and its id stands
        # until it ends. So an id names when it is due: it is no other's that could have begun by now.
        width = max(settle / 2, _LEAST_SECONDS)
        due = ceil((time.time() + settle) / width)
        for _ in range(_ATTEMPTS):
            try:
                await self.redis.enqueue_job(
                    RECONCILE_JOB,
                    account,
                    trigger,
                    _job_id=f"{self.settings.queue_name}:reconcile:{account}:{due}",
                    _defer_until=datetime.fromtimestamp(due * width, UTC),
                )
            except RedisConnectionError:
                continue  # that a connection was cut is found out by using it
            except (RedisError, OSError):
                break
            return True
        log.debug("comparison_left_to_the_sweep")
        return False


def worker(settings: Settings, database: Database, streams: StreamPort, redis: ArqRedis) -> Worker:
    """An arq worker for this installation's queue. Signals are the process's own business."""
    queue = ComparisonQueue(redis, settings)

    async def run_reconcile(_: dict[str, Any], account: str, trigger: str) -> None:
        try:
            compared = await reconcile(database, streams, settings, account, trigger)
        except Exception as error:
            if is_passing(error):
                raise Retry(defer=_RETRY_MOST_SECONDS) from None
            raise
        if compared.unsettled:
            await queue.ask_again(account, trigger)

    async def run_sweep(_: dict[str, Any]) -> None:
        try:
            # The comparisons of these may have been asked for while Redis was away.
            for account in await sweep(database, streams, settings):
                await queue.ask_again(account, "change")
        except Exception as error:
            if not is_passing(error):
                raise
            log.debug("sweep_left_to_the_next", reason=type(error).__name__)

    minutes, seconds = _times(settings.sweep_seconds)
    return Worker(
        functions=[
            func(
                cast("WorkerCoroutine", run_reconcile),
                name=RECONCILE_JOB,
                keep_result=0,
                timeout=_JOB_TIMEOUT_SECONDS,
                max_tries=_ALWAYS_AGAIN,
            )
        ],
        cron_jobs=[
            cron(
                cast("WorkerCoroutine", run_sweep),
                name=SWEEP_JOB,
                run_at_startup=True,
                keep_result=0,
                timeout=_JOB_TIMEOUT_SECONDS,
                minute=minutes,
                second=seconds,
                microsecond=0,
            )
        ],
        redis_pool=redis,
        queue_name=settings.queue_name,
        handle_signals=False,
        job_completion_wait=int(_FINISH_SECONDS),
        keep_result=0,
        poll_delay=0.2,
        max_jobs=4,
        timezone=cast("timezone", ZoneInfo("UTC")),  # arq says timezone and takes any tzinfo
        job_serializer=_encode,
        job_deserializer=_decode,
        log_results=False,
    )


def _times(seconds: float) -> tuple[set[int] | None, set[int]]:
    """The minutes (``None``: each) and seconds at which something happens about every ``seconds``."""
    if seconds < _MINUTE:
        return None, set(range(0, _MINUTE, max(1, round(seconds))))
    return set(range(0, _MINUTE, min(_MINUTE, round(seconds / _MINUTE)))), {0}


async def run_worker(settings: Settings, database: Database, streams: StreamPort) -> None:
    """Run an arq worker until cancelled; start it anew each time Redis goes away."""
    retry_seconds = _RETRY_FIRST_SECONDS
    is_down = False
    while True:
        redis = connect(settings)
        started = time.monotonic()
        arq_worker = worker(settings, database, streams, redis)
        running = asyncio.create_task(arq_worker.async_run(), name="arq")
        try:
            # Waited for from outside: redis-py can swallow the cancellation of what runs inside, and whoever
            # awaited that would never end.
            await asyncio.wait({running})
            await running
        except (RedisError, OSError, TimeoutError) as error:
            if not is_down:
                is_down = True
                log.warning("jobs_waiting_for_redis", reason=type(error).__name__)
        finally:
            await _stop(arq_worker, running)
            await close(redis)
        if time.monotonic() - started > _RETRY_MOST_SECONDS:
            retry_seconds = _RETRY_FIRST_SECONDS
            is_down = False
        await asyncio.sleep(retry_seconds)
        retry_seconds = min(retry_seconds * 2, _RETRY_MOST_SECONDS)


async def _stop(arq_worker: Worker, running: "asyncio.Task[None]") -> None:
    """Let the jobs under way finish, within reason; a cancelled one runs again."""
    arq_worker.allow_pick_jobs = False
    while not running.done():
        running.cancel()
        await asyncio.wait({running}, timeout=_SWALLOWED_SECONDS)
    if not running.cancelled():
        running.exception()  # told by whoever awaited it, or of no interest any more
    tasks = [task for task in arq_worker.tasks.values() if not task.done()]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_FINISH_SECONDS)
        for task in late:
            task.cancel()
    await asyncio.gather(*arq_worker.tasks.values(), return_exceptions=True)
