"""A folder that is watched: a statement that is put there is handed on, and then put aside."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from core import logs
from core.errors import BrokenOffError, DatabaseUnavailableError, LotkeeperError, StreamUnavailableError
from models.session import is_passing
from services.statements.limiter import Sleep

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
IMPORTED: Final = "imported"
REFUSED: Final = "refused"
"""Where files go, beneath the folder itself."""

MOST_FAILURES: Final = 3
"""Whatever is unforeseen may pass; what does not is put aside for somebody to look at."""

SETTLED_SECONDS: Final = 30.0
"""What was written to within so long may be the half of a file whose copying stands still just now."""

OnStatement = Callable[[Path], Awaitable[None]]
"""What is done with a file. A ``LotkeeperError`` says that it cannot be used."""


class _Look(NamedTuple):
    """What a file looked like: it may be whole when it looks the same the next time."""

    size_bytes: int
    modified_ns: int

    def is_fresh(self, now: float) -> bool:
        """Whether it was written to just now."""
        return 0 <= now - self.modified_ns / 1e9 < SETTLED_SECONDS


class Inbox:
    """Files of the suffixes in ``folder``, which is made where it is not there."""

    def __init__(
        self,
        folder: Path,
        suffixes: frozenset[str],
        on_statement: OnStatement,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._folder = folder
        self._suffixes = suffixes
        self._on_statement = on_statement
        self._looks: dict[Path, _Look] = {}
        self._failures: dict[Path, int] = {}
        self._broken: dict[Path, _Look] = {}
        self._unusable = False

    async def run(self, *, sleep: Sleep = asyncio.sleep) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Hand on what has not changed since the last look. Never raises for what may pass."""
        try:
            found = await asyncio.to_thread(self._found)
            ready = [path for path, look in found.items() if self._is_ready(path, look)]
            self._looks = found
            self._broken = {path: look for path, look in self._broken.items() if path in found}
            for path in sorted(ready, key=lambda one: found[one].modified_ns):
                with logs.caused_by():
                    await self._take(path, found[path])
        except OSError as error:
            if not self._unusable:
                log.warning("statements_inbox_unusable", reason=error.strerror or str(error))
            self._unusable = True
        else:
            if self._unusable:
                log.info("statements_inbox_usable_again")
            self._unusable = False

    def _is_ready(self, path: Path, look: _Look) -> bool:
        if self._looks.get(path) != look:
            return False
        return self._broken.get(path) != look or not look.is_fresh(self._now())

    def _found(self) -> dict[Path, _Look]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: dict[Path, _Look] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in self._suffixes:
                    continue
                if entry.is_file(follow_symlinks=True):
                    found[Path(entry.path)] = _look_of(entry.stat())
        return found

    async def _take(self, path: Path, look: _Look) -> None:
        try:
            await self._on_statement(path)
        except (FileNotFoundError, DatabaseUnavailableError, StreamUnavailableError):
            pass  # another worker was quicker, or it waits
        except (PermissionError, IsADirectoryError) as error:
            await self._refuse(path, f"It cannot be read: {error.strerror}", "unreadable")
        except LotkeeperError as error:
            if await self._is_final(path, look, error):
                await self._refuse(path, str(error), error.code)
        except Exception as error:
            if is_passing(error):
                return  # whoever cannot reach the database says so already
            if self._fails_too_often(path):
                log.exception("statement_import_failed")
                reason = f"It could not be imported ({error.__class__.__name__}); the log says more."
                await self._refuse(path, reason, "internal_error")
        else:
            # Otherwise what was imported was a part of it.
            if not await self._is_still_written(path, look):
                await self._put_aside(path, IMPORTED)

    async def _is_final(self, path: Path, look: _Look, error: LotkeeperError) -> bool:
        """Whether an error is a reason to refuse the file."""
        if await self._is_still_written(path, look):
            return False
        if isinstance(error, BrokenOffError):
            return self._fails_too_often(path)
        if look.is_fresh(self._now()):
            self._broken[path] = look
            return False
        return True

    async def _is_still_written(self, path: Path, look: _Look) -> bool:
        """Whether it is another file than what was handed on."""
        try:
            now = _look_of(await asyncio.to_thread(path.stat))
        except FileNotFoundError:
            return False  # another worker was quicker
        if now != look:
            self._looks[path] = now
        return now != look

    def _fails_too_often(self, path: Path) -> bool:
        self._failures[path] = self._failures.get(path, 0) + 1
        return self._failures[path] >= MOST_FAILURES

    async def _refuse(self, path: Path, reason: str, code: str) -> None:
        log.warning("statement_refused", code=code)
        await self._put_aside(path, REFUSED, f"{reason}\n")

    async def _put_aside(self, path: Path, where: str, reason: str = "") -> None:
        await asyncio.to_thread(_put_aside, path, where, reason)
        self._looks.pop(path, None)
        self._failures.pop(path, None)
        self._broken.pop(path, None)


def _look_of(about: os.stat_result) -> _Look:
    return _Look(about.st_size, about.st_mtime_ns)


def _put_aside(path: Path, where: str, reason: str) -> None:
    """Move a file beneath its folder; one that another worker moved is done with."""
    folder = path.parent / where
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    try:
        path.rename(target)
    except FileNotFoundError:
        return
    if reason:
        target.with_name(f"{target.name}.reason.txt").write_text(
            reason, encoding="utf-8", errors="backslashreplace"
        )
