"""What is inside segments of WAL: whether reading ended where writing did.

Pages are of 8 KiB and begin with their own address; a record begins with its length, at a multiple of 8
(``src/include/access/xlog_internal.h`` and ``xlogrecord.h`` of PostgreSQL). What a server keeps segments for
later use of is told by that: their pages have other addresses.
"""

import struct
from pathlib import Path
from typing import Final, NamedTuple

from services.backup.wal import SEGMENT_BYTES, segment_name

_PAGE: Final = 8192
_HEAD: Final = struct.Struct("=HHIQI")
_GOES_ON: Final = 1
"""A flag: the page begins with more of a record that began before it."""
_PAGE_HEAD_BYTES: Final = 24
_SEGMENT_HEAD_BYTES: Final = 40
_LENGTH: Final = struct.Struct("=I")


class _Head(NamedTuple):
    """Of a page: whether it goes on with a record, and how many bytes of that are left."""

    goes_on: bool
    left: int


class Pages:
    """The pages of the segments in a folder, by their address; all of one timeline."""

    def __init__(self, folder: Path, timeline: int) -> None:
        self._folder = folder
        self._timeline = timeline

    def _read(self, address: int, count: int) -> bytes:
        path = self._folder / segment_name(self._timeline, address // SEGMENT_BYTES)
        try:
            with path.open("rb") as file:
                file.seek(address % SEGMENT_BYTES)
                return file.read(count)
        except FileNotFoundError:
            return b""

    def _head(self, address: int) -> _Head | None:
        """What the page that begins there says of itself, if it was written."""
        raw = self._read(address, _HEAD.size)
        if len(raw) < _HEAD.size:
            return None
        _, info, _, own, remaining = _HEAD.unpack(raw)
        return _Head(bool(info & _GOES_ON), remaining) if own == address else None

    def goes_on(self, end: int) -> bool:
        """Whether more was written than can be read, where reading ended at ``end``.

        A record that was never written to its end is the usual end of what was broken off, and no more. Each
        page that one reaches over says how much of it is left, so that a length that was damaged is found.
        """
        page = end - end % _PAGE
        if end == page:
            if self._head(page) is None:
                return self._any_after(page)
            end += _head_bytes(page)
        raw = self._read(end, _LENGTH.size)
        length = _LENGTH.unpack(raw)[0] if len(raw) == _LENGTH.size else 0
        left = length - (page + _PAGE - end)
        while left > 0:
            page += _PAGE
            head = self._head(page)
            if head is None:
                return self._any_after(page)
            if head != _Head(True, left):
                return True
            left -= _PAGE - _head_bytes(page)
        return self._any_after(page)

    def _any_after(self, page: int) -> bool:
        """Whether any page after this one was written, in its segment or at the beginning of the next."""
        ends = page - page % SEGMENT_BYTES + SEGMENT_BYTES
        return any(self._head(one) is not None for one in range(page + _PAGE, ends + _PAGE, _PAGE))


def _head_bytes(page: int) -> int:
    return _PAGE_HEAD_BYTES if page % SEGMENT_BYTES else _SEGMENT_HEAD_BYTES


def ended_at(wal: Path, timeline: int) -> int:
    """Where the timeline was left for the next one, in bytes, by the history that a promoted server wrote.

    Raises:
        ValueError: there is none.
    """
    for path in sorted(wal.glob("*.history"), reverse=True):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split("\t")
            if words[0].strip() == str(timeline):
                high, _, low = words[1].partition("/")
                return int(high, 16) << 32 | int(low, 16)
    raise ValueError(f"no history of timeline {timeline} in {wal}")
