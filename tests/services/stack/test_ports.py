import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import PortInUseError
from services.stack import ports
from services.stack.processes import ON_LINUX
from tests.waiting import eventually_now


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_is_free_until_somebody_listens(taken: int) -> None:
    assert not ports.is_free(taken)
    assert ports.is_free(ports.free_port())


def test_the_port_of_the_last_start_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "port"
    first = ports.remembered_port(path)
    assert ports.remembered_port(path) == first


@pytest.mark.parametrize("content", ["nonsense", "", None])
def test_without_a_readable_port_a_new_one_is_remembered(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "port"
    if content is not None:
        path.write_text(content, encoding="ascii")
    port = ports.remembered_port(path)
    assert path.read_text(encoding="ascii") == f"{port}\n"


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path, taken: int) -> None:
    path = tmp_path / "port"
    path.write_text(str(taken), encoding="ascii")
    assert ports.remembered_port(path) != taken


def test_the_next_free_port_follows(taken: int) -> None:
    assert ports.next_free_port(taken) > taken or taken > 65_000
    assert ports.is_free(ports.next_free_port(taken, tries=0))


@pytest.mark.skipif(not ON_LINUX, reason="/proc tells the holder")
def test_a_taken_port_is_refused_with_its_holder_and_the_variable(taken: int) -> None:
    with pytest.raises(
        PortInUseError, match=rf"Port {taken} .* process {os.getpid()} \(.*LOTKEEPER_API_PORT"
    ):
        ports.require_free(taken, "LOTKEEPER_API_PORT")
    assert PortInUseError.exit_code == 6


def test_a_holder_that_is_not_shown_to_us_is_another_process(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "holder", lambda _: None)
    with pytest.raises(PortInUseError, match="by another process"):
        ports.require_free(taken, "LOTKEEPER_API_PORT")


def test_nobody_holds_a_free_port() -> None:
    assert ports.holder(ports.free_port()) is None


def test_where_there_is_no_proc_lsof_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "ON_LINUX", False)
    lsof = tmp_path / "lsof"
    lsof.write_text("#!/bin/sh\nprintf 'p4711\\ncnginx\\nf6\\n'\n", encoding="ascii")
    lsof.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert str(ports.holder(80)) == "process 4711 (nginx)"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert ports.holder(80) is None


def test_a_long_command_line_is_cut() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read line", "x" * 200], stdin=subprocess.PIPE) as process:
        told = eventually_now(lambda: ports.command_of(process.pid), lambda shown: "xxx" in shown)
        assert told.startswith("sh -c read line xxx")
        assert len(told) == 80
        process.communicate()
    assert ports.command_of(2**22 + 1) == "unknown"
