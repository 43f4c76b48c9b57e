"""The arq worker: comparisons as soon as they are due. PostgreSQL has what is due; arq says when to look.

arq ends when its Redis connections are cut, so it is run again, in this process, until it is told to stop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timezone
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import msgspec
from arq import cron, func
from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss
from arq.cron import CronJob
from arq.worker import Worker
from redis.asyncio import ConnectionPool
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.typing import FieldT, KeyT

from core import logs
from core.events.requests import RECONCILE_JOB
from core.settings import Settings
from core.streams.port import StreamPort
from core.tasks import heeding_cancellation
from models.queries.jobs import waiting
from models.session import Database, is_passing
from models.tables.jobs import CHANGE, RECONCILE
from services.position_sync.work import compare_when_due

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


class Hourly(NamedTuple):
    """What is done at each full hour, by one of the workers; whoever missed it has to look for it himself."""

    name: str
    do: Callable[[Settings, Database], Awaitable[None]]


_encode = cast("Callable[[dict[str, Any]], bytes]", msgspec.msgpack.Encoder(enc_hook=str).encode)
_decode = cast("Callable[[bytes], dict[str, Any]]", msgspec.msgpack.decode)


class _NothingToAbort(Pipeline):
    """arq forgets of each job that is done that it was to be aborted, in the same step. None ever is.

    Where that stands has a name of its own, which is in another slot of a Redis Cluster than the queue.
    """

    def zrem(self, name: KeyT, *values: FieldT) -> Any:
        """What belongs to the queue; nothing of jobs to be aborted."""
        return self if name == abort_jobs_ss else super().zrem(name, *values)


class _Queue(ArqRedis):
    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _NothingToAbort(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def connect(settings: Settings) -> ArqRedis:
    """A client for arq's queue. It connects when first used and again after a loss."""
    pool = ConnectionPool.from_url(
        settings.require_redis_url(), socket_connect_timeout=3, socket_timeout=15, health_check_interval=15
    )
    return _Queue(
        pool,
        job_serializer=_encode,
        job_deserializer=_decode,
        default_queue_name=settings.queue_name,
    )


async def close(redis: ArqRedis) -> None:
    """Close a client and its pool."""
    with suppress(RedisError, OSError), heeding_cancellation():
        await redis.aclose(close_connection_pool=True)
        await redis.connection_pool.disconnect()


@dataclass
class ComparisonQueue:
    """Asks for comparisons: few wait per account, however many changes ask for one."""

    redis: ArqRedis
    settings: Settings
    _asked: dict[str, float] = field(default_factory=dict)

    async def ask(self, account: str, trigger: str) -> None:
        """Have ``account`` compared once things have settled. Without Redis the upkeep sees to it."""
        now = time.monotonic()
        settle = self.settings.settle_seconds
        # Whatever was asked for a moment ago is still waiting out the settling time.
        if trigger == CHANGE and now - self._asked.get(account, -settle) < settle / 2:
            return
        if await self.tell(account, settle):
            self._asked[account] = now

    async def tell(self, account: str, seconds: float) -> bool:
        """Have an account looked at in so many seconds; whether Redis took it."""
        # A comparison under way may have looked before what is asked for was committed, and its id stands
        # until it ends. So an id names when it is due: it is no other's that could have begun by now.
        width = max(self.settings.settle_seconds / 2, _LEAST_SECONDS)
        due = ceil((time.time() + seconds) / width)
        for _ in range(_ATTEMPTS):
            try:
                with heeding_cancellation():
                    await self.redis.enqueue_job(
                        RECONCILE_JOB,
                        account,
                        _job_id=f"{self.settings.queue_name}:reconcile:{account}:{due}",
                        _defer_until=datetime.fromtimestamp(due * width, UTC),
                    )
            except RedisConnectionError:
                continue  # that a connection was cut is found out by using it
            except (RedisError, OSError):
                break
            return True
        log.debug("comparison_left_to_upkeep")
        return False

    async def compare(self, database: Database, streams: StreamPort, account: str) -> None:
        """Compare an account where that is due, and have what is left looked at when that is."""
        is_ours = await compare_when_due(database, streams, self.settings, account)
        # Only now, when others can have it: who came while we had it has left without looking, and leaves
        # it to us to say so, or the queue would go round for as long as we are at it.
        if is_ours:
            await self.tell_of_waiting(database, [account])

    async def tell_of_waiting(self, database: Database, accounts: Iterable[str]) -> None:
        """Have those of the accounts that wait for a comparison looked at when it is due."""
        try:
            async with database.read() as reader:
                left = await waiting(reader, RECONCILE, accounts)
        except Exception as error:
            if not is_passing(error):
                raise
            return
        for account, seconds in left:
            if not await self.tell(account, seconds):
                return


def worker(
    settings: Settings,
    database: Database,
    streams: StreamPort,
    redis: ArqRedis,
    hourly: Sequence[Hourly] = (),
) -> Worker:
    """An arq worker for this installation's queue. Signals are the process's own business."""
    queue = ComparisonQueue(redis, settings)

    async def run_reconcile(_: dict[str, Any], account: str) -> None:
        with logs.caused_by():
            await queue.compare(database, streams, account)

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
        cron_jobs=[_at_each_hour(one, settings, database) for one in hourly],
        redis_pool=redis,
        queue_name=settings.queue_name,
        handle_signals=False,
        job_completion_wait=int(_FINISH_SECONDS),
        keep_result=0,
        poll_delay=0.2,
        max_jobs=2,
        timezone=cast("timezone", ZoneInfo("UTC")),  # arq says timezone and takes any tzinfo
        job_serializer=_encode,
        job_deserializer=_decode,
        log_results=False,
    )


def _at_each_hour(hourly: Hourly, settings: Settings, database: Database) -> CronJob:
    async def do(_: dict[str, Any]) -> None:
        with logs.caused_by():
            try:
                await hourly.do(settings, database)
            except Exception as error:
                if not is_passing(error):
                    raise
                log.debug("hourly_work_left_for_later", name=hourly.name, reason=type(error).__name__)

    return cron(
        cast("WorkerCoroutine", do),
        name=f"{settings.queue_name}:{hourly.name}",
        minute=0,
        second=0,
        timeout=_JOB_TIMEOUT_SECONDS,
        keep_result=0,
        max_tries=1,
    )


async def run_worker(
    settings: Settings, database: Database, streams: StreamPort, hourly: Sequence[Hourly] = ()
) -> None:
    """Run an arq worker until cancelled; start it anew each time Redis goes away."""
    retry_seconds = _RETRY_FIRST_SECONDS
    is_down = False
    while True:
        redis = connect(settings)
        started = time.monotonic()
        arq_worker = worker(settings, database, streams, redis, hourly)
        running = asyncio.create_task(arq_worker.async_run(), name="arq")
        try:
            # Waited for from outside: redis-py can swallow the cancellation of what runs inside, and whoever
            # awaited that would never end.
            await asyncio.wait({running})
            if time.monotonic() - started > _RETRY_MOST_SECONDS:
                # It had been well: this is a new outage, told once like any other.
                retry_seconds = _RETRY_FIRST_SECONDS
                is_down = False
            await running
        except (RedisError, OSError, TimeoutError) as error:
            if not is_down:
                is_down = True
                log.warning("jobs_waiting_for_redis", reason=type(error).__name__)
        finally:
            await _stop(arq_worker, running)
            await close(redis)
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
    late = {task for task in arq_worker.tasks.values() if not task.done()}
    while late:
        _, late = await asyncio.wait(late, timeout=_FINISH_SECONDS)
        for task in late:
            task.cancel()
    await asyncio.gather(*arq_worker.tasks.values(), return_exceptions=True)
