"""The statements of a new book are handed out once, whatever happens in between."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.simulator.history import handing_out
from services.simulator.history.handing_out import Statements
from services.simulator.scenario import load_scenario

SATURDAY = datetime(2026, 11, 28, 15, tzinfo=UTC)
A_WEEK_LATER = datetime(2026, 12, 5, 15, tzinfo=UTC)
SCENARIO = load_scenario("default")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "simulator" / "book.json"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "statements" / "inbox"


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_three_years_are_handed_out_whole_and_the_newest_first(book: Path, inbox: Path) -> None:
    due = Statements.due(book, inbox, at(SATURDAY))
    assert due is not None
    due.hand_out(SCENARIO)
    by_age = sorted(inbox.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [path.name for path in by_age] == [f"activity-{year}1127.xml" for year in (2026, 2025, 2024)]


def test_a_later_start_hands_out_nothing(book: Path, inbox: Path) -> None:
    due = Statements.due(book, inbox, at(SATURDAY))
    assert due is not None
    due.hand_out(SCENARIO)
    for path in inbox.iterdir():
        path.unlink()
    assert Statements.due(book, inbox, at(A_WEEK_LATER)) is None
    book.write_text("{}")
    assert Statements.due(book, inbox, at(A_WEEK_LATER)) is None


def test_whoever_was_killed_over_it_hands_out_the_same_the_next_time(book: Path, inbox: Path) -> None:
    assert Statements.due(book, inbox, at(SATURDAY)) is not None
    book.write_text("{}")
    again = Statements.due(book, inbox, at(A_WEEK_LATER))
    assert again is not None
    again.hand_out(SCENARIO)
    other = Statements.due(book.with_name("other.json"), inbox.with_name("other"), at(SATURDAY))
    assert other is not None
    other.hand_out(SCENARIO)
    assert contents(inbox) == contents(inbox.with_name("other"))


def test_a_book_that_is_older_than_this_gets_no_past(book: Path, inbox: Path) -> None:
    book.parent.mkdir()
    book.write_text("{}")
    assert Statements.due(book, inbox, at(SATURDAY)) is None
    assert [path.name for path in book.parent.iterdir()] == ["book.json"]


def test_a_note_that_cannot_be_read_means_no_past(book: Path, inbox: Path) -> None:
    assert Statements.due(book, inbox, at(SATURDAY)) is not None
    book.with_name("book-past.json").write_text("{")
    assert Statements.due(book, inbox, at(SATURDAY)) is None


def test_a_folder_that_cannot_be_written_is_tried_again_at_the_next_start(book: Path, inbox: Path) -> None:
    inbox.parent.mkdir()
    inbox.write_text("in the way")
    due = Statements.due(book, inbox, at(SATURDAY))
    assert due is not None
    due.hand_out(SCENARIO)
    inbox.unlink()
    again = Statements.due(book, inbox, at(A_WEEK_LATER))
    assert again is not None
    again.hand_out(SCENARIO)
    assert len(contents(inbox)) == 3


def test_what_has_no_past_keeps_nobody_from_starting(
    book: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(handing_out, "statements", fail)
    due = Statements.due(book, inbox, at(SATURDAY))
    assert due is not None
    due.hand_out(SCENARIO)
    assert contents(inbox) == {}
