"""What an embedded database is brought back from: base backups, and the WAL that was written after each.

A *line* is one server's history on one timeline: WAL of one line fits its base backups only. Everything is
told by names, so that a folder that was copied tells the same::

    FOLDER/SYSTEM/base/ENDED-FIRST-LAST.age             the first and the last segment that it needs
    FOLDER/SYSTEM/wal/SEGMENT-WRITTEN-SHA256.age        when its last byte was; the hash is of its own bytes
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

SEGMENT_BYTES: Final = 16 << 20
IS_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
IS_HISTORY: Final = re.compile(r"[0-9A-F]{8}\.history")
PARTIAL: Final = ".partial"
HASH_DIGITS: Final = 16
_TIME: Final = "%Y%m%dT%H%M%SZ"
_WAL: Final = re.compile(r"([0-9A-F]{24}|[0-9A-F]{8}\.history)-(\d{8}T\d{6}Z)-([0-9a-f]{16})\.age")
_BASE: Final = re.compile(r"(\d{8}T\d{6}Z)-([0-9A-F]{24})-([0-9A-F]{24})\.age")
_PER_LOG: Final = (1 << 32) // SEGMENT_BYTES


class Line(NamedTuple):
    """One server's history on one timeline, both as PostgreSQL counts them."""

    system: str
    timeline: int


class Piece(NamedTuple):
    """A segment, or a timeline's history, that was put away. ``written_at``: its last byte."""

    path: Path
    name: str
    written_at: datetime
    sha256: str


class Base(NamedTuple):
    """A base backup: with the WAL from ``first`` to ``last`` it is the database of ``ended_at``."""

    path: Path
    system: str
    ended_at: datetime
    first: str
    last: str

    @property
    def line(self) -> Line:
        """Whose WAL it takes."""
        return Line(self.system, timeline_of(self.first))


class Window(NamedTuple):
    """What can be reached from a base backup: any moment between the two, with the segments of ``pieces``."""

    base: Base
    until: datetime
    pieces: Sequence[Piece]

    @property
    def since(self) -> datetime:
        """The earliest moment."""
        return self.base.ended_at


def timeline_of(segment: str) -> int:
    """The timeline in the name of a segment."""
    return int(segment[:8], 16)


def number_of(segment: str) -> int:
    """Which segment of its timeline it is."""
    return int(segment[8:16], 16) * _PER_LOG + int(segment[16:], 16)


def segment_name(timeline: int, number: int) -> str:
    """The name of a segment.

    >>> segment_name(1, number_of("0000000100000000000000FF") + 1)
    '000000010000000100000000'
    """
    return f"{timeline:08X}{number // _PER_LOG:08X}{number % _PER_LOG:08X}"


def piece_file(name: str, written_at: datetime, sha256: str) -> str:
    """What a segment is called where it is put away."""
    return f"{name}-{written_at.astimezone(UTC).strftime(_TIME)}-{sha256[:HASH_DIGITS]}.age"


def base_file(ended_at: datetime, first: str, last: str) -> str:
    """What a base backup is called. Its end is told late rather than early: up to a second."""
    whole = ended_at.astimezone(UTC)
    if whole.microsecond:
        whole += timedelta(seconds=1)
    return f"{whole.strftime(_TIME)}-{first}-{last}.age"


def systems_in(folder: Path) -> list[str]:
    """The servers of which something was put away."""
    return sorted(path.name for path in folder.glob("*") if path.name.isdigit() and path.is_dir())


def bases_in(folder: Path) -> list[Base]:
    """All base backups of a folder, the oldest first."""
    found = []
    for system in systems_in(folder):
        for path in (folder / system / "base").glob("*.age"):
            match = _BASE.fullmatch(path.name)
            if match is not None:
                found.append(Base(path, system, _time(match[1]), match[2], match[3]))
    return sorted(found, key=lambda base: base.ended_at)


def pieces_in(folder: Path, system: str) -> list[Piece]:
    """All WAL of a server that was put away, by name."""
    found = []
    for path in (folder / system / "wal").glob("*.age"):
        match = _WAL.fullmatch(path.name)
        if match is not None:
            found.append(Piece(path, match[1], _time(match[2]), match[3]))
    return sorted(found, key=lambda piece: piece.name)


def chain(base: Base, pieces: Iterable[Piece]) -> list[Piece]:
    """The segments from a base backup's first on, to the first that is missing."""
    ours = {piece.name: piece for piece in pieces}
    timeline, number, found = timeline_of(base.first), number_of(base.first), []
    while (piece := ours.get(segment_name(timeline, number))) is not None:
        found.append(piece)
        number += 1
    return found


def windows(folder: Path, also: Iterable[tuple[str, Piece]] = ()) -> list[Window]:
    """What can be reached, a window a base backup; one that lacks WAL of its own gives none.

    ``also`` is WAL that was not put away yet, with the server it is of.
    """
    more = list(also)
    found = []
    for base in bases_in(folder):
        put_away = pieces_in(folder, base.system)
        names = {piece.name for piece in put_away}
        waiting = [piece for system, piece in more if system == base.system and piece.name not in names]
        pieces = chain(base, [*put_away, *waiting])
        if pieces and number_of(pieces[-1].name) >= number_of(base.last):
            until = max(base.ended_at, *(piece.written_at for piece in pieces))
            found.append(Window(base, until, pieces))
    return found


def window_of(moment: datetime, found: Sequence[Window]) -> Window | None:
    """The window to reach a moment from: the one with the least to do.

    One that ends before the moment is given only where none reaches it: perhaps nobody wrote anything after.
    """
    before = [window for window in found if window.since <= moment]
    reaching = [window for window in before if window.until >= moment]
    return max(reaching or before, key=lambda window: window.since, default=None)


def useless(folder: Path, before: datetime, ours: Line | None) -> Iterator[Path]:
    """What is needed for no moment since ``before``. The newest base backup of ``ours`` is never of it."""
    bases = bases_in(folder)
    newest = {base.line: base for base in bases}
    needed: dict[Line, int] = {}
    for index, base in enumerate(bases):
        pieces = chain(base, pieces_in(folder, base.system))
        is_last = newest[base.line] is base
        ends = max(base.ended_at, pieces[-1].written_at) if pieces else base.ended_at
        next_one = next((one for one in bases[index + 1 :] if one.line == base.line), None)
        if next_one is not None:
            ends = min(ends, next_one.ended_at)
        if ends < before and not (is_last and base.line == ours):
            yield base.path
        else:
            needs = number_of(base.first)
            needed[base.line] = min(needs, needed.get(base.line, needs))
    for system in systems_in(folder):
        for piece in pieces_in(folder, system):
            if IS_HISTORY.fullmatch(piece.name):
                continue  # small, and they say which timelines there were
            first = needed.get(Line(system, timeline_of(piece.name)))
            if (first is None and piece.written_at < before) or (
                first is not None and number_of(piece.name) < first
            ):
                yield piece.path


def _time(written: str) -> datetime:
    return datetime.strptime(written, _TIME).replace(tzinfo=UTC)
