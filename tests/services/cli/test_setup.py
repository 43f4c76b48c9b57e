"""`lotkeeper setup`: find the gateway, try it, write where it is."""

import asyncio
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.settings import load_settings
from services.simulator import Simulator
from tests.services.cli.conftest import Said

Run = Callable[..., Said]


@pytest.fixture
def gateway_port() -> Iterator[int]:
    """A simulated gateway in a thread of its own: the command has its own loop."""
    ready, done, port = threading.Event(), threading.Event(), 0

    async def serve() -> None:
        nonlocal port
        async with Simulator.start("quiet") as simulator:
            port = simulator.port
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield port
    done.set()
    thread.join(30)


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gateway of this machine answers where one usually does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr("services.cli.setup.KNOWN_PORTS", {free.getsockname()[1]: "nothing"})


@pytest.mark.usefixtures("nothing_known")
def test_it_finds_tries_and_writes_and_keeps_the_rest(
    lotkeeper: Run, gateway_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nLOTKEEPER_LOG_LEVEL=DEBUG\nexport LOTKEEPER_IB_PORT=1\nLOTKEEPER_IB_HOST=gone\n")
    monkeypatch.setattr("services.cli.setup.KNOWN_PORTS", {gateway_port: "a simulated one"})
    said = lotkeeper("setup", "--host", "127.0.0.1", "--client-id", "72", "--yes")
    assert said.code == 0, said.err
    assert "a simulated one" in said.err
    assert "lotkeeper flex setup" in said.out
    assert file.read_text().splitlines() == [
        "# mine",
        "LOTKEEPER_LOG_LEVEL=DEBUG",
        "LOTKEEPER_IB_HOST=127.0.0.1",
        f"LOTKEEPER_IB_PORT={gateway_port}",
        "LOTKEEPER_IB_CLIENT_ID=72",
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load_settings()
    assert (settings.ib_port, settings.ib_client_id) == (gateway_port, 72)


@pytest.mark.usefixtures("nothing_known")
def test_where_no_gateway_answers_nothing_is_written_and_what_to_do_is_told(
    lotkeeper: Run, tmp_path: Path, unused_port: int
) -> None:
    for asked in ([], ["--port", str(unused_port)]):
        said = lotkeeper("setup", "--yes", *asked)
        assert said.code == 4
        assert "socket clients" in said.err
        assert not (tmp_path / ".env").exists()
    assert lotkeeper("setup", "--yes", "--port", str(unused_port), "--no-check").code == 0
    assert f"LOTKEEPER_IB_PORT={unused_port}" in (tmp_path / ".env").read_text()


@pytest.mark.usefixtures("nothing_known")
def test_a_person_is_asked_until_it_is_a_port(
    lotkeeper: Run, gateway_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = iter(["127.0.0.1", "nonsense", str(gateway_port)])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    said = lotkeeper("setup")
    assert said.code == 0, said.err
    assert "'nonsense' is not a port" in said.err
    assert f"LOTKEEPER_IB_PORT={gateway_port}" in (tmp_path / ".env").read_text()


def test_a_variable_that_wins_is_told(
    lotkeeper: Run, gateway_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_IB_PORT", "7777")
    said = lotkeeper("setup", "--yes", "--port", str(gateway_port))
    assert "LOTKEEPER_IB_PORT is set, and wins" in said.err


def test_a_file_that_cannot_be_read_is_a_sentence(lotkeeper: Run, tmp_path: Path, gateway_port: int) -> None:
    (tmp_path / ".env").mkdir()
    said = lotkeeper("setup", "--yes", "--port", str(gateway_port))
    assert said.code == 6
    assert ".env cannot be" in said.err
