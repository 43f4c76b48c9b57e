"""What is inside the encryption: files one after the other, each a name and chunks, and none but whole.

A name is its length in two bytes and itself; a chunk is its length in four bytes and itself, and one of no
bytes ends the file. The last file is the manifest.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from services.backup.errors import ArchiveRefusedError
from services.backup.manifest import Part

DUMP: Final = "database.dump"
MANIFEST: Final = "manifest.json"
CHUNK: Final = 1 << 20
_NAME = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_MOST_NAME = 200
_BROKEN = "The archive was changed or cut off: what is inside has no sound form."


class Source(NamedTuple):
    """A file to put in: what it will be called, and its bytes."""

    name: str
    chunks: Iterable[bytes]


def framed(sources: Iterable[Source], manifest: Callable[[dict[str, Part]], bytes]) -> Iterator[bytes]:
    """All of it, piece by piece; the manifest is asked for when all else has been read."""
    parts: dict[str, Part] = {}
    for source in sources:
        digest, size = hashlib.sha256(), 0
        yield _head(source.name)
        for chunk in source.chunks:
            if chunk:
                digest.update(chunk)
                size += len(chunk)
                yield _LENGTH.pack(len(chunk))
                yield chunk
        yield _LENGTH.pack(0)
        parts[source.name] = Part(size, digest.hexdigest())
    written = manifest(parts)
    yield _head(MANIFEST) + _LENGTH.pack(len(written)) + written + _LENGTH.pack(0)


def _head(name: str) -> bytes:
    encoded = name.encode()
    return _NAME.pack(len(encoded)) + encoded


class Unframing:
    """Takes the same bytes, in whatever pieces they come, apart; ``folder`` is where files go.

    Without a folder they are only measured. Names that would lead out of the folder are refused.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.parts: dict[str, Part] = {}
        self.manifest = b""
        self._folder = folder
        self._buffer = bytearray()
        self._name: str | None = None
        self._left = 0
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] | None = None

    def feed(self, data: bytes) -> None:
        """Take in what comes next.

        Raises:
            ArchiveRefusedError: it has no sound form.
            OSError: it cannot be written.
        """
        self._buffer += data
        while self._step():
            pass

    def close(self) -> None:
        """Close what is still open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self) -> None:
        """There is no more.

        Raises:
            ArchiveRefusedError: something is missing.
        """
        self.close()
        if self._buffer or self._name is not None or MANIFEST not in self.parts:
            raise ArchiveRefusedError(_BROKEN)

    def _step(self) -> bool:
        buffer = self._buffer
        if self._left:
            piece = bytes(buffer[: self._left])
            del buffer[: self._left]
            self._take(piece)
            return bool(buffer)
        if self._name is None:
            return self._begin()
        if len(buffer) < _LENGTH.size:
            return False
        (self._left,) = _LENGTH.unpack_from(buffer)
        del buffer[: _LENGTH.size]
        if not self._left:
            self._end()
        return True

    def _begin(self) -> bool:
        buffer = self._buffer
        if len(buffer) < _NAME.size:
            return False
        (length,) = _NAME.unpack_from(buffer)
        if not 0 < length <= _MOST_NAME or MANIFEST in self.parts:
            raise ArchiveRefusedError(_BROKEN)
        if len(buffer) < _NAME.size + length:
            return False
        try:
            name = buffer[_NAME.size : _NAME.size + length].decode()
        except UnicodeDecodeError:
            raise ArchiveRefusedError(_BROKEN) from None
        if name in self.parts or "/" in name or "\\" in name or name.startswith("."):
            raise ArchiveRefusedError(_BROKEN)
        del buffer[: _NAME.size + length]
        self._name, self._digest, self._size = name, hashlib.sha256(), 0
        if self._folder is not None:
            self._file = (self._folder / name).open("xb")
        return True

    def _take(self, piece: bytes) -> None:
        self._left -= len(piece)
        self._size += len(piece)
        self._digest.update(piece)
        if self._name == MANIFEST:
            self.manifest += piece
        if self._file is not None:
            self._file.write(piece)

    def _end(self) -> None:
        if self._name is not None:
            self.parts[self._name] = Part(self._size, self._digest.hexdigest())
        self._name = None
        self.close()
