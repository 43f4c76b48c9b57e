"""A statement on its way to a file: nobody sees it there before it is whole and on the disk."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from services.statements.flex_errors import FlexFolderError

_DRAFT: Final = ".part"
_LEFT_OVER_SECONDS: Final = 6 * 3600.0


class KeptFile(NamedTuple):
    """A file that is whole. ``sha256`` is of its content, in hexadecimal."""

    path: Path
    sha256: str
    size_bytes: int


class Draft:
    """A file that is being written, under a name of its own."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.size_bytes = 0
        self._path = path
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Append.

        Raises:
            FlexFolderError: the disk is full, or broken.
        """
        with _told(self._path.parent):
            self._file.write(piece)
        self._hash.update(piece)
        self.size_bytes += len(piece)

    async def keep(self, stem: str, name: str | None = None) -> KeptFile:
        """Give it its name once it is on the disk: ``name``, or ``<stem>-<the first of its sum>.xml``.

        A file that had the name before is no more.

        Raises:
            FlexFolderError: the disk is full, or broken.
        """
        digest = self._hash.hexdigest()
        final = self._path.with_name(name or f"{stem}-{digest[:8]}.xml")
        await asyncio.to_thread(self._keep_as, final)
        return KeptFile(final, digest, self.size_bytes)

    def _keep_as(self, final: Path) -> None:
        with _told(final.parent):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._path.replace(final)
            folder = os.open(final.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def draft_in(folder: Path, now: float) -> Iterator[Draft]:
    """A new file in ``folder``, which is made if need be; gone at the end unless it was kept.

    ``now`` is in seconds since 1970: what a process that was killed left behind hours ago is swept away.

    Raises:
        FlexFolderError: nothing can be written there.
    """
    with _told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(folder, now)
        path = folder / f".flex-{secrets.token_hex(8)}{_DRAFT}"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    try:
        yield Draft(path, file)
    finally:
        # What could not be written before cannot be at the close either, and was told.
        with suppress(OSError):
            file.close()
        path.unlink(missing_ok=True)


def _sweep(folder: Path, now: float) -> None:
    for left in folder.glob(f".flex-*{_DRAFT}"):
        with suppress(FileNotFoundError):
            if now - left.stat().st_mtime > _LEFT_OVER_SECONDS:
                left.unlink()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error.__class__.__name__
        raise FlexFolderError(f"The statement cannot be kept in {folder}: {reason}.") from error
