"""The folder of archives: one at a time works in it, and what a killed one left is cleared up."""

import asyncio
import fcntl
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from core.settings import PREFIX
from services.backup.errors import BackupFailedError, BackupLockedError

SUFFIX: Final = ".backup"
_UNFINISHED: Final = ".unfinished-"


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Have the folder to ourselves; it is made if need be, and what was left unfinished is removed.

    Raises:
        BackupLockedError: another backup, restore or prune works in it.
        BackupFailedError: it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupFailedError(
            f"The folder of backups {folder} cannot be written to: {error.strerror}. Choose another with "
            f"{PREFIX}BACKUP_DIR."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupLockedError(
                f"Another backup or restore is under way in {folder}. Wait for its end."
            ) from None
        _clear_up(folder)
        yield
    finally:
        os.close(descriptor)


class SharedFolder:
    """A folder that is ours while at least one of several pieces of work in this process goes on in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._held = ExitStack()
        self._count = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """As ``working_in``, but for what else of ours works in it already. From any thread."""
        with self._guard:
            if not self._count:
                self._held.enter_context(working_in(self._folder))
            self._count += 1
        try:
            yield
        finally:
            with self._guard:
                self._count -= 1
                if not self._count:
                    self._held.close()


@asynccontextmanager
async def working_soon_in(folder: Path) -> AsyncIterator[None]:
    """``working_in`` where other work goes on meanwhile.

    Raises:
        LotkeeperError: as ``working_in``.
    """
    async with entered_soon(working_in(folder)):
        yield


@asynccontextmanager
async def entered_soon(held: AbstractContextManager[None]) -> AsyncIterator[None]:
    """Enter it in a thread: a folder on a share that hangs holds nobody else up."""
    entering = asyncio.ensure_future(asyncio.to_thread(held.__enter__))
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        entering.add_done_callback(lambda _: _leave(entering, held))
        raise
    try:
        yield
    finally:
        held.__exit__(None, None, None)


def _leave(entering: "asyncio.Future[None]", held: AbstractContextManager[None]) -> None:
    if not entering.cancelled() and entering.exception() is None:
        held.__exit__(None, None, None)


def unfinished(folder: Path, name: str) -> Path:
    """Where something grows until it is whole."""
    return folder / f"{_UNFINISHED}{name}"


def archives_in(folder: Path) -> list[Path]:
    """All of them, by name: the oldest of a profile first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def sync_folder(folder: Path) -> None:
    """Have a new name in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear_up(folder: Path) -> None:
    for path in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
