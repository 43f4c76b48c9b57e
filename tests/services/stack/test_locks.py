import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.stack.locks import FolderBusyError, FolderLock
from services.stack.processes import Process
from tests.waiting import eventually_now

HOLD = "import sys; print('up', flush=True); sys.stdin.read()"


def test_a_second_taker_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    with pytest.raises(FolderBusyError) as busy:
        FolderLock(tmp_path / "lock").acquire()
    assert busy.value.pid == os.getpid()
    lock.release()
    FolderLock(tmp_path / "lock").acquire()


def test_a_lock_that_is_not_held_has_no_descriptor_and_can_be_released(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.release()
    lock.note(1)
    with pytest.raises(ValueError, match="not held"):
        lock.fileno()


def test_it_waits_for_a_leftover_that_is_ending(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(
        command, pass_fds=[lock.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as heir:
        assert heir.stdout is not None
        heir.stdout.readline()
        lock.release()
        with pytest.raises(FolderBusyError):
            FolderLock(tmp_path / "lock").acquire(leftovers_seconds=0.05)
        heir.communicate()
        FolderLock(tmp_path / "lock").acquire()


def test_a_leftover_server_that_does_not_end_is_killed(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    stuck = Process(
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(3600)"],
        pass_fds=[lock.fileno()],
    )
    eventually_now(lambda: stuck.tail)
    lock.note(stuck.pid)
    lock.release()
    FolderLock(tmp_path / "lock").acquire(leftovers_seconds=4)
    assert stuck.wait(20) == -9


def test_an_unreadable_lock_file_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("[]", encoding="ascii")
    assert FolderLock(path).holders() == {}
    path.write_text("{", encoding="ascii")
    assert FolderLock(path).holders() == {}
