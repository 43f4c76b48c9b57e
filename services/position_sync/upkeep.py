"""What goes on without Redis and without anybody's memory: it is read from PostgreSQL what is to be done.

Any number of workers may do it at once; each thing is done by one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from core import logs
from core.clock import utc_now
from core.errors import StreamUnavailableError
from core.events.requests import REQUESTS_KEPT, RequestEnvelope, ResyncRequested, encode
from core.process import again_and_again
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries.identity import is_stale
from models.queries.jobs import overdue, unanswered_resyncs, waiting
from models.session import Database, is_passing
from models.stores.identity import map_all
from models.stores.jobs_coalesced import claim_turn, want
from models.stores.statement_differences import accounts_not_compared_since
from models.tables.jobs import CHANGE, INSTRUMENTS, RECONCILE, SAY_AGAIN, STATEMENTS, SWEEP
from services.position_sync import metrics
from services.position_sync.announce import publish_left_over
from services.position_sync.horizon import put_at
from services.position_sync.importing.history import compare_again, last_night
from services.position_sync.jobs import ComparisonQueue
from services.position_sync.rule_check import check_when_due
from services.position_sync.sweep import Sweep
from services.position_sync.tidy import tidy
from services.position_sync.work import work_off

log = logs.get_logger(__name__)

LOOK_SECONDS = 5.0
_GRACE_SECONDS = 3.0
"""So much later than it is due arq may come to it."""
_PATIENCE_SECONDS = 15.0
"""What has waited so long is not left to arq any more, whatever holds that up."""
_MOST_AT_ONCE = 1_000
_SAY_AGAIN_SECONDS = 15.0
_UNANSWERED_SECONDS = 10.0
_BEHIND = timedelta(seconds=3)
"""When facts wait so long to be applied, an answer may be among them."""


def _is_passing(error: Exception) -> bool:
    return isinstance(error, StreamUnavailableError) or is_passing(error)


class Upkeep:
    """Looks every few seconds for what is overdue, and sweeps through everything when that is due."""

    def __init__(
        self, database: Database, streams: StreamPort, settings: Settings, queue: ComparisonQueue
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._queue = queue
        self._sweep = Sweep(database, streams, settings)
        self._is_sweep_wanted = True

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            steps: tuple[Callable[[], Awaitable[None]], ...] = (
                self.compare_overdue,
                self.compare_with_statements,
                self.check_rules,
                self.map_instruments,
                self.publish,
                self.say_again,
                self.sweep_when_due,
                self.tidy_up,
            )
            seconds = min(LOOK_SECONDS, self._settings.sweep_seconds)
            for step in steps:
                repeated = again_and_again(step, seconds, name="upkeep", is_passing=_is_passing)
                tasks.create_task(repeated, name=f"upkeep-{step.__name__}")

    async def compare_overdue(self) -> None:
        """Comparisons that were asked for and nobody has come to: arq's memory was lost, or its worker."""
        async with self._database.read() as reader:
            late = await overdue(reader, RECONCILE, grace_seconds=_GRACE_SECONDS, most=_MOST_AT_ONCE)
        for account, seconds in late:
            if seconds > _PATIENCE_SECONDS or not await self._queue.tell(account, 0):
                await self._queue.compare(self._database, self._streams, account)

    async def compare_with_statements(self) -> None:
        """Accounts of which the ledger changed where statements tell of it; and all of them once a night."""
        now = utc_now()
        async with self._database.write() as writer:
            left = await accounts_not_compared_since(writer, last_night(now))
            await want(writer, STATEMENTS, dict.fromkeys(left, "time"), 0)
        async with self._database.read() as reader:
            late = await overdue(reader, STATEMENTS, grace_seconds=0, most=_MOST_AT_ONCE)
        for account, _ in late:

            async def compare(_: str, account: str = account) -> float | None:
                return await compare_again(self._database, account, now)

            await work_off(self._database, STATEMENTS, account, compare, settle_seconds=0)

    async def check_rules(self) -> None:
        """Whether what is kept obeys the rules: once a night, and when somebody asks."""
        await check_when_due(self._database, self._settings)

    async def map_instruments(self) -> None:
        """What instruments are across brokers, when one became known or known better, whoever stored it."""
        async with self._database.read() as reader:
            if not await is_stale(reader):
                return
            # What failed is not asked for again: it is due later.
            is_wanted = bool(await waiting(reader, INSTRUMENTS, [""]))
        if not is_wanted:
            async with self._database.write() as writer:
                await want(writer, INSTRUMENTS, {"": CHANGE}, 0)

        async def map_them(_: str) -> None:
            await map_all(self._database, utc_now())

        await work_off(self._database, INSTRUMENTS, "", map_them, settle_seconds=0)

    async def publish(self) -> None:
        """Changes that were committed by a worker that could not publish them."""
        metrics.OUTBOX_LEFT.inc(await publish_left_over(self._database, self._streams, self._settings))

    async def say_again(self) -> None:
        """Resyncs that were asked for while the broker link did not listen, or that went with Redis."""
        async with self._database.read() as reader:
            unanswered = await unanswered_resyncs(reader, age_seconds=_UNANSWERED_SECONDS, most=_MOST_AT_ONCE)
        if not unanswered or await self._is_behind():
            return
        async with self._database.write() as writer:
            if not await claim_turn(writer, SAY_AGAIN, every_seconds=_SAY_AGAIN_SECONDS):
                return
            requests = [
                ResyncRequested(job_id=str(one.id), requested_by=one.requested_by) for one in unanswered
            ]
            await self._streams.append(
                self._settings.requests_stream,
                [encode(RequestEnvelope(request=request)) for request in requests],
                keep_entries=REQUESTS_KEPT,
            )

    async def _is_behind(self) -> bool:
        oldest = await self._streams.oldest_unacknowledged(self._settings.facts_stream)
        return oldest is not None and utc_now() - put_at(oldest) > _BEHIND

    async def sweep_when_due(self) -> None:
        """The sweep through everything: when a worker starts, and then every so many seconds."""
        if self._is_sweep_wanted:
            async with self._database.write() as writer:
                await want(writer, SWEEP, {"": "start"}, 0)
            self._is_sweep_wanted = False

        async def go_through(_: str) -> float:
            accounts = await self._sweep.run()
            await self._queue.tell_of_waiting(self._database, accounts)
            return self._settings.sweep_seconds

        await work_off(self._database, SWEEP, "", go_through, settle_seconds=0)

    async def tidy_up(self) -> None:
        """What ends by time, however the sweep fares."""
        await tidy(self._database, self._streams, self._settings)
