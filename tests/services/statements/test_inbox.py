"""The watched folder: what is put there is handed on once, and nothing there stops a worker."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.errors import BrokenOffError, DatabaseUnavailableError
from services.position_sync.importing.source import FileChangedError
from services.statements.apart import ReadingEndedError
from services.statements.errors import NotXmlError, TruncatedError
from services.statements.inbox import MOST_FAILURES, SETTLED_SECONDS, Inbox

LONG_AGO = 1_700_000_000


class Taker:
    """Takes files, and does with the next what it is told to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.next: list[Exception] = []
        self.meanwhile: Callable[[Path], object] = str

    async def __call__(self, path: Path) -> None:
        self.taken.append(path.name)
        self.meanwhile(path)
        if self.next:
            raise self.next.pop(0)


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def inbox(folder: Path, taker: Taker) -> Inbox:
    return Inbox(folder, frozenset({".xml"}), taker)


@pytest.fixture
def put(folder: Path) -> Callable[[str, str], Path]:
    def put(name: str, content: str = "<a/>") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    return put


async def test_the_folder_is_made(inbox: Inbox, folder: Path) -> None:
    await inbox.look()
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_file_that_is_whole_is_handed_on_and_put_aside(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path]
) -> None:
    put("a.xml")
    put("notes.txt")
    put(".b.xml")
    await inbox.look()
    assert taker.taken == [], "it may still be written"
    put("a.xml", "<a></a>")
    await inbox.look()
    assert taker.taken == [], "it was"
    await inbox.look()
    await inbox.look()
    assert taker.taken == ["a.xml"]
    assert (folder / "imported" / "a.xml").exists()
    assert sorted(path.name for path in folder.iterdir()) == [".b.xml", "imported", "notes.txt"]


async def test_a_second_file_of_one_name_replaces_none(
    inbox: Inbox, folder: Path, put: Callable[..., Path]
) -> None:
    for content in ("<a/>", "<b/>"):
        put("a.xml", content)
        await inbox.look()
        await inbox.look()
    assert (folder / "imported" / "a.xml").read_text() == "<a/>"
    assert (folder / "imported" / "a-2.xml").read_text() == "<b/>"


async def test_what_cannot_be_read_is_refused_with_the_reason(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path]
) -> None:
    put("a.xml")
    taker.next = [NotXmlError("a.xml", 3, "this is not XML")]
    await inbox.look()
    with capture_logs() as logs:
        await inbox.look()
    assert [one["event"] for one in logs] == ["statement_refused"]
    assert (folder / "refused" / "a.xml").exists()
    assert (folder / "refused" / "a.xml.reason.txt").read_text() == "a.xml, line 3: this is not XML\n"


@pytest.mark.parametrize(
    "away", [DatabaseUnavailableError("away"), ConnectionRefusedError("away")], ids=["said", "found"]
)
async def test_while_the_database_is_away_the_file_waits(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path], away: Exception
) -> None:
    put("a.xml")
    taker.next = [away] * 5
    for _ in range(6):
        await inbox.look()
    assert (folder / "a.xml").exists()
    await inbox.look()
    assert (folder / "imported" / "a.xml").exists()


@pytest.mark.parametrize("kind", [ReadingEndedError, FileChangedError])
async def test_a_file_whose_reading_was_broken_off_is_tried_again_before_it_is_refused(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path], kind: type[BrokenOffError]
) -> None:
    put("a.xml")
    taker.next = [kind("its process was ended")] * MOST_FAILURES
    while len(taker.taken) < MOST_FAILURES:
        assert (folder / "a.xml").exists()
        await inbox.look()
    assert (folder / "refused" / "a.xml.reason.txt").read_text() == "its process was ended\n"


def writes_on(path: Path) -> None:
    with path.open("a") as file:
        file.write("x")


@pytest.mark.parametrize(
    "error", [TruncatedError("a.xml", 9, "it ends too early"), FileChangedError("it was written to")]
)
async def test_what_is_still_being_written_is_never_refused_nor_counted_as_a_failure(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path], error: Exception
) -> None:
    put("a.xml")
    taker.meanwhile, taker.next = writes_on, [error] * 2 * MOST_FAILURES
    while taker.next:
        await inbox.look()
    assert [path.name for path in folder.iterdir()] == ["a.xml"]
    taker.meanwhile = str
    await inbox.look()
    assert (folder / "imported" / "a.xml").exists()


async def test_what_was_written_to_while_it_was_imported_is_imported_again(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path]
) -> None:
    put("a.xml")
    taker.meanwhile = writes_on
    await inbox.look()
    await inbox.look()
    assert taker.taken == ["a.xml"]
    assert (folder / "a.xml").exists()
    taker.meanwhile = str
    await inbox.look()
    await inbox.look()
    assert taker.taken == ["a.xml"] * 2
    assert (folder / "imported" / "a.xml").read_text() == "<a/>x"


async def test_half_a_file_whose_copying_stands_still_for_a_while_is_not_refused(
    folder: Path, taker: Taker, put: Callable[..., Path]
) -> None:
    now = LONG_AGO + 10.0
    inbox = Inbox(folder, frozenset({".xml"}), taker, now=lambda: now)
    path = put("a.xml")
    taker.next = [TruncatedError("a.xml", 1, "it ends too early")] * 2
    for _ in range(4):
        await inbox.look()
    assert taker.taken == ["a.xml"], "it is not read again as it is"
    now += 10
    path.write_text("<a></a>")
    os.utime(path, (now, now))
    await inbox.look()
    await inbox.look()
    assert taker.taken == ["a.xml"] * 2
    await inbox.look()
    assert (folder / "a.xml").exists()
    now += SETTLED_SECONDS
    await inbox.look()
    assert (folder / "imported" / "a.xml").exists()


async def test_half_a_file_that_nobody_writes_to_any_more_is_refused_in_the_end(
    folder: Path, taker: Taker, put: Callable[..., Path]
) -> None:
    now = LONG_AGO + 10.0
    inbox = Inbox(folder, frozenset({".xml"}), taker, now=lambda: now)
    put("a.xml")
    taker.next = [TruncatedError("a.xml", 1, "it ends too early")] * 2
    for _ in range(4):
        await inbox.look()
    now += SETTLED_SECONDS
    await inbox.look()
    assert taker.taken == ["a.xml"] * 2
    assert (folder / "refused" / "a.xml.reason.txt").exists()


async def test_a_file_of_a_time_to_come_is_not_waited_for(
    folder: Path, taker: Taker, put: Callable[..., Path]
) -> None:
    inbox = Inbox(folder, frozenset({".xml"}), taker, now=lambda: LONG_AGO - 1000.0)
    put("a.xml")
    taker.next = [TruncatedError("a.xml", 1, "it ends too early")]
    await inbox.look()
    await inbox.look()
    assert (folder / "refused" / "a.xml").exists()


async def test_what_nobody_foresaw_is_tried_again_and_then_put_aside(
    inbox: Inbox, taker: Taker, folder: Path, put: Callable[..., Path]
) -> None:
    put("a.xml")
    taker.next = [ZeroDivisionError()] * MOST_FAILURES
    with capture_logs() as logs:
        for _ in range(MOST_FAILURES + 3):
            await inbox.look()
    assert taker.taken == ["a.xml"] * MOST_FAILURES
    assert [one["event"] for one in logs] == ["statement_import_failed", "statement_refused"]
    assert "ZeroDivisionError" in (folder / "refused" / "a.xml.reason.txt").read_text()


async def test_a_folder_that_cannot_be_used_is_told_once(inbox: Inbox, folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with capture_logs() as logs:
        await inbox.look()
        await inbox.look()
        folder.unlink()
        await inbox.look()
    assert [one["event"] for one in logs] == ["statements_inbox_unusable", "statements_inbox_usable_again"]
