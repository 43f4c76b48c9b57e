import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from services.stack import processes
from services.stack.processes import Guard, Process, User, is_alive, kill_and_wait, started_at, works_in
from tests.services.stack.running import gone
from tests.waiting import eventually_now

SLEEP = [sys.executable, "-c", "import sys, time; print('up', flush=True); time.sleep(3600)"]


def test_its_lines_are_heard_and_its_last_words_kept() -> None:
    heard: list[str] = []
    process = Process([sys.executable, "-c", "print('one'); print('two')"], on_line=heard.append)
    assert process.wait(20) == 0
    assert heard == ["one", "two"]
    assert process.last_words() == "one\ntwo"


def test_a_program_that_is_not_there_is_told_with_its_name() -> None:
    process = Process(["/no/such/program"])
    assert process.wait(20) == 1
    assert process.last_words() == "/no/such/program: No such file or directory"


def test_stop_kills_what_does_not_listen() -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)"
    process = Process([sys.executable, "-c", deaf])
    eventually_now(lambda: process.tail)
    assert process.stop(signal.SIGTERM, grace_seconds=0.05) == -signal.SIGKILL


def test_it_has_a_process_group_of_its_own() -> None:
    process = Process(SLEEP)
    assert os.getpgid(process.pid) == process.pid != os.getpgrp()
    process.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_the_launcher_gives_up_root_with_all_groups() -> None:
    process = Process(["/usr/bin/id"], user=User(65534, 65534))
    assert process.wait(20) == 0
    assert "uid=65534" in process.last_words()
    assert "root" not in process.last_words()


@pytest.mark.skipif(not processes.ON_LINUX, reason="the death signal is Linux's")
def test_a_child_gets_its_death_signal_when_its_parent_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "said"
    child = f"import signal, sys, time; from pathlib import Path\nsaid = Path({str(said)!r})\n"
    child += "def told(*_):\n    said.write_text('told to stop'); sys.exit()\n"
    child += "signal.signal(2, told); print('up', flush=True); time.sleep(3600)"
    parent = "import sys, time; from services.stack.processes import Process\n"
    parent += f"command = [sys.executable, '-c', {child!r}]\n"
    parent += (
        "p = Process(command, death_signal=2, on_line=lambda _: print(p.pid, flush=True)); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        orphan = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    eventually_now(lambda: gone([orphan]))
    assert said.read_text(encoding="utf-8") == "told to stop"


def test_a_launcher_whose_parent_is_already_gone_starts_nothing() -> None:
    options = {"uid": None, "gid": None, "parent": 1, "signal": 9}
    done = subprocess.run(
        [sys.executable, "-I", "-S", processes.LAUNCHER, json.dumps(options), "/bin/echo", "started"],
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"" if processes.ON_LINUX else b"started\n"


def test_the_guardian_ends_what_is_listed_when_its_supervisor_is_gone() -> None:
    guard = Guard()
    listed, ended = Process(SLEEP, guard=guard), Process(SLEEP, guard=guard)
    eventually_now(lambda: listed.tail and ended.tail)
    ended.stop()
    # Somebody must take note of the end, as the first process of a machine does for orphans.
    reaper = threading.Thread(target=listed.wait)
    reaper.start()
    guard.close()
    reaper.join()
    assert listed.wait(20) == -signal.SIGKILL
    # It is gone itself by now: telling it more is no failure.
    guard.remove(listed.pid)


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    process = Process(SLEEP)
    started = started_at(process.pid)
    assert started is not None
    assert is_alive(process.pid, started)
    assert not is_alive(process.pid, "another start")
    kill_and_wait(process.pid, "another start")
    assert process.poll() is None
    kill_and_wait(process.pid, started)
    assert process.wait(20) == -signal.SIGKILL
    assert started_at(process.pid) is None


def test_on_other_systems_ps_tells_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ON_LINUX", False)
    assert started_at(os.getpid()) == started_at(os.getpid()) is not None
    assert started_at(2**22 + 1) is None


def test_where_a_process_works(tmp_path: Path) -> None:
    process = Process(SLEEP, cwd=tmp_path)
    eventually_now(lambda: process.tail)
    assert works_in(process.pid, tmp_path)
    assert not works_in(process.pid, tmp_path.parent)
    process.stop()
    assert not works_in(process.pid, tmp_path)
