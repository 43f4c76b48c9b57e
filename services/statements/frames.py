"""What a process that reads a statement tells the one that imports it, over a pipe: frame by frame.

Neither end is ever of another version: the one starts the other.
"""

from collections.abc import Iterator, Sequence
from typing import IO, Final, TypeAlias

from msgspec import Struct, msgpack

from core.domain.stated import Statement

_LENGTH_BYTES: Final = 4


class Piece(Struct, frozen=True, tag=True):
    """Some more records, and how far the reading has come."""

    records: Sequence[Statement]
    bytes_read: int


class End(Struct, frozen=True, tag=True):
    """It was read to its end. ``sha256`` is of all that was read."""

    bytes_read: int
    sha256: str
    unknown: dict[str, int]


class Broken(Struct, frozen=True, tag=True):
    """The file is not what it should be: the error's code, its text and what it knows besides."""

    code: str
    text: str
    fields: dict[str, str | int | None]


class Unreadable(Struct, frozen=True, tag=True):
    """The file cannot be read: what the system says."""

    number: int
    text: str


Frame: TypeAlias = Piece | End | Broken | Unreadable

_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(Frame).decode


def framed(frame: Frame) -> bytes:
    """A frame as it is written."""
    content = _encode(frame)
    return len(content).to_bytes(_LENGTH_BYTES) + content


def frames(pipe: IO[bytes]) -> Iterator[Frame]:
    """The frames, as long as they come whole: the last one may have been cut short."""
    while len(length := pipe.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        size = int.from_bytes(length)
        content = pipe.read(size)
        if len(content) < size:
            return
        yield _decode(content)
