"""The watched folder: what is put there is handed on once, and nothing there stops a worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.errors import DatabaseUnavailableError
from services.statements.errors import NotXmlError
from services.statements.inbox import MOST_FAILURES, Inbox


class Taker:
    """Takes files, and does with the next what it is told to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.next: list[Exception] = []

    async def __call__(self, path: Path) -> None:
        self.taken.append(path.name)
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
        (folder / name).write_text(content)
        return folder / name

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
