"""The spool's files: framed records behind a header, read back as far as they were written whole."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

FORMAT = 1

_HEADER = struct.Struct(">8sI")
_MAGIC = b"LKSPOOL\n"
_FRAME = struct.Struct(">4sIIIQ")
_MARKER = b"\xa5LKF"
"""Begins a frame, so that the next good one can be found behind a damaged one."""

_CHECKED_FROM = 12
"""The CRC covers what follows it: the number of facts, the time and the payload."""

HEADER_BYTES = _HEADER.size
FRAME_BYTES = _FRAME.size
_WINDOW_BYTES = 4 * 1024 * 1024


class Record(NamedTuple):
    """An encoded batch, how many facts it holds, and when it was put on the disk (our clock)."""

    payload: bytes
    facts: int
    at_ms: int


class Found(NamedTuple):
    """A good frame: its record and the offset behind it."""

    record: Record
    end: int


def header() -> bytes:
    """The first bytes of a segment."""
    return _HEADER.pack(_MAGIC, FORMAT)


def is_of_another_format(start: bytes) -> bool:
    """Whether a segment that begins so was written by another version, and must not be guessed at."""
    if len(start) < HEADER_BYTES:
        return False
    magic, version = _HEADER.unpack_from(start)
    return bool(magic == _MAGIC and version != FORMAT)


def frame(record: Record) -> bytes:
    """A record as it stands in the file: marker, length, CRC-32, facts, time, payload."""
    checked = struct.pack(">IQ", record.facts, record.at_ms) + record.payload
    return struct.pack(">4sII", _MARKER, len(record.payload), zlib.crc32(checked)) + checked


def frame_at(data: bytes | memoryview, offset: int) -> Found | None:
    """The good frame that begins at ``offset``, or ``None``."""
    start = offset + FRAME_BYTES
    if start > len(data):
        return None
    marker, length, crc, facts, at_ms = _FRAME.unpack_from(data, offset)
    end = start + length
    if marker != _MARKER or end > len(data) or zlib.crc32(data[offset + _CHECKED_FROM : end]) != crc:
        return None
    return Found(Record(bytes(data[start:end]), facts, at_ms), end)


def next_frame(data: bytes, offset: int) -> int | None:
    """Where the first good frame at or after ``offset`` begins."""
    at = data.find(_MARKER, offset)
    while at >= 0:
        if frame_at(data, at) is not None:
            return at
        at = data.find(_MARKER, at + 1)
    return None


def lengths(data: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
    """Offset, facts and time of each frame in turn, unchecked, as far as they follow each other."""
    while offset + FRAME_BYTES <= len(data):
        marker, length, _, facts, at_ms = _FRAME.unpack_from(data, offset)
        if marker != _MARKER or offset + FRAME_BYTES + length > len(data):
            return
        yield offset, facts, at_ms
        offset += FRAME_BYTES + length


def read_frames(descriptor: int, offset: int, size: int, most: int) -> list[Found]:
    """Up to ``most`` good frames from ``offset`` on; ends at the first bad one, and at ``size``."""
    found: list[Found] = []
    data = os.pread(descriptor, min(size - offset, _WINDOW_BYTES), offset)
    while len(found) < most:
        one = frame_at(data, (found[-1].end if found else offset) - offset)
        if one is None:
            break
        found.append(Found(one.record, offset + one.end))
    if not found and len(data) < size - offset:
        # A frame larger than the window, or a bad one: only its own length says which.
        data = os.pread(descriptor, size - offset, offset)
        one = frame_at(data, 0)
        if one is not None:
            found.append(Found(one.record, offset + one.end))
    return found


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``: a disk that fills up takes a part of it without an error."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def close_quietly(descriptor: int | None) -> None:
    """Close a descriptor that may be none, or that a failing disk does not let go in peace."""
    if descriptor is not None:
        with suppress(OSError):
            os.close(descriptor)
