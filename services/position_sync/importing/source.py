"""The file to be imported: whoever can read its format hands it over as neutral records."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase, UnsupportedOperation
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from core.domain.formats import APART_FROM_BYTES
from core.domain.stated import Statement
from core.errors import BrokenOffError
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


class ReadingApart(Reading, Protocol):
    """A reading by another process, which has begun with it."""

    @property
    def sha256(self) -> str:
        """The sum of all that was read, in hexadecimal, once it has come to the end."""
        ...

    def close(self) -> None:
        """End the process, whatever it is at, also while another thread waits for what it reads."""
        ...


class FileChangedError(BrokenOffError):
    """A file was written to while it was imported."""

    code = "import_file_changed"


class Source(NamedTuple):
    """A file and how to read it. ``kind`` is the format's name; ``name`` the file's, if its path is another.

    ``read`` is given the file itself, opened, and what errors are to call it. ``read_apart``, where there is
    one, is given its path.
    """

    path: Path
    kind: str
    read: Callable[[BinaryIO, str], Reading]
    name: str = ""
    read_apart: Callable[[Path, str], ReadingApart] | None = None

    @property
    def called(self) -> str:
        """What errors are to call it."""
        return self.name or str(self.path)


class Opened:
    """A file that is about to be imported: a large one is read ahead, by a process that ``close`` ends.

    Raises:
        OSError: it is not there.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_closed = False
        self._apart: ReadingApart | None = None
        if source.read_apart is not None and source.path.stat().st_size >= APART_FROM_BYTES:
            self._apart = source.read_apart(source.path, source.called)

    def identified(self) -> File:
        """What it is, and all of it, deflated; of a large one that is left to ``deflated``.

        Raises:
            OSError: it cannot be read.
        """
        return keep(self._source) if self._apart is None else _File(self._source).identified()

    def deflated(self, file: File) -> bytes:
        """All of a large file; it may be ``close`` that ends this, then it is not.

        Raises:
            FileChangedError: it is no longer what it was identified as.
            OSError: it cannot be read.
        """
        kept = _File(self._source, lambda: not self._is_closed).kept()
        if not self._is_closed and kept.sha256 != file.sha256:
            raise _changed(self._source.called)
        return kept.deflated

    def reading(self, file: File) -> Reading:
        """Read what was kept, and nothing else: whatever becomes of the file on the disk meanwhile."""
        if self._apart is not None:
            return _Held(self._apart, file, self._source.called)
        content = BufferedReader(Inflated(file.deflated), _CHUNK_BYTES)
        return self._source.read(content, self._source.called)

    def end_reading(self) -> None:
        """Read no more records. What there is to be kept is left as it is."""
        if self._apart is not None:
            self._apart.close()

    def close(self) -> None:
        """Stop whatever it is at."""
        self._is_closed = True
        self.end_reading()


class _Held:
    """A reading that is held to what was kept, at its end."""

    def __init__(self, reading: ReadingApart, file: File, name: str) -> None:
        self._reading = reading
        self._file = file
        self._name = name

    @property
    def bytes_read(self) -> int:
        return self._reading.bytes_read

    @property
    def unknown(self) -> Mapping[str, int]:
        return self._reading.unknown

    def __iter__(self) -> Iterator[Statement]:
        yield from self._reading
        if self._reading.sha256 != self._file.sha256:
            raise _changed(self._name)


def _changed(name: str) -> FileChangedError:
    return FileChangedError(
        f"{name} was written to while it was read, so nothing of it was imported. Import it again."
    )


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


class _File:
    """The file of a source, gone through as long as it ``is_wanted``."""

    def __init__(self, source: Source, is_wanted: Callable[[], bool] = lambda: True) -> None:
        self._source = source
        self._is_wanted = is_wanted
        self._size_bytes = 0
        self._digest = hashlib.sha256()

    def identified(self) -> File:
        """What it is, without its content."""
        for chunk in self._chunks():
            self._digest.update(chunk)
        return self._file(b"")

    def kept(self) -> File:
        """What it is, and its content."""
        deflater = zlib.compressobj(_LEVEL)
        parts: list[bytes] = []
        with ThreadPoolExecutor(1) as beside:
            for chunk in self._chunks():
                hashed = beside.submit(self._digest.update, chunk)
                parts.append(deflater.compress(chunk))
                hashed.result()
        parts.append(deflater.flush())
        return self._file(b"".join(parts))

    def _chunks(self) -> Iterator[bytes]:
        with self._source.path.open("rb") as file:
            while self._is_wanted() and (chunk := file.read(_CHUNK_BYTES)):
                self._size_bytes += len(chunk)
                yield chunk

    def _file(self, deflated: bytes) -> File:
        name = self._source.name or self._source.path.name
        return File(name, self._source.kind, self._digest.hexdigest(), self._size_bytes, deflated)


def keep(source: Source) -> File:
    """Read all of a file to keep it as it came.

    Raises:
        OSError: it cannot be read.
    """
    return _File(source).kept()
