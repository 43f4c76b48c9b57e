"""Hand out the statements of the years before a book began: once, whatever happens in between.

A note beside the book says on which day it began and whether they were handed out. It is written before the
book is, so that a book without a note is older than this and gets no past. The day decides what is in them:
whoever is killed over it writes the same files the next time, and no later start writes others.
"""

import os
from datetime import date, datetime, time
from pathlib import Path
from typing import Self

import msgspec

from core.clock import Clock, utc_now
from core.logs import get_logger
from services.simulator.book import ACCOUNT_ZONE
from services.simulator.history.past import statements
from services.simulator.scenario import Scenario, new_book

log = get_logger(__name__)


class Note(msgspec.Struct, frozen=True):
    """When the book began, and whether the statements before that are handed out."""

    first_day: date
    handed_out: bool = False


class Statements:
    """The statements of a book that begins, for ``folder``. ``None`` is made of a book that gets none."""

    def __init__(self, path: Path, note: Note, folder: Path) -> None:
        self._path = path
        self._note = note
        self._folder = folder

    @classmethod
    def due(cls, book: Path, folder: Path, clock: Clock = utc_now) -> Self | None:
        """What is still to be handed out for the book at ``book``; to be asked before that is written."""
        path = book.with_name(f"{book.stem}-past.json")
        try:
            note = msgspec.json.decode(path.read_bytes(), type=Note)
        except FileNotFoundError:
            if book.exists():
                return None
            note = Note(clock().astimezone(ACCOUNT_ZONE).date())
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, msgspec.json.encode(note))
        except (OSError, msgspec.DecodeError):
            return None  # nobody knows what was handed out
        return None if note.handed_out else cls(path, note, folder)

    def hand_out(self, scenario: Scenario) -> None:
        """Put the files into the folder, each of them whole, the newest first.

        So a reader that takes them in this order never sees a past that does not lead to the present.
        """
        first_day = self._note.first_day
        book = new_book(scenario, datetime.combine(first_day, time(12), ACCOUNT_ZONE), 0)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, content in statements(book, first_day):
                _write(self._folder / name, content)
            _write(self._path, msgspec.json.encode(Note(first_day, handed_out=True)))
        except OSError as error:
            # The next start tries again.
            log.warning("past_not_written", reason=error.strerror or error.__class__.__name__)
        except Exception:
            # A scenario of somebody's own may hold what has no past; its market goes on without.
            log.exception("past_not_told")


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all; until then it has a name that a watched folder passes over."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
