"""The periodic sweep: whatever was missed while someone was away is found here."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from core import logs
from core.clock import Clock, utc_now
from core.domain.books import BookKey
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries import reconciliation as queries
from models.queries.ledger import dirty_books, unfolded_commissions
from models.session import Database
from models.stores.jobs_coalesced import want
from models.tables.jobs import RECONCILE
from services.position_sync import metrics
from services.position_sync.announce import Announcement
from services.position_sync.asking import want_statements
from services.position_sync.booking import Arrivals, book
from services.position_sync.faults import can_be_a_facts_fault
from services.position_sync.stragglers import fold_commissions

log = logs.get_logger(__name__)

_BOOKS_AT_ONCE = 200
_EXECUTIONS_AT_ONCE = 1000

Folded = TypeVar("Folded", bound=Hashable)


class Sweep:
    """Goes through everything. It remembers what could not be folded, so as to tell of each once."""

    def __init__(
        self, database: Database, streams: StreamPort, settings: Settings, *, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._clock = clock
        self._failing: set[Hashable] = set()

    async def run(self) -> list[str]:
        """Have every account compared, and fold what was left unfolded; returns the accounts.

        Comparing them takes as long as it takes, and is up to whoever comes to it.
        """
        async with self._database.write() as connection:
            accounts = await queries.accounts(connection)
            await want(connection, RECONCILE, dict.fromkeys(accounts, "sweep"), 0)
        await self._fold_left_over()
        log.debug("swept", accounts=len(accounts), failing=len(self._failing))
        return accounts

    async def _fold_left_over(self) -> None:
        async with self._database.read() as reader:
            dirty = await dirty_books(reader, 10_000)
        failing: set[Hashable] = set()
        for start in range(0, len(dirty), _BOOKS_AT_ONCE):
            books = dirty[start : start + _BOOKS_AT_ONCE]
            left_books = await self._fold_what_can_be(books, self._fold_books)
            failing.update(left_books)
        # Afterwards: folding anew tells which commissions still lack what they need.
        async with self._database.read() as reader:
            exec_ids = await unfolded_commissions(reader, None)
        for start in range(0, len(exec_ids), _EXECUTIONS_AT_ONCE):
            part = exec_ids[start : start + _EXECUTIONS_AT_ONCE]
            left_reports = await self._fold_what_can_be(part, self._fold_commissions)
            failing.update(left_reports)
        self._failing = failing

    async def _fold_books(self, keys: Sequence[BookKey]) -> None:
        async with self._database.write() as connection:
            booked = await book(connection, Arrivals(anew=keys), self._clock())
            announcement = await Announcement.prepare(connection, booked.changes)
            await want_statements(connection, booked.restated)
        await announcement.publish(self._database, self._streams, self._settings)

    async def _fold_commissions(self, exec_ids: Sequence[str]) -> None:
        await fold_commissions(self._database, self._streams, self._settings, exec_ids, self._clock())

    async def _fold_what_can_be(
        self, what: Sequence[Folded], fold: Callable[[Sequence[Folded]], Awaitable[None]]
    ) -> set[Folded]:
        """Fold all that can be, found by halves, and leave the rest as it is; returns that."""
        try:
            await fold(what)
        except Exception as error:
            if not can_be_a_facts_fault(error):
                raise
            if len(what) == 1:
                metrics.NOT_FOLDED.inc()
                if what[0] not in self._failing:
                    log.exception("left_unfolded")
                return {what[0]}
        else:
            return set()
        middle = len(what) // 2
        return {
            *await self._fold_what_can_be(what[:middle], fold),
            *await self._fold_what_can_be(what[middle:], fold),
        }
