"""What a process tells systemd, over a real socket."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.service_manager import tell, watchdog_seconds, without_manager
from tests.core.test_process import PROGRAM
from tests.service_manager import manager


def test_where_nobody_listens_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not tell("READY=1")
    for nobody in ("", "nonsense", str(tmp_path / "nobody")):
        monkeypatch.setenv("NOTIFY_SOCKET", nobody)
        assert not tell("READY=1")


def test_lines_come_in_one_datagram(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with manager(tmp_path) as listening:
        monkeypatch.setenv("NOTIFY_SOCKET", str(listening.path))
        assert tell("READY=1", "STATUS=Serves")
        assert listening.hear() == ["READY=1", "STATUS=Serves"]


@pytest.mark.skipif(sys.platform != "linux", reason="names that are in no folder are Linux's")
def test_a_socket_may_be_in_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0lotkeeper-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@lotkeeper-test-{os.getpid()}")
        assert tell("READY=1")
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        (None, None, None),
        ("60000000", None, 30.0),
        ("60000000", "own", 30.0),
        ("60000000", "1", None),
        ("0", None, None),
        ("nonsense", None, None),
    ],
)
def test_the_watchdog_is_told_twice_in_its_time(
    monkeypatch: pytest.MonkeyPatch, microseconds: str | None, pid: str | None, seconds: float | None
) -> None:
    own = str(os.getpid()) if pid == "own" else pid
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", own)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert watchdog_seconds() == seconds


def test_a_child_is_told_of_no_manager() -> None:
    assert without_manager(
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    ) == {"HOME": "/"}


def test_a_service_tells_that_it_is_up_lives_and_stops(tmp_path: Path) -> None:
    with manager(tmp_path) as listening:
        variables = {**os.environ, **listening.variables(watchdog_seconds=0.2)}
        with subprocess.Popen([sys.executable, "-c", PROGRAM], env=variables) as process:
            assert listening.hear() == ["READY=1"]
            for _ in range(5):
                assert listening.hear() == ["WATCHDOG=1"]
            process.send_signal(signal.SIGTERM)
            listening.until("STOPPING=1")
            assert process.wait(20) == 0


def test_a_service_that_hangs_is_silent(tmp_path: Path) -> None:
    program = PROGRAM.replace(
        "await asyncio.Event().wait()", "import time; await asyncio.sleep(1); time.sleep(60)"
    )
    with manager(tmp_path) as listening:
        variables = {**os.environ, **listening.variables(watchdog_seconds=0.2)}
        with subprocess.Popen([sys.executable, "-c", program], env=variables) as process:
            listening.until("WATCHDOG=1")
            listening.silence(1.5)
            process.kill()
