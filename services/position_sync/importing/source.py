"""The file to be imported: whoever can read its format hands it over as neutral records."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from core.domain.stated import Statement
from models.stores.imports import File

_CHUNK_BYTES = 1 << 20


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
    """A file and how to read it. ``kind`` is the format's name."""

    path: Path
    kind: str
    read: Callable[[Path], Reading]
    name: str = ""


def keep(source: Source) -> File:
    """Read all of a file to keep it as it came.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    deflater = zlib.compressobj(6)
    parts: list[bytes] = []
    size_bytes = 0
    with source.path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            parts.append(deflater.compress(chunk))
            size_bytes += len(chunk)
    parts.append(deflater.flush())
    name = source.name or source.path.name
    return File(name, source.kind, digest.hexdigest(), size_bytes, b"".join(parts))
