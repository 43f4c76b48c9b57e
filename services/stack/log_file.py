"""The stack's log on disk: a file a day, compressed when the day is over, kept for as long as is wanted."""

import gzip
import os
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Final

FILE_BYTES: Final = 20_000_000
"""A file that is as big is put away before its day is over."""

ALL_BYTES: Final = 1_000_000_000
"""What is put away takes no more than this: the oldest goes first."""

_PUT_AWAY = re.compile(r"\.(\d{4}-\d\d-\d\d)(?:\.\d+)?(?:\.gz)?$")


def _now() -> datetime:
    return datetime.now(UTC)


class LogFile:
    """Appends lines to ``path`` (mode 0600); yesterday's are beside it, as ``path.2026-11-28.gz``.

    Not safe to use from several threads at once. A disk that is full, or a folder that is gone, ends no
    process: what cannot be written is not.
    """

    def __init__(self, path: Path, *, days: int, now: Callable[[], datetime] = _now) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._days = days
        self._now = now
        self._packing: threading.Thread | None = None
        self._file, self._bytes, self._day = self._open()
        self._tidy()

    def write(self, line: str) -> None:
        """Append a line."""
        content = f"{line}\n".encode(errors="backslashreplace")
        with suppress(OSError, ValueError):
            today = self._now().date()
            if self._bytes and (today != self._day or self._bytes + len(content) > FILE_BYTES):
                self._put_away()
            self._day = today
            self._file.write(content)
            self._bytes += len(content)

    def close(self) -> None:
        """Close the file, once what was put away is compressed."""
        self._file.close()
        if self._packing is not None:
            self._packing.join()

    def _open(self) -> tuple[FileIO, int, date]:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # Without a buffer: what a full disk did not take would be tried again, and at last when it is closed.
        file = os.fdopen(descriptor, "ab", buffering=0)
        found = os.fstat(descriptor)
        if not found.st_size:
            return file, 0, self._now().date()
        # Of the day on which it was written last, which may be before this process began.
        return file, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC).date()

    def _put_away(self) -> None:
        self._file.close()
        target = self._free_name()
        try:
            self._path.rename(target)
        finally:
            self._file, self._bytes, self._day = self._open()
        if self._packing is not None:
            self._packing.join()
        # Beside the writing, which must not wait for it: services wait for us to read what they write.
        self._packing = threading.Thread(target=self._pack, args=(target,), name="log-packing", daemon=True)
        self._packing.start()

    def _free_name(self) -> Path:
        name = f"{self._path.name}.{self._day.isoformat()}"
        number = 0
        while True:
            target = self._path.with_name(name if not number else f"{name}.{number}")
            if not target.exists() and not target.with_name(f"{target.name}.gz").exists():
                return target
            number += 1

    def _pack(self, path: Path) -> None:
        packed = path.with_name(f"{path.name}.gz")
        draft = path.with_name(f".{packed.name}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                path.open("rb") as source,
                os.fdopen(descriptor, "wb") as raw,
                gzip.open(raw, "wb") as target,
            ):
                shutil.copyfileobj(source, target)
            draft.replace(packed)
            path.unlink()
        except OSError:
            # It stays as it is, and is no less readable.
            draft.unlink(missing_ok=True)
        self._tidy()

    def _tidy(self) -> None:
        """Let go of what is too old, then of the oldest while there is too much."""
        oldest = self._now().date() - timedelta(days=self._days)
        kept: list[tuple[date, float, Path, int]] = []
        with suppress(OSError):
            for path in self._path.parent.glob(f"{self._path.name}.*"):
                match = _PUT_AWAY.search(path.name)
                if match is None:
                    continue
                day = date.fromisoformat(match[1])
                if day < oldest:
                    path.unlink(missing_ok=True)
                    continue
                found = path.stat()
                kept.append((day, found.st_mtime, path, found.st_size))
            total = sum(size for *_, size in kept)
            for _, _, path, size in sorted(kept):
                if total <= ALL_BYTES:
                    break
                path.unlink(missing_ok=True)
                total -= size
