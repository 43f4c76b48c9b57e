"""The spool on a real disk: order, the death of its writer, damage, a disk that is full or fails."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.broker import spool as spooling
from services.broker.segments import HEADER_BYTES, Record, frame
from services.broker.spool import Spool, SpoolRefusedError
from tests.waiting import eventually_now

LIMIT = 1 << 20


def record(number: int, size: int = 20) -> Record:
    return Record(str(number).zfill(size).encode(), 3, 1_000 + number)


def numbers(records: list[Record]) -> list[int]:
    return [int(one.payload[-9:]) for one in records]


def drain(spool: Spool, most: int = 4) -> list[int]:
    found: list[int] = []
    while records := spool.read(most):
        found += numbers(records)
        spool.drained()
    return found


def files(root: Path, pattern: str = "*/*.facts") -> list[Path]:
    return sorted(root.glob(pattern))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "home" / "spool"


@pytest.fixture
def spool(root: Path) -> Iterator[Spool]:
    spool = Spool(root, LIMIT)
    yield spool
    spool.close()


def another(root: Path) -> Spool:
    spool = Spool(root, LIMIT)
    spool.adopt()
    return spool


def test_what_was_put_comes_back_in_order_and_leaves_nothing_behind(spool: Spool, root: Path) -> None:
    spool.append([record(0), record(1)])
    spool.append([record(number) for number in range(2, 11)])
    assert (spool.facts, spool.oldest_ms, spool.empty) == (33, 1_000, False)
    assert spool.waiting_bytes == sum(path.stat().st_size - HEADER_BYTES for path in files(root))
    assert drain(spool) == list(range(11))
    assert (spool.facts, spool.oldest_ms, spool.waiting_bytes) == (0, None, 0)
    assert files(root) == []
    spool.close()
    assert list(root.iterdir()) == []


def test_what_was_not_drained_is_read_again(spool: Spool) -> None:
    spool.append([record(0), record(1)])
    assert numbers(spool.read(1)) == numbers(spool.read(1)) == [0]
    spool.drained()
    spool.drained()
    assert spool.oldest_ms == 1_000
    assert numbers(spool.read(9)) == [1]


def test_nothing_is_nothing(spool: Spool, root: Path) -> None:
    assert not spool.adopt()
    assert spool.read(3) == []
    spool.drained()
    spool.close()
    assert not root.exists()


def test_it_grows_over_many_files_and_each_goes_when_it_is_drained(spool: Spool, root: Path) -> None:
    large = LIMIT // 40
    for number in range(12):
        spool.append([record(number, large)])
    many = len(files(root))
    assert many > 3
    assert numbers(spool.read(5))[:1] == [0]
    assert drain(spool, 2)[:2] == [0, 1]
    spool.append([record(99)])
    assert len(files(root)) == 1
    assert drain(spool) == [99]


def test_the_next_process_takes_over_where_the_last_one_stopped(spool: Spool, root: Path) -> None:
    spool.append([record(number) for number in range(6)])
    spool.read(2)
    spool.drained()
    spool.close()
    heir = another(root)
    heir.append([record(6)])
    assert (heir.facts, heir.oldest_ms) == (15, 1_002)
    assert drain(heir) == [2, 3, 4, 5, 6]
    heir.close()
    assert list(root.iterdir()) == []


def test_a_lost_position_costs_a_repetition_only(spool: Spool, root: Path) -> None:
    spool.append([record(0), record(1)])
    spool.read(1)
    spool.drained()
    spool.close()
    (position,) = files(root, "*/position")
    position.write_bytes(b"x" * 20)
    heir = another(root)
    assert drain(heir) == [0, 1]
    heir.close()


def test_a_position_behind_the_end_of_a_file_is_its_end(spool: Spool, root: Path) -> None:
    spool.append([record(0), record(1)])
    spool.read(2)
    spool.append([record(2)])
    spool.drained()
    spool.close()
    (path,) = files(root)
    os.truncate(path, HEADER_BYTES + 10)
    heir = another(root)
    assert heir.empty
    assert files(root) == []
    heir.close()


def test_a_living_process_keeps_its_part_and_another_gets_one_of_its_own(spool: Spool, root: Path) -> None:
    spool.append([record(0)])
    other = another(root)
    assert other.empty
    other.append([record(100)])
    spool.append([record(1)])
    assert drain(other) == [100]
    assert drain(spool) == [0, 1]
    other.close()


def test_the_parts_of_several_dead_processes_are_drained_oldest_first(spool: Spool, root: Path) -> None:
    others = [spool, Spool(root, LIMIT), Spool(root, LIMIT)]
    for number, each in enumerate(others):
        each.append([record(number * 10), record(number * 10 + 1)])
    for each in reversed(others):
        each.close()
    heir = Spool(root, LIMIT)
    heir.append([record(77)])
    assert heir.adopt()
    assert drain(heir) == [0, 1, 10, 11, 20, 21, 77]
    heir.close()


def test_what_is_adopted_between_reading_and_draining_is_not_taken_for_what_was_read(
    spool: Spool, root: Path
) -> None:
    heir = Spool(root, LIMIT)
    spool.append([record(0), record(1)])
    heir.append([record(10), record(11)])
    assert numbers(heir.read(9)) == [10, 11]
    spool.close()
    assert heir.adopt()
    heir.drained()
    assert drain(heir) == [0, 1]
    heir.close()


WRITER = """
import sys
from pathlib import Path
from services.broker.segments import Record
from services.broker.spool import Spool
spool, number = Spool(Path(sys.argv[1]), 1 << 30), 0
while True:
    # Large enough for a kill to come in the middle of one.
    spool.append([Record(str(number + n).zfill(200_000).encode(), 1, 1) for n in range(10)])
    number += 10
    print(number, flush=True)
"""


def test_what_a_killed_process_had_synced_is_all_there_and_what_it_had_in_hand_is_cut_off(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, root], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        live = files(root)[-1]
        before = live.stat().st_size
        eventually_now(lambda: files(root)[-1].stat().st_size != before)
        writer.send_signal(signal.SIGKILL)
        synced = int((writer.stdout.read().splitlines() or [b"30"])[-1])
    # The kill seldom tears a write by itself.
    torn = files(root)[-1]
    torn.write_bytes(torn.read_bytes() + frame(record(0, 500))[:-1])
    with capture_logs() as logs:
        heir = Spool(root, 1 << 30)
        assert heir.adopt()
        found = drain(heir)
        assert found == list(range(len(found)))
        assert len(found) >= synced
        assert heir.damaged_segments == 0
        heir.close()
    assert [line["event"] for line in logs] == ["spool_adopted", "spool_tail_cut"]
    assert list(root.iterdir()) == []


def damage(path: Path, number: int) -> None:
    """Change a byte in the record of this number."""
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + number * len(frame(record(0))) + 30] ^= 0xFF
    path.write_bytes(content)


def test_damage_in_the_middle_costs_what_is_damaged_and_the_file_is_kept_aside(
    spool: Spool, root: Path
) -> None:
    spool.append([record(number) for number in range(8)])
    (path,) = files(root)
    damage(path, 2)
    damage(path, 5)
    content = path.read_bytes()
    with capture_logs() as logs:
        assert drain(spool) == [0, 1, 3, 4, 6, 7]
    assert spool.damaged_segments == 1
    assert (spool.facts, spool.waiting_bytes) == (0, 0)
    assert [line["event"] for line in logs] == ["spool_damaged"]
    (aside,) = files(root, "*.damaged")
    assert logs[0]["kept_as"] == str(aside)
    assert aside.read_bytes() == content
    spool.append([record(9)])
    assert drain(spool) == [9]


def test_a_file_that_ends_badly_before_another_one_is_damaged_and_not_merely_cut_off(
    spool: Spool, root: Path
) -> None:
    for number in range(4):
        spool.append([record(number, LIMIT // 16)])
    spool.close()
    first = files(root)[0]
    os.truncate(first, first.stat().st_size - 1)
    heir = another(root)
    assert drain(heir) == [1, 2, 3]
    assert heir.damaged_segments == 1
    heir.close()


def test_a_file_of_another_version_is_kept_aside_unread(spool: Spool, root: Path) -> None:
    spool.append([record(0), record(1)])
    spool.close()
    (path,) = files(root)
    path.write_bytes(path.read_bytes().replace(b"\n\x00\x00\x00\x01", b"\n\x00\x00\x00\x02", 1))
    heir = another(root)
    assert drain(heir) == []
    assert heir.damaged_segments == 1
    assert len(files(root, "*.damaged")) == 1
    heir.close()


def test_a_file_that_the_disk_gives_back_no_more_is_told_and_passed_over(spool: Spool, root: Path) -> None:
    spool.append([record(0, LIMIT // 16)])
    spool.append([record(1)])
    first = files(root)[0]
    first.unlink()
    # Reading where no memory is mapped is an input/output error, as of a broken disk.
    first.symlink_to("/proc/self/mem")
    assert drain(spool) == [1]
    assert spool.damaged_segments == 1

    spool.append([record(2, LIMIT // 16)])
    spool.append([record(3)])
    files(root)[0].unlink()
    assert drain(spool) == [3]
    assert spool.damaged_segments == 2


def test_a_file_that_cannot_be_read_now_waits(spool: Spool, root: Path) -> None:
    spool.append([record(0)])
    (path,) = files(root)
    moved = path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.name)
    with pytest.raises(SpoolRefusedError, match="cannot be read"):
        spool.read(1)
    moved.rename(path)
    assert drain(spool) == [0]


def test_a_full_spool_refuses_all_of_a_group_and_takes_it_once_there_is_room(
    spool: Spool, root: Path
) -> None:
    large = LIMIT // 10
    for number in range(9):
        spool.append([record(number, large)])
    with pytest.raises(SpoolRefusedError, match=r"1 MB.*LOTKEEPER_SPOOL_MEGABYTES"):
        spool.append([record(9), record(10, large)])
    assert sum(path.stat().st_size for path in files(root)) < LIMIT
    assert numbers(spool.read(4)) == [0]
    spool.drained()
    spool.append([record(9), record(10, large)])
    assert drain(spool) == list(range(1, 11))


FULL_DISK = """
import json, resource, sys
from pathlib import Path
from services.broker.segments import Record
from services.broker.spool import Spool, SpoolRefusedError
spool, refused = Spool(Path(sys.argv[1]), 1 << 30), []

def put(*numbers):
    try:
        spool.append([Record(str(number).zfill(1_000).encode(), 1, 1) for number in numbers])
    except SpoolRefusedError as error:
        refused.append(str(error))
        return False
    return True

limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
limit(4_000)
assert put(0, 1)
assert not put(2, 3)
# Of the next file not even the header finds room.
limit(5)
assert not put(2, 3)
assert not put(2, 3)
limit(2_500)
assert not put(2, 3, 4)
limit(resource.RLIM_INFINITY)
assert put(2, 3)
found = []
while records := spool.read(1):
    found += [int(record.payload) for record in records]
    spool.drained()
    if found == [0]:
        assert put(4)
spool.close()
print(json.dumps([found, refused, spool.damaged_segments]))
"""


def test_a_full_disk_leaves_no_half_record_and_is_used_again_once_freed(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, root], stdout=subprocess.PIPE, check=True, timeout=60
    )
    found, refused, damaged = json.loads(done.stdout)
    assert found == [0, 1, 2, 3, 4]
    assert damaged == 0
    assert len(refused) == 4
    assert all("takes no facts (File too large)" in reason for reason in refused)
    assert list(root.iterdir()) == []


def test_what_a_full_disk_let_be_written_in_part_is_not_there_for_the_next_process(root: Path) -> None:
    script = FULL_DISK.split("limit(5)", maxsplit=1)[0] + "import os; os._exit(0)"
    subprocess.run([sys.executable, "-c", script, root], check=True, timeout=60)
    with capture_logs() as logs:
        heir = another(root)
        assert drain(heir) == [0, 1]
        heir.close()
    assert [line["event"] for line in logs] == ["spool_adopted"]


def test_after_a_failed_sync_the_group_is_written_anew(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([record(0)])
    failing = iter([OSError(5, "Input/output error")])

    def fsync(descriptor: int) -> None:
        for error in failing:
            raise error
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(spooling.os, "fsync", fsync)
    with pytest.raises(SpoolRefusedError, match="Input/output error"):
        spool.append([record(1)])
    spool.append([record(1)])
    assert drain(spool) == [0, 1]


def test_a_folder_that_cannot_be_made_or_listed_is_refused(root: Path) -> None:
    root.parent.mkdir(parents=True)
    root.parent.joinpath("file").write_text("in the way")
    blocked = Spool(root.parent / "file" / "spool", LIMIT)
    with pytest.raises(SpoolRefusedError, match="takes no facts"):
        blocked.append([record(0)])
    blocked.close()
    root.symlink_to(root.name)
    looping = Spool(root, LIMIT)
    with pytest.raises(SpoolRefusedError, match="takes no facts"):
        looping.append([record(0)])
    looping.close()


def test_a_strangers_folder_or_file_is_left_alone(spool: Spool, root: Path) -> None:
    (root / "7").mkdir(parents=True)
    (root / "7" / "notes.facts").write_text("mine")
    (root / "8").write_text("a file")
    assert not spool.adopt()
    spool.append([record(0)])
    assert drain(spool) == [0]
    assert (root / "7" / "notes.facts").exists()


def test_one_unreadable_part_is_told_and_can_be_adopted_later(spool: Spool, root: Path) -> None:
    spool.append([record(0)])
    spool.close()
    (path,) = files(root)
    (root / "9").mkdir()
    hidden = path.rename(path.with_suffix(".hidden"))
    path.symlink_to(path.name)
    heir = Spool(root, LIMIT)
    with pytest.raises(SpoolRefusedError, match="cannot be read"):
        heir.adopt()
    hidden.rename(path)
    assert heir.adopt()
    assert drain(heir) == [0]
    heir.close()
