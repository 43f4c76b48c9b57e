"""The file to be imported: whoever can read its format hands it over as neutral records."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase, UnsupportedOperation
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from core.domain.stated import Statement
from models.stores.imports import File

_CHUNK_BYTES = 1 << 20
_LEVEL = 3
"""Statements say the same over and over: zlib's default makes them a fifth smaller, in twice the time."""


class Reading(Protocol):
    """One reading of a file. What it does not understand is counted while it is read."""

    def __iter__(self) -> Iterator[Statement]:
        """The records, in the order of the file; raises what is wrong with it."""
        ...

    @property
    def bytes_read(self) -> int:
        """How far it has come."""
        ...

    @property
    def unknown(self) -> Mapping[str, int]:
        """Elements and attributes that are not known, and how often they came."""
        ...


class Source(NamedTuple):
    """A file and how to read it. ``kind`` is the format's name; ``name`` the file's, if its path is another.

    ``read`` is given the file itself, opened, and what errors are to call it.
    """

    path: Path
    kind: str
    read: Callable[[BinaryIO, str], Reading]
    name: str = ""

    def reading(self, file: File) -> Reading:
        """Read what was kept, and nothing else: whatever becomes of the file on the disk meanwhile."""
        content = BufferedReader(Inflated(file.deflated), _CHUNK_BYTES)
        return self.read(content, self.name or str(self.path))


class Inflated(RawIOBase):
    """A deflated file as it was, inflated as it is read."""

    def __init__(self, deflated: bytes) -> None:
        self._deflated = memoryview(deflated)
        self._rewind()

    def _rewind(self) -> None:
        self._inflater = zlib.decompressobj()
        self._taken = 0
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, by inflating up to there."""
        return True

    def tell(self) -> int:
        """How far it was read."""
        return self._position

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Go to a place counted from the beginning, or stay where it is."""
        target = offset if whence == SEEK_SET else self._position + offset
        if whence == SEEK_END or target < 0:
            raise UnsupportedOperation("the end is not known before it is reached")
        if target < self._position:
            self._rewind()
        while self._position < target and self._inflate(min(target - self._position, _CHUNK_BYTES)):
            pass
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Inflate as much as there is room for, or less; 0 at the end."""
        room = memoryview(buffer).cast("B")
        content = self._inflate(len(room))
        room[: len(content)] = content
        return len(content)

    def _inflate(self, most: int) -> bytes:
        """Up to so many bytes more; none only at the end."""
        content = b""
        while not content and not self._inflater.eof and most:
            piece: bytes | memoryview = self._inflater.unconsumed_tail
            if not piece:
                piece = self._deflated[self._taken : self._taken + _CHUNK_BYTES]
                self._taken += len(piece)
            content = self._inflater.decompress(piece, most)
            if not piece and not content:
                break
        self._position += len(content)
        return content


def keep(source: Source) -> File:
    """Read all of a file to keep it as it came.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    deflater = zlib.compressobj(_LEVEL)
    parts: list[bytes] = []
    size_bytes = 0
    with source.path.open("rb") as file, ThreadPoolExecutor(1) as beside:
        while chunk := file.read(_CHUNK_BYTES):
            hashed = beside.submit(digest.update, chunk)
            parts.append(deflater.compress(chunk))
            size_bytes += len(chunk)
            hashed.result()
    parts.append(deflater.flush())
    name = source.name or source.path.name
    return File(name, source.kind, digest.hexdigest(), size_bytes, b"".join(parts))
