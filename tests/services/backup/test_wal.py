"""Which moments can be reached from what was put away, and what of it nobody needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.backup.wal import (
    Line,
    base_file,
    bases_in,
    number_of,
    piece_file,
    segment_name,
    useless,
    window_of,
    windows,
)

DAY = datetime(2026, 11, 1, tzinfo=UTC)
SYSTEM = "7564738291"


def segment(number: int, timeline: int = 1) -> str:
    return segment_name(timeline, number)


def day(days: float) -> datetime:
    return DAY + timedelta(days=days)


def put(
    folder: Path, *, bases: dict[float, int], segments: range, timeline: int = 1, first: float = 0
) -> None:
    """A base backup at each day, which needs two segments from that number on; a segment each day."""
    for name in ("base", "wal"):
        (folder / SYSTEM / name).mkdir(parents=True, exist_ok=True)
    for days, number in bases.items():
        name = base_file(day(days), segment(number, timeline), segment(number + 1, timeline))
        (folder / SYSTEM / "base" / name).touch()
    for index, number in enumerate(segments):
        name = piece_file(segment(number, timeline), day(first + index + 1), "ab" * 32)
        (folder / SYSTEM / "wal" / name).touch()


def test_segments_are_counted_over_the_ends_of_logs() -> None:
    assert segment_name(1, 255) == "0000000100000000000000FF"
    assert segment_name(1, 256) == "000000010000000100000000"
    assert number_of("0000000A0000000200000003") == 2 * 256 + 3


def test_all_from_a_base_backup_to_the_first_gap_can_be_reached(tmp_path: Path) -> None:
    put(tmp_path, bases={0.5: 1}, segments=range(1, 9))
    (window,) = windows(tmp_path)
    assert (window.since, window.until, len(window.pieces)) == (day(0.5), day(8), 8)
    next((tmp_path / SYSTEM / "wal").glob(f"{segment(5)}-*")).unlink()
    (window,) = windows(tmp_path)
    assert (window.until, len(window.pieces)) == (day(4), 4)
    next((tmp_path / SYSTEM / "wal").glob(f"{segment(2)}-*")).unlink()
    assert windows(tmp_path) == []  # it lacks what was written while it was taken


@pytest.mark.parametrize(
    ("moment", "since"), [(0.2, None), (0.5, 0.5), (3, 0.5), (4.5, 4.5), (6, 4.5), (20, 4.5)]
)
def test_a_moment_is_reached_from_the_last_base_backup_before(
    tmp_path: Path, moment: float, since: float | None
) -> None:
    put(tmp_path, bases={0.5: 1, 4.5: 5}, segments=range(1, 9))
    found = window_of(day(moment), windows(tmp_path))
    assert (found and found.since) == (None if since is None else day(since))


def test_before_a_gap_the_earlier_one_serves_and_another_timeline_never(tmp_path: Path) -> None:
    put(tmp_path, bases={0.5: 1}, segments=range(1, 5))
    put(tmp_path, bases={5.5: 3}, segments=range(3, 8), timeline=2, first=4)
    first, second = windows(tmp_path)
    assert (first.until, second.since, second.until) == (day(4), day(5.5), day(9))
    assert window_of(day(3), [first, second]) == first
    assert window_of(day(6), [first, second]) == second


def test_what_no_moment_of_the_last_days_needs_is_useless_and_the_rest_is_not(tmp_path: Path) -> None:
    put(tmp_path, bases={0.5: 1, 7.5: 8, 14.5: 15}, segments=range(1, 22))
    line = Line(SYSTEM, 1)
    assert list(useless(tmp_path, day(7), line)) == []
    gone = list(useless(tmp_path, day(8), line))
    assert [path.name[:8] for path in gone if path.parent.name == "base"] == ["20261101"]
    assert {path.name[:24] for path in gone if path.parent.name == "wal"} == {segment(n) for n in range(1, 8)}
    for path in gone:
        path.unlink()
    # Every moment since is reached as before, and the newest base backup stays whatever its age.
    assert [one.since for one in windows(tmp_path)] == [day(7.5), day(14.5)]
    for path in list(useless(tmp_path, day(90), line)):
        path.unlink()
    assert [base.ended_at for base in bases_in(tmp_path)] == [day(14.5)]


def test_a_line_that_ended_goes_once_it_is_old(tmp_path: Path) -> None:
    put(tmp_path, bases={0.5: 1}, segments=range(1, 5))
    put(tmp_path, bases={5.5: 3}, segments=range(3, 8), timeline=2, first=4)
    ours = Line(SYSTEM, 2)
    assert list(useless(tmp_path, day(3), ours)) == []
    gone = list(useless(tmp_path, day(4.5), ours))
    assert len(gone) == 5
    assert all(segment(0)[:8] in path.name for path in gone)
