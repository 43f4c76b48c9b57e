"""Facts into rows: one transaction a batch of stream entries, acknowledged after its commit."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import chain
from time import perf_counter

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import logs
from core.clock import Clock, utc_now
from core.domain.rates import EXCHANGE_RATE
from core.errors import DatabaseUnavailableError
from core.events.changes import AccountsRecorded, AccountValueChanged, Change, DatasetRecorded, JobChanged
from core.settings import Settings
from core.streams.port import Entry, StreamPort
from models.queries.ledger import unfolded_commissions
from models.session import Database, Writer, is_disconnect
from models.stores import accounts as account_store
from models.stores import sync as sync_store
from models.stores.broker_sessions import record_session_state
from models.stores.jobs import finish_job
from models.stores.sync import DatasetWord, DeadFact, LogEntry
from models.tables.sync import POSITIONS_INCOMPLETE, RESYNC_FAILED
from services.position_sync import metrics
from services.position_sync.announce import Announcement
from services.position_sync.booking import Arrivals, Booked, book
from services.position_sync.intake import (
    Intake,
    Item,
    Sweep,
    as_contradicting,
    as_dead,
    decode_entries,
    sort_facts,
)

log = logs.get_logger(__name__)

_PASSING_STATES = ("08", "40", "53", "55", "57", "58")
"""SQLSTATE classes that say nothing against the statement: connection, deadlock, disk full, shutdown."""

GROUP = "position_sync"
_SWEEP_PATIENCE = 25
_SWEEP_WAIT_SECONDS = 0.2
"""Between looks for the rest of a positions answer, which another worker has in hand."""

AskForComparison = Callable[[str, str], Awaitable[None]]
"""Called with an account and what made comparing it worth while."""


def is_passing(error: Exception) -> bool:
    """Whether trying again later can help: PostgreSQL is away, or was not able just then."""
    if is_disconnect(error) or isinstance(error, PoolTimeoutError):
        return True
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return str(state or "").startswith(_PASSING_STATES)


class Relay:
    """Applies stream entries. ``handle`` returns when their effect is committed, or kept aside as dead."""

    def __init__(
        self,
        database: Database,
        streams: StreamPort,
        settings: Settings,
        *,
        ask_for_comparison: AskForComparison,
        clock: Clock = utc_now,
        sweep_wait_seconds: float = _SWEEP_WAIT_SECONDS,
    ) -> None:
        self._sweep_wait_seconds = sweep_wait_seconds
        self._database = database
        self._streams = streams
        self._settings = settings
        self._ask = ask_for_comparison
        self._clock = clock

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Commit what ``entries`` tell.

        Raises:
            DatabaseUnavailableError: PostgreSQL is away; nothing may be acknowledged.
        """
        items, dead = decode_entries(entries, self._clock())
        await self._apply(items, dead)

    async def _apply(self, items: Sequence[Item], dead: Sequence[DeadFact]) -> None:
        """Apply in one transaction; where something in it is at fault, narrow it down and keep it aside."""
        try:
            unfinished = await self._commit(items, dead)
        except Exception as error:
            if is_passing(error):
                raise DatabaseUnavailableError(
                    f"PostgreSQL cannot take facts now ({type(error).__name__}). They wait in the stream."
                ) from error
            await self._set_aside(items, dead, error)
            return
        for sweep in unfinished:
            await self._finish(sweep)
        await self._fold_stragglers(items)

    async def _set_aside(self, items: Sequence[Item], dead: Sequence[DeadFact], error: Exception) -> None:
        if not items:
            raise error
        if len(items) == 1:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            reason = (str(cause).splitlines() or [type(cause).__name__])[0]
            log.warning("fact_kept_aside", kind=type(items[0].fact).__name__, error=type(cause).__name__)
            await self._commit([], [*dead, as_dead(*items[0].told, "database", reason, self._clock())])
            return
        middle = len(items) // 2
        await self._apply(items[:middle], dead)
        await self._apply(items[middle:], ())

    async def _commit(self, items: Sequence[Item], dead: Sequence[DeadFact]) -> list[Sweep]:
        intake = sort_facts(items)
        now = self._clock()
        started = perf_counter()
        async with self._database.write() as connection:
            booked, changes = await store(connection, intake, dead, now)
            announcement = await Announcement.prepare(connection, changes)
        self._count(items, chain(intake.unreadable, dead), booked, perf_counter() - started)
        await announcement.publish(self._database, self._streams, self._settings)
        wanted = dict.fromkeys(booked.differing_accounts, "change")
        wanted |= {account: "positions" for sweep in intake.sweeps for account in sweep.fact.accounts}
        for account, trigger in sorted(wanted.items()):
            await self._ask(account, trigger)
        return booked.unfinished

    async def _finish(self, sweep: Sweep) -> None:
        """Wait until what an answer told of, in another worker's hands, is committed; then conclude."""
        for _ in range(_SWEEP_PATIENCE):
            await asyncio.sleep(self._sweep_wait_seconds)
            if not await self._commit([Item(*sweep)], ()):
                return
        log.warning("positions_answer_incomplete", expected=sweep.fact.count)
        entry = LogEntry(
            self._clock(),
            sweep.epoch,
            POSITIONS_INCOMPLETE,
            "A positions answer arrived with fewer positions than it announced; nothing was closed by it.",
        )
        async with self._database.write() as connection:
            await sync_store.append_log(connection, [entry])

    async def _fold_stragglers(self, items: Sequence[Item]) -> None:
        """Fold commissions that another worker committed while their executions, or rates, were in our hands.

        Neither transaction saw the other's row. Each looks again after its own commit: the later finds it.
        """
        exec_ids = {getattr(item.fact, "exec_id", "") for item in items} - {""}
        # A rate may be what an earlier commission has waited for, whichever that was.
        rates_told = any(getattr(item.fact, "key", "") == EXCHANGE_RATE for item in items)
        if not exec_ids and not rates_told:
            return
        async with self._database.read() as reader:
            unfolded = await unfolded_commissions(reader, None if rates_told else sorted(exec_ids))
        if unfolded:
            await fold_commissions(self._database, self._streams, self._settings, unfolded, self._clock())

    def _count(self, items: Sequence[Item], dead: "chain[DeadFact]", booked: Booked, seconds: float) -> None:
        for kind, number in Counter(type(item.fact).__name__ for item in items).items():
            metrics.FACTS.labels(kind).inc(number)
        for category, number in Counter(fact.category for fact in dead).items():
            metrics.DEAD.labels(category).inc(number)
        metrics.EXECUTIONS.inc(booked.executions)
        metrics.BATCH.observe(len(items))
        metrics.TRANSACTION.observe(seconds)
        if items:
            oldest = min(item.fact.received_at for item in items)
            metrics.COMMIT_DELAY.observe(max(0.0, (self._clock() - oldest).total_seconds()))


async def fold_commissions(
    database: Database, streams: StreamPort, settings: Settings, exec_ids: Sequence[str], now: datetime
) -> None:
    """Fold anew what was folded before its commission report was visible."""
    async with database.write() as connection:
        booked = await book(connection, Arrivals(unfolded=exec_ids), now)
        announcement = await Announcement.prepare(connection, booked.changes)
    await announcement.publish(database, streams, settings)


async def store(
    connection: Writer, intake: Intake, dead: Sequence[DeadFact], now: datetime
) -> tuple[Booked, list[Change]]:
    """Everything a batch tells, in one transaction. Tables are written in one order, rows in key order."""
    changes: list[Change] = await _accounts(connection, intake)
    booked = await book(
        connection,
        Arrivals(
            instruments=intake.instruments,
            executions=intake.executions,
            commissions=intake.commissions,
            words=intake.words,
            sweeps=intake.sweeps,
        ),
        now,
    )
    # Afterwards: what the ledger goes by is how complete things were before this answer.
    changes += [*booked.changes, *await _datasets(connection, intake)]
    changes += [
        AccountValueChanged(account=account, key=key, currency=currency, value=value, as_of=as_of)
        for account, key, currency, value, as_of in await account_store.upsert_account_values(
            connection, intake.values.values()
        )
    ]
    changes += await _links_and_fences(connection, intake, now)
    contradicting = (*intake.contradicting, *booked.contradicting)
    intake.unreadable.extend(as_contradicting(one, now) for one in contradicting)
    await sync_store.bury(connection, [*intake.unreadable, *dead])
    return booked, changes


async def _accounts(connection: Writer, intake: Intake) -> list[Change]:
    new = await account_store.ensure_accounts(connection, intake.accounts) if intake.accounts else []
    for at, accounts in intake.listings:
        await account_store.list_accounts(connection, accounts, at)
    if intake.listings:
        return [AccountsRecorded(accounts=intake.listings[-1][1])]
    return [AccountsRecorded(accounts=tuple(sorted(new)))] if new else []


async def _datasets(connection: Writer, intake: Intake) -> list[Change]:
    """How complete things are. A positions answer that ended is complete; a later word may say otherwise."""
    newest: dict[tuple[str, str], DatasetWord] = {}
    for sweep in intake.sweeps:
        for account in sweep.fact.accounts if sweep.fact.count else ():
            newest[account, "positions"] = DatasetWord(
                account, "positions", sweep.fact.as_of, True, "", sweep.epoch
            )
    for epoch, fact in intake.datasets:
        newest[fact.account, fact.dataset] = DatasetWord(
            fact.account, fact.dataset, fact.as_of, fact.complete, fact.error, epoch
        )
    recorded = await sync_store.record_datasets(connection, newest.values())
    return [
        DatasetRecorded(account=account, dataset=dataset, as_of=as_of, complete=complete)  # type: ignore[arg-type]  # the table's CHECK holds it to the Literal
        for account, dataset, as_of, complete in recorded
    ]


async def _links_and_fences(connection: Writer, intake: Intake, now: datetime) -> list[Change]:
    entries: list[LogEntry] = []
    for epoch, link in intake.links:
        entries.append(sync_store.link_entry(link, epoch))
    for epoch, link in sorted(dict(intake.links).items()):
        await record_session_state(
            connection, epoch=epoch, state=link.state, at=link.since, reason=link.reason
        )
    if intake.links:
        epoch, link = intake.links[-1]
        await sync_store.record_link(connection, link, link.received_at, epoch)
    changes: list[Change] = []
    for epoch, fence in intake.fences:
        message = "resync completed" if fence.ok else f"resync failed: {fence.error}"
        details: dict[str, object] = {
            "trigger": fence.trigger,
            "seconds": round((fence.received_at - fence.started_at).total_seconds(), 3),
        }
        kind = "resync" if fence.ok else RESYNC_FAILED
        entries.append(LogEntry(fence.received_at, epoch, kind, message, details))
        if fence.job_id:
            job = await finish_job(
                connection, fence.job_id, ok=fence.ok, error=fence.error, started_at=fence.started_at, at=now
            )
            if job is not None:
                changes.append(JobChanged(**job._asdict()))
    await sync_store.append_log(connection, entries)
    return changes
