"""One process's part of the spool: a folder of segments, and the lock that says whose it is."""

import fcntl
import os
import struct
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.broker.segments import HEADER_BYTES, close_quietly, is_of_another_format, lengths

SUFFIX = ".facts"

_LOCK = "lock"
_POSITION = "position"
_POSITION_FORMAT = struct.Struct(">QQI")


@dataclass(eq=False)
class Segment:
    """A file of records. ``offset`` is where those begin that are not drained, ``size`` ends what is synced.

    A ``foreign`` one was written by another version, and is not guessed at.
    """

    path: Path
    number: int
    size: int = HEADER_BYTES
    offset: int = HEADER_BYTES
    facts: int = 0
    damaged: bool = False
    foreign: bool = False

    @property
    def waiting_bytes(self) -> int:
        """What of it is not drained."""
        return self.size - self.offset


class Folder:
    """One process's part of the spool. Whoever holds its lock owns it; a killed process holds none."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.number = int(path.name)
        self.segments: deque[Segment] = deque()
        self.next_number = 1
        self._lock = lock
        self._position: int | None = None

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock the folder; ``None`` where a living process has it, or has just removed it."""
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            still_there = os.path.samestat(os.fstat(lock), (path / _LOCK).stat())
        except (BlockingIOError, FileNotFoundError):
            still_there = False
        if not still_there:
            os.close(lock)
            return None
        return cls(path, lock)

    def load(self) -> int | None:
        """Find what an earlier process left; returns when the oldest of it was put here (ms, our clock)."""
        drained_number, drained_offset = self._noted()
        oldest: int | None = None
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            if not path.stem.isdecimal():
                continue
            number = int(path.stem)
            self.next_number = max(self.next_number, number + 1)
            data = path.read_bytes()
            offset = max(drained_offset, HEADER_BYTES) if number == drained_number else HEADER_BYTES
            segment = Segment(path, number, len(data), min(offset, len(data)))
            segment.foreign = is_of_another_format(data)
            if number < drained_number:
                segment.offset = segment.size
            for _, facts, at_ms in lengths(data, segment.offset):
                segment.facts += facts
                oldest = at_ms if oldest is None else oldest
            self.segments.append(segment)
        return oldest

    def _noted(self) -> tuple[int, int]:
        with suppress(OSError, struct.error):
            number, offset, crc = _POSITION_FORMAT.unpack((self.path / _POSITION).read_bytes())
            if zlib.crc32(struct.pack(">QQ", number, offset)) == crc:
                return number, offset
        return 0, 0

    def note(self, segment: Segment) -> None:
        """Remember how far is drained. Not synced: what is sent twice does no harm."""
        place = struct.pack(">QQ", segment.number, segment.offset)
        with suppress(OSError):
            if self._position is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._position = os.open(self.path / _POSITION, flags, 0o600)
            os.pwrite(self._position, place + struct.pack(">I", zlib.crc32(place)), 0)

    def let_go(self, *, keep: bool = False) -> None:
        """Give the folder back; an empty one is removed unless it is to be kept."""
        close_quietly(self._position)
        if not self.segments and not keep:
            with suppress(OSError):
                (self.path / _POSITION).unlink(missing_ok=True)
                (self.path / _LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        os.close(self._lock)
