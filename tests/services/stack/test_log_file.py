"""The log on disk: a file a day, compressed, and no longer than is wanted."""

import gzip
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.stack.log_file import LogFile

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Hand:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_when_the_day_is_over_its_file_is_put_away_compressed(tmp_path: Path, clock: Hand) -> None:
    log = LogFile(tmp_path / "a.log", days=90, now=clock)
    log.write("one")
    log.write("two")
    clock.now += timedelta(days=1)
    log.write("three")
    log.close()
    assert names(tmp_path) == ["a.log", "a.log.2026-11-27.gz"]
    assert unpacked(tmp_path / "a.log.2026-11-27.gz") == b"one\ntwo\n"
    assert (tmp_path / "a.log").read_text() == "three\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_day_of_very_much_has_several_files(
    tmp_path: Path, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.stack.log_file.FILE_BYTES", 100)
    log = LogFile(tmp_path / "a.log", days=90, now=clock)
    for number in range(25):
        log.write(f"line {number:4}")
    log.close()
    parts = ["a.log.2026-11-27.gz", "a.log.2026-11-27.1.gz"]
    assert names(tmp_path) == ["a.log", *sorted(parts)]
    kept = b"".join(unpacked(tmp_path / name) for name in parts) + (tmp_path / "a.log").read_bytes()
    assert kept.decode().split() == [word for n in range(25) for word in ("line", str(n))]


def test_what_an_earlier_process_wrote_on_another_day_is_put_away_first(tmp_path: Path, clock: Hand) -> None:
    path = tmp_path / "a.log"
    path.write_text("before\n")
    yesterday = (NOON - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    log = LogFile(path, days=90, now=clock)
    log.write("now")
    log.close()
    assert names(tmp_path) == ["a.log", "a.log.2026-11-26.gz"]
    assert path.read_text() == "now\n"


def test_what_is_too_old_goes_and_nothing_else(tmp_path: Path, clock: Hand) -> None:
    for name in (
        "a.log.2026-08-28.gz",
        "a.log.2026-08-29.gz",
        "a.log.2026-08-28.3.gz",
        "b.log.2020-01-01.gz",
    ):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.log.of-mine").write_bytes(b"x")
    LogFile(tmp_path / "a.log", days=90, now=clock).close()
    assert names(tmp_path) == ["a.log", "a.log.2026-08-29.gz", "a.log.of-mine", "b.log.2020-01-01.gz"]


def test_of_too_much_the_oldest_goes(tmp_path: Path, clock: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.stack.log_file.ALL_BYTES", 250)
    for day in (24, 25, 26):
        (tmp_path / f"a.log.2026-11-{day}.gz").write_bytes(b"x" * 100)
    LogFile(tmp_path / "a.log", days=90, now=clock).close()
    assert names(tmp_path) == ["a.log", "a.log.2026-11-25.gz", "a.log.2026-11-26.gz"]


def test_a_disk_that_takes_nothing_ends_nobody(tmp_path: Path, clock: Hand) -> None:
    log = LogFile(tmp_path / "a.log", days=90, now=clock)
    log.write("one")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)
    log.write("two")
    log.write("three")
    log.close()
    assert (tmp_path / "a.log").read_text() == "one\n"


def test_what_cannot_be_compressed_stays_as_it_is(
    tmp_path: Path, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", no_room)
    log = LogFile(tmp_path / "a.log", days=90, now=clock)
    log.write("one")
    clock.now += timedelta(days=1)
    log.write("two")
    log.close()
    assert names(tmp_path) == ["a.log", "a.log.2026-11-27"]
    assert (tmp_path / "a.log.2026-11-27").read_text() == "one\n"
