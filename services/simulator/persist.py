"""The book on disk: a snapshot, and a journal of the fills since.

A fill is in the journal, synced, before any client hears of it. So whatever kills the process, every id that
was ever announced is in the book that the next one opens, and no id is given twice.
"""

import fcntl
import os
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO, Self

import msgspec

from core.errors import LotkeeperError
from services.simulator.book import Account, Book, OpeningLot
from services.simulator.executions import Execution
from services.simulator.instruments import Instrument

COMPACT_AFTER_ENTRIES = 5_000


class BookFileError(LotkeeperError):
    """The book file cannot be used; the sentence says why."""

    code = "simulator_book_unusable"
    exit_code = 6


class Snapshot(msgspec.Struct, frozen=True):
    """A whole book as JSON. Decimals are strings."""

    format: int
    tag: int
    serial: int
    order_serial: int
    day: date
    accounts: list[Account]
    instruments: list[Instrument]
    marks: dict[int, Decimal]
    opening: list[OpeningLot]
    executions: list[Execution]
    realized_today: list[tuple[str, int, Decimal]]
    unrealized_at_open: list[tuple[str, int, Decimal]]


FORMAT = 1


class BookFile:
    """One book file, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open (and lock) the book at ``path``.

        Raises:
            BookFileError: another simulator has it open.
        """
        self.path = path
        self._journal_path = path.with_name(path.name + ".journal")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_name(path.name + ".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BookFileError(
                f"{path} is in use by another simulator. Stop it, or give this one a book of its own."
            ) from error
        self._journal: IO[bytes] | None = None
        self._entries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self) -> Book | None:
        """The book as the last process left it, however that one ended; ``None`` when there is none yet.

        Raises:
            BookFileError: the file is not a book.
        """
        if not self.path.exists():
            return None
        try:
            snapshot = msgspec.json.decode(self.path.read_bytes(), type=Snapshot)
            if snapshot.format != FORMAT:
                raise BookFileError(
                    f"{self.path} has format {snapshot.format}, this simulator knows {FORMAT}."
                )
            book = _restore(snapshot)
            for execution in self._journalled():
                if execution.exec_id not in book.executions:
                    # Its correction may be later in the journal, and says so itself.
                    execution.corrected_by = None
                    book.apply(execution)
        except (msgspec.DecodeError, KeyError) as error:
            raise BookFileError(
                f"{self.path} is not a simulator's book ({error}). Move it away to begin a new one."
            ) from error
        return book

    def save(self, book: Book) -> None:
        """Replace the file as a whole: a reader finds the old book or the new one, never half of either."""
        temporary = self.path.with_name(self.path.name + ".new")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(_snapshot(book)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self._sync_folder()
        # A crash between the two is harmless: entries that are in the snapshot are skipped on loading.
        if self._journal is not None:
            self._journal.close()
        self._journal = self._journal_path.open("wb")
        self._sync_folder()
        self._entries = 0

    def append(self, executions: Sequence[Execution]) -> bool:
        """Make fills durable; true when the journal has grown enough to be worth a ``save``."""
        if self._journal is None:
            self._journal = self._journal_path.open("ab")
        self._journal.write(b"".join(msgspec.json.encode(execution) + b"\n" for execution in executions))
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._entries += len(executions)
        return self._entries >= COMPACT_AFTER_ENTRIES

    def close(self) -> None:
        """Let another process have the book."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._lock.close()

    def _journalled(self) -> list[Execution]:
        if not self._journal_path.exists():
            return []
        *lines, _torn = self._journal_path.read_bytes().split(b"\n")
        # What follows the last newline was never synced as a whole, hence never announced.
        return [msgspec.json.decode(line, type=Execution) for line in lines]

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _snapshot(book: Book) -> Snapshot:
    return Snapshot(
        format=FORMAT,
        tag=book.tag,
        serial=book.serial,
        order_serial=book.order_serial,
        day=book.day,
        accounts=list(book.accounts.values()),
        instruments=list(book.instruments.values()),
        marks=book.marks,
        opening=book.opening_lots(),
        executions=list(book.executions.values()),
        realized_today=[(*key, amount) for key, amount in book.realized_today.items()],
        unrealized_at_open=[(*key, amount) for key, amount in book.unrealized_at_open.items()],
    )


def _restore(snapshot: Snapshot) -> Book:
    book = Book(
        snapshot.accounts,
        snapshot.instruments,
        snapshot.marks,
        opening=snapshot.opening,
        tag=snapshot.tag,
        day=snapshot.day,
    )
    book.serial, book.order_serial = snapshot.serial, snapshot.order_serial
    # The cash in the snapshot is after these fills: they rebuild the lots and must not move it again.
    cash = {account.account: dict(account.cash) for account in snapshot.accounts}
    book.restore(snapshot.executions)
    for account in snapshot.accounts:
        book.accounts[account.account].cash = cash[account.account]
    book.realized_today.clear()
    book.realized_today.update(
        {(account, conid): amount for account, conid, amount in snapshot.realized_today}
    )
    book.unrealized_at_open = {
        (account, conid): amount for account, conid, amount in snapshot.unrealized_at_open
    }
    return book
