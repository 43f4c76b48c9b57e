"""Whatever is killed, and whenever: no half archive looks whole, no half restore replaces anything."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import pytest

from core.settings import Settings
from services.backup import creating, opening, restoring
from services.backup.archives import look_at
from services.backup.creating import Created, create
from services.backup.keys import identities
from services.backup.moment import tables_of
from services.backup.restoring import restore, verify
from services.backup.retention import listed
from tests.databases import run_sql
from tests.environment import of_the_machine
from tests.services.backup.conftest import EXECUTIONS, databases_beside, databases_named, left_in, url_of
from tests.services.backup.dying import CREATING, RESTORING
from tests.waiting import comes

ROOT = Path(__file__).parents[3]
KILLED = -9


def dies(settings: Settings, action: str, point: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, str(Path(__file__).with_name("dying.py")), action, point),
            *(url_of(settings), str(settings.home), *more),
        ],
        env={**of_the_machine(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("point", CREATING)
async def test_killed_over_a_backup_there_is_a_whole_one_or_none(point: str, portfolio: Settings) -> None:
    first = await create(portfolio, "cli")
    died = dies(portfolio, "create", point)
    assert died.returncode == KILLED, died.stderr
    archives = [one.kept for one in listed(portfolio)]
    has_its_name = point == "after it has its name"
    assert len(archives) == 1 + has_its_name
    for kept in archives:
        assert kept is not None
        assert verify(kept, identities(portfolio))
    assert len(left_in(portfolio.backup_folder)) == 1 - has_its_name
    # The next one clears up, and is not held up by who is gone.
    again = await create(portfolio, "cli")
    assert left_in(portfolio.backup_folder) == []
    assert again.manifest.tables == first.manifest.tables


@pytest.mark.parametrize("point", RESTORING)
async def test_killed_over_a_restore_there_is_all_of_what_was_or_all_of_what_was_saved(
    point: str, portfolio: Settings, archive: Created
) -> None:
    await run_sql(url_of(portfolio), EXECUTIONS.format(501, 600))
    later = await tables_of(portfolio.require_database_url())
    before = set(await databases_named(portfolio, "kept"))
    died = dies(portfolio, "restore", point, str(archive.path))
    assert died.returncode == KILLED, died.stderr
    in_place = point in {"after it is in place", "files in place"}
    now = await tables_of(portfolio.require_database_url())
    assert now == (archive.manifest.tables if in_place else later)
    if point != "opened":
        assert await databases_beside(portfolio)
    await restore(portfolio, archive.path, identities(portfolio), replace=True)
    assert await tables_of(portfolio.require_database_url()) == archive.manifest.tables
    assert await databases_beside(portfolio) == []
    # What was replaced and could not be looked at any more is nobody's to drop.
    kept = set(await databases_named(portfolio, "kept")) - before
    assert len(kept) == in_place
    for name in kept:
        beside = portfolio.require_database_url().rpartition("/")[0]
        assert await tables_of(f"{beside}/{name}") == later
    assert left_in(portfolio.backup_folder) == []


async def test_a_full_disk_is_told_and_leaves_nothing(portfolio: Settings, archive: Created) -> None:
    assert archive.bytes > 20_000
    full = dies(portfolio, "create", "room=20000")
    assert full.returncode == 1
    assert "BackupFailedError: No backup was written to" in full.stderr
    assert "File too large. Nothing of it was kept. Make room (lotkeeper backup prune)" in full.stderr
    assert [one.path for one in listed(portfolio)] == [archive.path]
    assert left_in(portfolio.backup_folder) == []
    later = await tables_of(portfolio.require_database_url())
    full = dies(portfolio, "restore", "room=10000", str(archive.path))
    assert full.returncode == 1
    assert "BackupFailedError: What is in" in full.stderr
    assert await tables_of(portfolio.require_database_url()) == later
    assert left_in(portfolio.backup_folder) == []
    assert await databases_beside(portfolio) == []


async def test_a_folder_that_cannot_be_made_is_told(portfolio: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = portfolio.model_copy(update={"backup_dir": tmp_path / "file" / "backups"})
    died = pytest.raises(Exception, match=r"cannot be written to: Not a directory.*LOTKEEPER_BACKUP_DIR")
    with died:
        await create(elsewhere, "cli")


async def test_a_server_that_goes_away_leaves_nothing(portfolio: Settings) -> None:
    """As where PostgreSQL is stopped in the middle: its sessions are ended."""
    created = await create(portfolio, "cli")
    statement = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lotkeeper-backup'"
    )

    whole = creating.framed

    def and_then_it_is_gone(*arguments: object) -> object:
        import asyncio  # noqa: PLC0415 - in a thread of its own

        for piece in whole(*arguments):  # type: ignore[arg-type]
            asyncio.run(run_sql(url_of(portfolio), statement))
            yield piece

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(creating, "framed", and_then_it_is_gone)
        with pytest.raises(Exception) as failed:  # noqa: PT011 - looked at below
            await create(portfolio, "cli")
    assert type(failed.value).__name__ in {"BackupFailedError", "DatabaseUnavailableError"}, failed.value
    assert [one.path for one in listed(portfolio)] == [created.path]
    assert left_in(portfolio.backup_folder) == []
    assert look_at(created.path).manifest.tables == created.manifest.tables


@pytest.mark.parametrize("what", ["create", "drill"])
async def test_a_worker_that_is_told_to_stop_leaves_nothing(
    what: str, portfolio: Settings, archive: Created
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    changed, name = (creating, "framed") if what == "create" else (restoring, "begin_restore")
    whole = getattr(changed, name)

    def slowly(*arguments: object) -> object:
        loop.call_soon_threadsafe(begun.set)
        if what == "create":
            return _held_up(whole(*arguments))
        return whole(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(changed, name, slowly)
        if what == "create":
            task = asyncio.create_task(create(portfolio, "cli"))
        else:
            task = asyncio.create_task(restoring.drill(portfolio, archive.path, identities(portfolio)))  # type: ignore[arg-type]
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [one.path for one in listed(portfolio)] == [archive.path]
    assert left_in(portfolio.backup_folder) == []
    assert await databases_beside(portfolio) == []
    assert (await create(portfolio, "cli")).manifest.tables == archive.manifest.tables


def _held_up(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        time.sleep(0.1)
        yield piece


@pytest.mark.parametrize("step", ["require_whole", "open_archive"])
async def test_a_worker_that_is_told_to_stop_while_it_decrypts_does_not_go_on(
    step: str, portfolio: Settings, archive: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    whole = getattr(opening, step)
    pieces = list[int]()
    slowly, closed = list[str](), list[str]()

    def in_small_pieces(*arguments: object) -> object:
        slowly.append(step)
        loop.call_soon_threadsafe(begun.set)
        return whole(*arguments)

    class Slow:
        """Reads a kilobyte in a tenth of a second: the whole would take minutes."""

        def __init__(self, file: IO[bytes]) -> None:
            self._file = file

        def read(self, size: int = -1) -> bytes:
            time.sleep(0.1)
            pieces.append(size)
            return self._file.read(min(size, 64))

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()
            closed.append(step)

    kept = look_at(archive.path)
    opens = Path.open
    monkeypatch.setattr(opening, step, in_small_pieces)
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, *how, **more: (
            Slow(opens(path, *how, **more)) if path == archive.path and slowly else opens(path, *how, **more)
        ),
    )

    async def open_it() -> None:
        async with opening.opened(portfolio, kept, identities(portfolio)):
            pass

    task = asyncio.create_task(open_it())
    await begun.wait()
    await comes(lambda: pieces)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(portfolio.data_dir) == []
    assert closed, "the thread goes on"
    assert len(pieces) * 64 < archive.bytes / 4


async def test_what_a_killed_one_had_opened_is_cleared_up_by_the_next(
    portfolio: Settings, archive: Created
) -> None:
    died = dies(portfolio, "restore", "opened", str(archive.path))
    assert died.returncode == KILLED
    assert len(left_in(portfolio.data_dir)) == 1
    await restoring.drill(portfolio, archive.path, identities(portfolio))
    assert left_in(portfolio.data_dir) == []
