"""Import a file: all of it in one transaction, or, as a rehearsal, none of it.

What it states is matched with the live stream and its books are folded anew, in the same transaction: nobody
ever sees half of it, and a process that is killed over it leaves nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import islice

from core import logs
from core.clock import Clock, utc_now
from core.domain.books import Book, BookKey
from core.domain.stated import Statement
from core.errors import LotkeeperError
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import imports as queries
from models.queries import ledger as ledger_queries
from models.queries.carried import circular_actions, with_dependents
from models.queries.performance import accounts_of_import, begins_of_import
from models.session import Database, Writer
from models.stores import imports as store
from models.stores import ledger as ledger_store
from models.stores import staged_executions, staged_trades
from models.stores.absences import begins_at, books_left_out, forget_absences
from models.stores.flow_names import name_flows
from models.stores.gaps import cover, reopen
from models.stores.imports import File
from models.stores.imports_undone import books_of_import, complete_periods, named, take_back
from models.stores.jobs_coalesced import want
from models.stores.performance import want_renewal
from models.stores.stated_names import lock_named
from models.tables.jobs import RECONCILE
from services.position_sync.announce import Announcement
from services.position_sync.importing.fold import Bringing, fold_all
from services.position_sync.importing.history import derive_from_statements
from services.position_sync.importing.keeping import keeping
from services.position_sync.importing.rates import books_to_convert, record_stated_rates
from services.position_sync.importing.report import MOST_LISTED, Report
from services.position_sync.importing.reviving import books_of, note_standing, set_aside_because_of
from services.position_sync.importing.source import Opened, Reading, Source
from services.position_sync.importing.taking import Taking

log = logs.get_logger(__name__)

RECORDS_AT_ONCE = 5_000

Progress = Callable[[int, int], None]
"""Told how many bytes are read, of how many."""


class UnknownImportError(LotkeeperError):
    """There is no such import, or it was taken back already."""

    code = "unknown_import"
    exit_code = 2


class TakenBackError(UnknownImportError):
    """It was taken back already; ``report`` says when, and nothing more."""

    def __init__(self, report: Report) -> None:
        super().__init__(_none_stands(report.import_id))
        self.report = report


def _none_stands(import_id: int | None) -> str:
    return f"There is no import {import_id} that stands. `import list` shows them."


class _RehearsedError(Exception):
    """Ends the transaction of a rehearsal; never leaves this module."""


async def run_import(
    database: Database,
    streams: StreamPort | None,
    settings: Settings,
    source: Source,
    *,
    trigger: str,
    dry_run: bool = False,
    progress: Progress | None = None,
    clock: Clock = utc_now,
) -> Report:
    """Import a file. One that stands imported already changes nothing; after ``dry_run`` neither does this.

    Raises:
        LotkeeperError: the file cannot be read as what it should be; nothing was imported.
        OSError: it cannot be read at all.
    """
    with closing(Opened(source)) as opened:
        file = await asyncio.to_thread(opened.identified)
        report = Report(file.name, file.kind, file.sha256, dry_run=dry_run)
        announcement: Announcement | None = None
        try:
            async with database.write() as connection:
                await store.one_at_a_time(connection)
                standing = await store.standing_import(connection, file.sha256)
                if standing is not None:
                    report.import_id, report.already, _, report.accounts = standing
                    return report
                announcement = await _import(connection, file, opened, report, trigger, progress, clock)
                _end_rehearsal(dry_run=dry_run)
        except _RehearsedError:
            report.import_id = None
            return report
    if announcement is not None:
        await announcement.publish(database, streams, settings)
    return report


def _end_rehearsal(*, dry_run: bool) -> None:
    if dry_run:
        raise _RehearsedError


async def undo_import(
    database: Database,
    streams: StreamPort | None,
    settings: Settings,
    import_id: int,
    *,
    clock: Clock = utc_now,
) -> Report:
    """Take an import back: what only it stated is gone, what it changed is as it was before.

    Raises:
        UnknownImportError: there is none with this number.
        TakenBackError: it does not stand any more.
    """
    async with database.write() as connection:
        await store.one_at_a_time(connection)
        found = await queries.find_import(connection, import_id)
        if found is None:
            raise UnknownImportError(_none_stands(import_id))
        report = Report(found.name, found.kind, found.sha256, import_id=import_id, already=found.undone_at)
        if found.status != "done":
            raise TakenBackError(report)
        aside = await set_aside_because_of(connection, import_id, clock())
        keys = await books_of_import(connection, import_id) | books_of(aside)
        keys = await with_dependents(connection, keys)
        await lock_named(connection, import_id)
        locked = await _lock(connection, keys)
        before = await queries.figures_of(connection, keys)
        accounts = await accounts_of_import(connection, import_id) | {account for account, _ in keys}
        begins = await begins_of_import(connection, import_id)
        live = [one.received for one in aside]
        await take_back(connection, import_id, keys, clock(), live=live)
        await note_standing(connection, aside, clock())
        await forget_absences(connection, keys)
        await record_stated_rates(connection, keys)
        announcement = await fold_all(connection, locked, None, clock)
        await derive_from_statements(connection, accounts, clock())
        report.compare(before, await queries.figures_of(connection, keys))
        await _reopen_gaps(connection, import_id, clock)
        await _ask_to_compare(connection, keys, settings.settle_seconds)
        await want_renewal(connection, begins)
    if announcement is not None:
        await announcement.publish(database, streams, settings)
    return report


async def _import(
    connection: Writer,
    file: File,
    opened: Opened,
    report: Report,
    trigger: str,
    progress: Progress | None,
    clock: Clock,
) -> Announcement | None:
    now = clock()
    import_id = await store.begin_import(connection, file, trigger=trigger, stated_at=now, now=now)
    report.import_id = import_id
    taking = Taking(connection, import_id, report, now)
    await _take_in(file, opened, taking, progress)
    async with keeping(connection, opened, file):
        stated = [one.generated_at or one.ends_at for one in taking.periods]
        await store.date_import(connection, import_id, max(stated, default=now))
        keys = taking.keys | await staged_trades.books(connection)
        keys |= await books_left_out(connection, import_id) | await books_to_convert(connection, import_id)
        await taking.describe()
        keys = await with_dependents(connection, keys)
        locked = await _lock(connection, keys)
        # What was told live until now is known now, and nothing of these books comes in between any more.
        await staged_trades.match(connection, import_id)
        before = await queries.figures_of(connection, keys)
        await staged_trades.store(connection, import_id, now)
        await store.name_events(connection, import_id)
        await name_flows(connection, import_id)
        await taking.count()
    bringing = Bringing(import_id, file.kind, now, await staged_executions.make_ready(connection))
    await record_stated_rates(connection, keys, staged=True)
    since = await begins_at(connection, import_id)
    announcement = await fold_all(connection, locked, since, clock, bringing)
    report.circular = await circular_actions(connection, keys)
    if report.circular:
        log.warning("corporate_actions_in_a_circle", import_id=import_id, actions=report.circular)
    report.disputes = await staged_trades.disputes(connection, MOST_LISTED)
    report.compare(before, await queries.figures_of(connection, keys))
    for period in taking.periods:
        if period.complete:
            report.gaps_closed += await cover(
                connection,
                period.account,
                period.starts_at,
                period.ends_at,
                by=named(import_id),
                now=now,
            )
    accounts = await accounts_of_import(connection, import_id) | {account for account, _ in keys}
    await derive_from_statements(connection, accounts, now)
    report.accounts = sorted(taking.accounts | {account for account, _ in keys})
    await store.end_import(connection, import_id, report.as_json(), report.accounts)
    await _ask_to_compare(connection, keys, 0)
    await want_renewal(connection, await begins_of_import(connection, import_id))
    return announcement


async def _take_in(file: File, opened: Opened, taking: Taking, progress: Progress | None) -> None:
    """Read the file and take in what it states."""
    await taking.begin()
    reading = opened.reading(file)
    async with aclosing(_batches(reading, opened.end_reading)) as batches:
        async for batch in batches:
            await taking.take(batch)
            if progress is not None:
                progress(reading.bytes_read, file.size_bytes)
    taking.report.unknown = dict(reading.unknown)


async def _reopen_gaps(connection: Writer, import_id: int, clock: Clock) -> None:
    """Open the gaps that an import closed, but for what others that stand tell of, too."""
    accounts = await reopen(connection, named(import_id))
    if not accounts:
        return
    for one in await complete_periods(connection, accounts):
        await cover(connection, one.account, one.starts_at, one.ends_at, by=named(one.import_id), now=clock())


async def _batches(reading: Reading, stop: Callable[[], None]) -> AsyncGenerator[list[Statement]]:
    """What is stated, batch by batch: one is read while PostgreSQL takes the one before."""
    records = iter(reading)
    upcoming = asyncio.ensure_future(asyncio.to_thread(_next, records))
    try:
        while batch := await asyncio.shield(upcoming):
            upcoming = asyncio.ensure_future(asyncio.to_thread(_next, records))
            yield batch
    finally:
        # A thread cannot be stopped, but what it waits for can: the file is let go of when it has ended.
        stop()
        await asyncio.gather(upcoming, return_exceptions=True)


def _next(records: Iterator[Statement]) -> list[Statement]:
    return list(islice(records, RECORDS_AT_ONCE))


async def _lock(connection: Writer, keys: set[BookKey]) -> dict[BookKey, Book]:
    await ledger_store.ensure_books(connection, keys)
    return await ledger_queries.lock_books(connection, keys)


async def _ask_to_compare(connection: Writer, keys: set[BookKey], settle_seconds: float) -> None:
    await want(connection, RECONCILE, {account: "import" for account, _ in keys}, settle_seconds)
