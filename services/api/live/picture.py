"""The one picture a process keeps of what is held and worth: loaded from the database, kept by the streams.

Nothing here waits. Whatever changes marks the rows that must be told again.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.domain.freshness import BEAT_LIMIT
from core.domain.money import decimal_from_text
from core.events.changes import (
    AccountsRecorded,
    AccountValueChanged,
    Change,
    DatasetRecorded,
    ExecutionRecorded,
    PositionChanged,
)
from core.events.facts import LinkBeat, MarkReported, PnlReported, Tick, is_of_none_connected
from models.queries.accounts import AccountRow, TradeFigures
from models.queries.sync import DatasetRow
from services.api.freshness import Link
from services.api.live.rows import VALUE_KEYS, AccountState, merge_mark

_TOMBSTONES = 10_000
_EARLY_MARKS = 1_000
_BASE = frozenset({"", "BASE"})


class Book(NamedTuple):
    """One instrument in one account."""

    account: str
    conid: int


class DatasetState(NamedTuple):
    """How complete a download is, as of when, over which connection."""

    as_of: datetime
    complete: bool
    error: str
    epoch: int


@dataclass(slots=True, kw_only=True)
class Loaded:
    """What the database held at one moment."""

    accounts: list[AccountRow]
    values: list[AccountValueChanged]
    pnl: list[PnlReported]
    figures: dict[str, TradeFigures]
    positions: list[PositionChanged]
    marks: list[MarkReported]
    datasets: list[DatasetRow]


@dataclass(slots=True)
class Dirty:
    """What must be told again."""

    positions: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    figures: bool = False

    def __bool__(self) -> bool:
        return bool(self.positions or self.accounts)


class Picture:
    """Open positions, their marks, the accounts with their values, the downloads and the links."""

    def __init__(self) -> None:
        self.positions: dict[str, PositionChanged] = {}
        self.books: dict[Book, str] = {}
        self.marks: dict[Book, MarkReported] = {}
        self.accounts: dict[str, AccountState] = {}
        self.datasets: dict[tuple[str, str], DatasetState] = {}
        self.links: dict[str, Link] = {}
        self._newest_epochs: dict[str, int] = {}
        self.dirty = Dirty()
        self.touched: set[str] = set()
        self.newest_mark: dict[str, datetime] = {}
        self.membership = 0
        self.revision = 0
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._early: OrderedDict[Book, MarkReported] = OrderedDict()

    def mark_of(self, position: PositionChanged) -> MarkReported | None:
        """The position's mark."""
        return self.marks.get(Book(position.account, position.conid))

    def logins(self) -> dict[str, list[str]]:
        """The accounts that are listed, by the login that lists them.

        Where one link is heard of, and one login lists accounts, they are the same, whichever of them has no
        name yet: a link of an older version tells none. Who is heard of before any account has none yet.
        """
        found: dict[str, list[str]] = {}
        for name, state in self.accounts.items():
            if state.listed:
                found.setdefault(state.login, []).append(name)
        if len(found) > 1:
            # Of an account that has only just come nobody has read yet whose it is.
            found.pop("", None)
        if len(self.links) == len(found) == 1 and "" in {*self.links, *found}:
            return {next(iter(self.links)): next(iter(found.values()))}
        if found or not self.links:
            return found
        return {max(self.links, key=lambda login: self.links[login].epoch): []}

    def logins_without_accounts(self, now: datetime) -> list[str]:
        """Logins whose link speaks and that list no account: it waits for a person, or reaches no gateway.

        One that stands by is not among them: another link has its login, perhaps under another name.
        """
        listing = self.logins()
        return sorted(
            login
            for login, link in self.links.items()
            if login
            and not listing.get(login)
            and link.state != "fenced"
            and now - link.beat_at <= BEAT_LIMIT
        )

    def take_dirty(self) -> Dirty:
        """What must be told again; from here on it counts as told."""
        taken, self.dirty = self.dirty, Dirty(figures=self.dirty.figures)
        return taken

    # -- from the changes stream -------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Take in one committed change."""
        self.revision += 1
        match change:
            case PositionChanged():
                self._apply_position(change)
                self.dirty.figures = True
            case AccountValueChanged():
                self._apply_value(change)
            case DatasetRecorded() | AccountsRecorded() | ExecutionRecorded():
                # The change does not carry all of it: it is read from the database, many changes at once.
                self.dirty.figures = True
            case _:
                pass

    def _apply_position(self, change: PositionChanged) -> None:
        known = self.positions.get(change.id)
        newest = known.version if known is not None else self._gone.get(change.id, -1)
        if change.version < newest:
            return
        self.touched.add(change.id)
        book = Book(change.account, change.conid)
        self.dirty.positions.add(change.id)
        self.dirty.accounts.add(change.account)
        if change.removed or change.status == "closed":
            self._drop(change.id, change.version)
            return
        if known is None or known.opened_at != change.opened_at:
            self.membership += 1
        if known is None:
            self._gone.pop(change.id, None)
            early = self._early.pop(book, None)
            if early is not None:
                self._keep_mark(book, early)
        self.positions[change.id] = change
        self.books[book] = change.id
        self._account(change.account)

    def _drop(self, position_id: str, version: int) -> None:
        known = self.positions.pop(position_id, None)
        self._gone[position_id] = version
        while len(self._gone) > _TOMBSTONES:
            self._gone.popitem(last=False)
        if known is None:
            return
        self.membership += 1
        book = Book(known.account, known.conid)
        if self.books.get(book) == position_id:
            del self.books[book]
            mark = self.marks.pop(book, None)
            if mark is not None:
                # A flip closes one episode and opens the next: the price is still the price.
                self._keep_early(book, mark)

    def _apply_value(self, change: AccountValueChanged) -> None:
        state = self._account(change.account)
        if change.key not in VALUE_KEYS:
            return
        if state.base_currency is None and change.currency not in _BASE:
            state.base_currency = change.currency
        if change.currency not in _BASE and change.currency != state.base_currency:
            return
        state.values[change.key] = decimal_from_text(change.value)
        state.values_as_of[change.key] = max(change.as_of, state.values_as_of.get(change.key, change.as_of))
        self.dirty.accounts.add(change.account)

    # -- from the ticks stream ---------------------------------------------------------------------------

    def tick(self, tick: Tick, *, epoch: int, now: datetime, login: str = "") -> None:
        """Take in one tick, unless a newer link of its login was heard of: its own was replaced."""
        newest = self._newest_epochs.get(login, 0)
        if epoch < newest and not (is_of_none_connected(epoch, tick) and self._is_silent(login, now)):
            return
        self._newest_epochs[login] = max(epoch, newest)
        self.revision += 1
        match tick:
            case MarkReported():
                self._apply_mark(tick)
            case PnlReported():
                state = self.accounts.get(tick.account)
                if state is not None:
                    state.pnl = tick
                    self.dirty.accounts.add(tick.account)
            case LinkBeat():
                self._apply_beat(tick, login, epoch=epoch, now=now)

    def _is_silent(self, login: str, now: datetime) -> bool:
        """Whether no link with an epoch speaks for a login."""
        known = self.links.get(login)
        return known is None or known.epoch == 0 or now - known.beat_at > BEAT_LIMIT

    def _apply_mark(self, mark: MarkReported) -> None:
        book = Book(mark.account, mark.conid)
        position_id = self.books.get(book)
        if position_id is None:
            # Nothing to show, but the position's opening may be on its way behind it.
            self._keep_early(book, mark)
            return
        self._keep_mark(book, merge_mark(self.marks.get(book), mark))
        self.dirty.positions.add(position_id)
        self.dirty.accounts.add(mark.account)

    def _keep_early(self, book: Book, mark: MarkReported) -> None:
        self._early[book] = mark
        self._early.move_to_end(book)
        while len(self._early) > _EARLY_MARKS:
            self._early.popitem(last=False)

    def _keep_mark(self, book: Book, mark: MarkReported) -> None:
        self.marks[book] = mark
        newest = self.newest_mark.get(book.account)
        if newest is None or mark.received_at > newest:
            self.newest_mark[book.account] = mark.received_at

    def _apply_beat(self, beat: LinkBeat, login: str, *, epoch: int, now: datetime) -> None:
        self.links[login] = Link(
            gateway=beat.gateway,
            ibkr=beat.ibkr,
            since=beat.since,
            reason=beat.reason,
            complete=beat.complete,
            epoch=epoch,
            beat_at=now,
            state=beat.state,
            last_message_at=beat.last_message_at,
            clock_offset_seconds=beat.clock_offset_seconds,
        )

    # -- from the database -------------------------------------------------------------------------------

    def merge(self, loaded: Loaded) -> None:
        """Take in what the database held; what the streams told since ``touched`` was cleared counts more.

        Positions that are as they were need not be told again: this happens every minute, to every reader.
        """
        self.revision += 1
        for row in loaded.accounts:
            self.take_account(row)
        for value in loaded.values:
            state = self._account(value.account)
            known_as_of = state.values_as_of.get(value.key)
            if known_as_of is None or value.as_of >= known_as_of:
                self._apply_value(value)
        for pnl in loaded.pnl:
            state = self._account(pnl.account)
            if state.pnl is None or pnl.received_at > state.pnl.received_at:
                state.pnl = pnl
        self.take_figures(loaded.figures, loaded.datasets)
        self._merge_positions(loaded.positions)
        for mark in loaded.marks:
            book = Book(mark.account, mark.conid)
            known = self.marks.get(book)
            if book in self.books and (known is None or mark.received_at > known.received_at):
                self._keep_mark(book, mark)
                self.dirty.positions.add(self.books[book])
        self.dirty.accounts.update(self.accounts)

    def _merge_positions(self, positions: list[PositionChanged]) -> None:
        held = {position.id for position in positions}
        for position_id in [key for key in self.positions if key not in held and key not in self.touched]:
            version = self.positions[position_id].version
            self.dirty.positions.add(position_id)
            self._drop(position_id, version)
        for position in positions:
            if position.id not in self.touched and self.positions.get(position.id) != position:
                self._apply_position(position)

    def take_account(self, row: AccountRow) -> None:
        """Who an account is."""
        state = self._account(row.account)
        if (state.alias, state.paper) != (row.alias, row.paper):
            self.dirty.accounts.add(row.account)
        state.alias, state.paper, state.listed = row.alias, row.paper, row.listed
        state.cost_method, state.login = row.cost_method, row.login or ""
        state.base_currency = row.base_currency or state.base_currency

    def take_figures(self, figures: dict[str, TradeFigures], datasets: list[DatasetRow]) -> None:
        """Counts and downloads, which are read from the database many changes at once."""
        self.revision += 1
        for account, counted in figures.items():
            state = self._account(account)
            if state.figures != counted:
                state.figures = counted
                self.dirty.accounts.add(account)
        self.datasets = {
            (row.account, row.dataset): DatasetState(row.as_of, row.complete, row.error, row.epoch)
            for row in datasets
        }
        for row in datasets:
            login = self._account(row.account).login
            self._newest_epochs[login] = max(row.epoch, self._newest_epochs.get(login, 0))

    def _account(self, account: str) -> AccountState:
        state = self.accounts.get(account)
        if state is None:
            state = self.accounts[account] = AccountState(account=account)
            self.dirty.accounts.add(account)
        return state
