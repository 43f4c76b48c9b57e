"""A large file is read by a process of its own: what becomes of that, the import is whole or not there."""

import asyncio
import os
import signal
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.domain.books import BookKey
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database, Writer
from models.stores import staged_trades
from models.stores.imports import File
from services.position_sync.importing import run, source
from services.position_sync.importing.report import Report, Tally
from services.position_sync.importing.run import run_import, undo_import
from services.position_sync.importing.source import FileChangedError, Opened, Source
from services.position_sync.relay import Relay
from services.statements.apart import FlexFileApart, ReadingEndedError
from services.statements.errors import TruncatedError
from services.statements.flex import FlexFile
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import Link, execution
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.services.statements.statements import in_statement, trade
from tests.waiting import comes

TRADES = 1_500
"""More than one frame of them."""


def named(number: int) -> str:
    return f"0000e0d5.{number:08x}.01.01"


def statement(trades: int = TRADES, *more: str) -> str:
    rows = [trade(ibExecID=named(n), transactionID=str(n)) for n in range(trades)]
    return in_statement(*[f"\n{row}" for row in (*rows, *more)])


class Importing:
    """Imports files that are read by processes of their own, which it knows."""

    def __init__(self, database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> None:
        self._world = database, streams, settings
        self._clock = clock
        self.begun: list[FlexFileApart] = []
        self.bytes_read = 0

    async def __call__(self, path: Path, instead: Path | None = None, *, dry_run: bool = False) -> Report:
        """Import a file; with ``instead`` the process reads that, as if the file were another by then."""

        def begin(path: Path, name: str) -> FlexFileApart:
            self.begun.append(FlexFileApart(instead or path, name))
            return self.begun[-1]

        def progress(bytes_read: int, _size_bytes: int) -> None:
            self.bytes_read = bytes_read

        what = Source(path, "flex", FlexFile, read_apart=begin)
        return await run_import(
            *self._world, what, trigger="cli", dry_run=dry_run, progress=progress, clock=self._clock
        )

    @property
    def has_ended(self) -> bool:
        """Whether the last process is no more."""
        return self.begun[-1]._process.returncode is not None


@pytest.fixture
def bring(
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    monkeypatch: pytest.MonkeyPatch,
) -> Importing:
    monkeypatch.setattr(source, "APART_FROM_BYTES", 0)
    monkeypatch.setattr(run, "RECORDS_AT_ONCE", 500)
    return Importing(database, streams, settings, clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.xml"
    path.write_text(statement())
    return path


@pytest.fixture
def half_written(tmp_path: Path) -> Iterator[Path]:
    """What more is to come of for ever: its reader is in the middle of it until it is ended."""
    path = tmp_path / "half"
    os.mkfifo(path)
    held_open = os.open(path, os.O_RDWR)
    yield path
    os.close(held_open)


def write_half(path: Path) -> None:
    with path.open("w") as file:
        file.write(statement().partition("</FlexStatement>")[0])


async def test_it_comes_to_what_it_comes_to_when_it_is_read_here(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, bring: Importing, path: Path
) -> None:
    here = await run_import(
        database, streams, settings, Source(path, "flex", FlexFile), trigger="cli", dry_run=True, clock=clock
    )
    rehearsed = await bring(path, dry_run=True)
    assert rehearsed.as_json() == here.as_json()
    await comes(lambda: bring.has_ended)
    report = await bring(path)
    assert report.sections["trades"] == Tally(new=TRADES)
    await comes(lambda: bring.has_ended)
    again = await bring(path)
    assert again.import_id == report.import_id
    assert again.already is not None
    await comes(lambda: bring.has_ended)


async def test_it_is_kept_as_it_came_also_when_it_is_taken_back_and_imported_again(
    database: Database, streams: RedisStreams, settings: Settings, bring: Importing, path: Path, rows: Rows
) -> None:
    first = await bring(path)
    assert first.import_id is not None
    await undo_import(database, streams, settings, first.import_id)
    assert (await bring(path)).sections["trades"] == Tally(new=TRADES)
    [kept] = await rows("SELECT size_bytes, content FROM raw_payloads")
    assert zlib.decompress(kept["content"]) == path.read_bytes()
    assert kept["size_bytes"] == path.stat().st_size


async def test_where_it_can_no_longer_be_kept_nothing_of_it_is_imported(
    bring: Importing, path: Path, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    identified = Opened.identified
    being_read = tmp_path / "being-read.xml"
    being_read.write_bytes(path.read_bytes())

    def then_gone(opened: Opened) -> File:
        file = identified(opened)
        path.unlink()
        return file

    monkeypatch.setattr(Opened, "identified", then_gone)
    with pytest.raises(FileNotFoundError):
        await bring(path, being_read)
    await comes(lambda: bring.has_ended)
    assert await rows("SELECT * FROM imports") == []
    assert await rows("SELECT * FROM raw_payloads") == []


async def test_what_turns_out_to_be_known_once_it_is_read_is_stated_as_such(
    relay: Relay, bring: Importing, path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = staged_trades.books
    live = execution(named(7), "10", "125.5", account="U1")
    live = replace(live, executed_at=datetime(2023, 1, 3, 14, 30, tzinfo=UTC))

    async def then_books(connection: Writer) -> set[BookKey]:
        # Here all of it was read, and stated as new.
        await relay.handle([Link().entry(live)])
        return await books(connection)

    monkeypatch.setattr(staged_trades, "books", then_books)
    again, otherwise = trade(ibExecID=named(2)), trade(ibExecID=named(2), tradePrice="1")
    path.write_text(statement(TRADES, again, otherwise))
    told = (await bring(path)).sections["trades"]
    assert (told.new, told.corrected, told.disputed, told.ignored) == (TRADES - 1, 1, 1, {"repeated": 1})
    stated = await rows(
        "SELECT outcome, count(*) AS rows, min(number) AS first, max(number) AS last FROM stated_trades "
        "GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(one.values()) for one in stated] == [
        # Of its commission the live stream has not told.
        ("corrected", 1, 8, 8),
        ("disputed", 1, TRADES + 2, TRADES + 2),
        ("new", TRADES - 1, 1, TRADES),
    ]
    [told_live] = await rows("SELECT exec_id, source FROM executions WHERE source = 'live'")
    assert told_live["exec_id"] == named(7)


async def test_a_small_file_starts_no_process(
    bring: Importing, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "APART_FROM_BYTES", path.stat().st_size + 1)
    await bring(path)
    assert bring.begun == []


async def test_where_the_process_is_killed_in_the_middle_nothing_is_imported_and_that_is_said(
    database: Database, bring: Importing, path: Path, half_written: Path, rows: Rows
) -> None:
    before = await ledger_rows(database)
    importing = asyncio.ensure_future(bring(path, half_written))
    await asyncio.to_thread(write_half, half_written)
    await comes(lambda: bring.bytes_read > 0)
    os.kill(bring.begun[-1].process_id, signal.SIGKILL)
    with pytest.raises(ReadingEndedError, match=r"a\.xml.* by signal 9, so nothing of it was imported"):
        await importing
    assert await ledger_rows(database) == before
    assert await rows("SELECT * FROM imports") == []
    assert (await bring(path)).sections["trades"] == Tally(new=TRADES)


async def test_an_import_that_is_cancelled_ends_the_process_and_leaves_nothing(
    bring: Importing, path: Path, half_written: Path, rows: Rows
) -> None:
    importing = asyncio.ensure_future(bring(path, half_written))
    await asyncio.to_thread(write_half, half_written)
    await comes(lambda: bring.bytes_read > 0)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    await comes(lambda: bring.has_ended)
    assert await rows("SELECT * FROM imports") == []


async def test_a_file_that_is_written_to_while_it_is_read_is_not_imported(
    bring: Importing, path: Path, tmp_path: Path, rows: Rows
) -> None:
    other = tmp_path / "later"
    other.write_text(statement(TRADES + 1))
    with pytest.raises(FileChangedError, match="written to while it was read"):
        await bring(path, other)
    assert await rows("SELECT * FROM imports") == []
    await comes(lambda: bring.has_ended)


async def test_a_fault_in_the_middle_is_told_as_it_is_and_nothing_is_imported(
    bring: Importing, path: Path, rows: Rows
) -> None:
    path.write_text(statement()[:-40])
    with pytest.raises(TruncatedError, match=r"a\.xml, line 1501"):
        await bring(path)
    assert await rows("SELECT * FROM imports") == []
    await comes(lambda: bring.has_ended)
