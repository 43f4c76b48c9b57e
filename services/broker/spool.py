"""Facts on disk, while Redis cannot have them: appended and synced, read back in order, then deleted."""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from core import logs
from core.errors import LotkeeperError
from services.broker.segments import (
    HEADER_BYTES,
    Found,
    Record,
    close_quietly,
    frame,
    header,
    next_frame,
    read_frames,
    sync_directory,
    write_all,
)
from services.broker.spool_folder import SUFFIX, Folder, Segment

log = logs.get_logger(__name__)

_HOPELESS = {errno.EIO, errno.ENOENT}
"""Asking again does not bring it back."""

_SEGMENT_MOST_BYTES = 16 * 1024 * 1024
_SEGMENTS_AT_LEAST = 16


class SpoolRefusedError(LotkeeperError):
    """The disk does not take facts, or does not give them back: full, at its bound, or failing."""

    code: ClassVar[str] = "spool_refused"


class Spool:
    """First in, first out, over the death of any process that used it.

    Each process writes into a folder of its own below ``root``. It also takes over the folders that nobody
    holds, and reads the oldest folder first. Blocking, and not to be called from two threads at a time; the
    figures may be read from anywhere.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root = root
        self._limit_bytes = limit_bytes
        self._segment_bytes = min(_SEGMENT_MOST_BYTES, limit_bytes // _SEGMENTS_AT_LEAST)
        self._folders: list[Folder] = []
        self._own: Folder | None = None
        self._writing: tuple[Segment, int] | None = None
        self._reading: tuple[Segment, int] | None = None
        self._read: tuple[Folder, Segment, list[Found]] | None = None
        self.waiting_bytes = 0
        self.facts = 0
        self.oldest_ms: int | None = None
        self.damaged_segments = 0
        """How many were found damaged so far: what was in them must be asked of the broker again."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits here."""
        return not self.waiting_bytes

    def adopt(self) -> bool:
        """Take over what processes that are no more have left; whether there was any.

        Raises:
            SpoolRefusedError: the disk does not give some of it now. The rest is taken over all the same.
        """
        before = self.waiting_bytes, self.facts
        fault: SpoolRefusedError | None = None
        for number in self._not_held():
            path = self._root / str(number)
            try:
                self._adopt(path)
            except OSError as error:
                fault = SpoolRefusedError(f"{path} cannot be read ({error.strerror}).")
                fault.__cause__ = error
        found, facts = self.waiting_bytes - before[0], self.facts - before[1]
        if found:
            log.info("spool_adopted", bytes=found, facts=facts)
        if fault is not None:
            raise fault
        return bool(found)

    def _not_held(self) -> list[int]:
        held = {folder.number for folder in self._folders}
        try:
            return [number for number in self._numbers() if number not in held]
        except OSError as error:
            raise SpoolRefusedError(f"{self._root} cannot be read ({error.strerror}).") from error

    def _adopt(self, path: Path) -> None:
        folder = Folder.take(path)
        if folder is None:
            return
        try:
            oldest = folder.load()
        except OSError:
            folder.let_go(keep=True)
            raise
        self._folders.append(folder)
        self._folders.sort(key=lambda folder: folder.number)
        self.waiting_bytes += sum(segment.waiting_bytes for segment in folder.segments)
        self.facts += sum(segment.facts for segment in folder.segments)
        self.oldest_ms = min((at for at in (oldest, self.oldest_ms) if at is not None), default=None)
        for segment in list(folder.segments):
            if segment.waiting_bytes:
                return
            self._finish(folder, segment)
        if folder in self._folders:
            # It held no file at all.
            self._folders.remove(folder)
            folder.let_go()

    def append(self, records: Sequence[Record]) -> None:
        """Put ``records`` on the disk, all of them or none. They are safe when this returns.

        Raises:
            SpoolRefusedError: it has no room for them, or fails.
        """
        data = b"".join(map(frame, records))
        used = sum(segment.size for folder in self._folders for segment in folder.segments)
        if used + len(data) > self._limit_bytes:
            raise SpoolRefusedError(
                f"the spool has reached its {self._limit_bytes >> 20} MB (LOTKEEPER_SPOOL_MEGABYTES)."
            )
        try:
            segment, descriptor = self._writable()
            write_all(descriptor, data, segment.size)
            os.fsync(descriptor)
        except OSError as error:
            self._stop_writing(failed=True)
            raise SpoolRefusedError(f"{self._root} takes no facts ({error.strerror}).") from error
        segment.size += len(data)
        facts = sum(record.facts for record in records)
        segment.facts += facts
        self.facts += facts
        if self.empty:
            self.oldest_ms = records[0].at_ms
        self.waiting_bytes += len(data)

    def read(self, most: int) -> list[Record]:
        """The oldest records, up to ``most``; the same again until ``drained`` is called.

        What is damaged is passed over: its file is kept aside and ``damaged_segments`` counts it.

        Raises:
            SpoolRefusedError: the disk does not give them now.
        """
        while (place := self._head()) is not None:
            folder, segment = place
            try:
                if segment.foreign:
                    self._move_on(segment, segment.size, damaged=True)
                found = self._frames(segment, most)
                if found:
                    self._read = folder, segment, found
                    return [one.record for one in found]
                self._pass_over_damage(folder, segment)
            except OSError as error:
                if error.errno not in _HOPELESS:
                    raise SpoolRefusedError(f"{segment.path} cannot be read ({error.strerror}).") from error
                self._move_on(segment, segment.size, damaged=True)
            if not segment.waiting_bytes:
                self._finish(folder, segment)
        return []

    def drained(self) -> None:
        """What ``read`` returned last is in Redis: go on behind it."""
        if self._read is None:
            return
        # Not the head, which may be an adopted folder by now.
        (folder, segment, found), self._read = self._read, None
        facts = sum(one.record.facts for one in found)
        segment.facts -= facts
        self.facts -= facts
        self.oldest_ms = found[-1].record.at_ms
        self._move_on(segment, found[-1].end)
        folder.note(segment)
        if not segment.waiting_bytes:
            self._finish(folder, segment)

    def close(self) -> None:
        """Give back what is held. What waits is found by the next process."""
        self._stop_writing()
        self._stop_reading()
        for folder in self._folders:
            folder.let_go()
        self._folders, self._own = [], None

    def _numbers(self) -> list[int]:
        if not self._root.is_dir():
            return []
        return sorted(int(path.name) for path in self._root.iterdir() if path.name.isdecimal())

    def _head(self) -> tuple[Folder, Segment] | None:
        return next(((folder, folder.segments[0]) for folder in self._folders if folder.segments), None)

    def _frames(self, segment: Segment, most: int) -> list[Found]:
        if self._reading is None or self._reading[0] is not segment:
            self._stop_reading()
            self._reading = segment, os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        return read_frames(self._reading[1], segment.offset, segment.size, most)

    def _pass_over_damage(self, folder: Folder, segment: Segment) -> None:
        """No good frame stands at the offset: find the next. Behind the last one, a write was cut short."""
        if self._reading is None or not segment.waiting_bytes:
            return
        data = os.pread(self._reading[1], segment.waiting_bytes, segment.offset)
        good = next_frame(data, 0)
        last = folder is not self._own and segment is folder.segments[-1]
        if good is None and last and not segment.damaged:
            log.warning("spool_tail_cut", file=str(segment.path), bytes=len(data))
            self._move_on(segment, segment.size)
        else:
            self._move_on(segment, segment.size if good is None else segment.offset + good, damaged=True)

    def _move_on(self, segment: Segment, offset: int, *, damaged: bool = False) -> None:
        self.waiting_bytes -= offset - segment.offset
        segment.offset = offset
        if damaged:
            self._tell_damaged(segment)

    def _tell_damaged(self, segment: Segment) -> None:
        if not segment.damaged:
            segment.damaged = True
            self.damaged_segments += 1
            log.error("spool_damaged", file=str(segment.path), kept_as=str(self._aside(segment)))

    def _aside(self, segment: Segment) -> Path:
        return self._root / f"{segment.path.parent.name}-{segment.number}.damaged"

    def _finish(self, folder: Folder, segment: Segment) -> None:
        """Nothing in ``segment`` waits any longer: delete it, or keep it aside where it is damaged."""
        if self._writing is not None and self._writing[0] is segment:
            self._stop_writing()
        self._stop_reading()
        self.facts -= segment.facts
        folder.segments.remove(segment)
        with suppress(OSError):
            if segment.damaged:
                segment.path.rename(self._aside(segment))
            else:
                segment.path.unlink()
            sync_directory(folder.path)
        if self.empty:
            self.oldest_ms = None
        if not folder.segments and folder is not self._own:
            self._folders.remove(folder)
            folder.let_go()

    def _writable(self) -> tuple[Segment, int]:
        if self._writing is not None and self._writing[0].size < self._segment_bytes:
            return self._writing
        self._stop_writing()
        own = self._own = self._own or self._make_folder()
        segment = Segment(own.path / f"{own.next_number:010d}{SUFFIX}", own.next_number)
        own.next_number += 1
        descriptor = os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        own.segments.append(segment)
        self._writing = segment, descriptor
        write_all(descriptor, header(), 0)
        sync_directory(own.path)
        return self._writing

    def _make_folder(self) -> Folder:
        if not self._root.is_dir():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self._root.parent)
        number = max(self._numbers(), default=0) + 1
        while True:
            path = self._root / str(number)
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
                folder = Folder.take(path)
                if folder is not None:
                    sync_directory(self._root)
                    self._folders.append(folder)
                    return folder
            number += 1

    def _stop_writing(self, *, failed: bool = False) -> None:
        """Write no more into this segment; after a failure, take back what may stand behind its good end."""
        if self._writing is None:
            return
        (segment, descriptor), self._writing = self._writing, None
        if failed:
            with suppress(OSError):
                os.ftruncate(descriptor, segment.size)
        close_quietly(descriptor)
        if failed and segment.size == HEADER_BYTES and self._own is not None:
            self._own.segments.remove(segment)
            with suppress(OSError):
                segment.path.unlink()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            close_quietly(self._reading[1])
            self._reading = None
