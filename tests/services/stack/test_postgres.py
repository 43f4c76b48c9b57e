import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.errors import SettingsError, StackError
from services.stack import PostgresServer
from services.stack.binaries import find_postgres
from services.stack.processes import started_at
from tests.waiting import eventually_now


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A durable one of this module's own: it is killed and started again."""
    # pytest's folders are closed to other users, so this also proves that a server without root gets in.
    with PostgresServer(tmp_path_factory.mktemp("own") / "postgres") as server:
        yield server


async def ask(server: PostgresServer, query: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_answers_with_its_own_database_and_is_durable(server: PostgresServer) -> None:
    assert await ask(server, "SELECT current_database()") == "lotkeeper"
    assert await ask(server, "SHOW fsync") == "on"
    assert await ask(server, "SHOW data_checksums") == "on"
    assert await ask(server, "SHOW TimeZone") == "UTC"


async def test_nobody_gets_in_without_the_password(server: PostgresServer) -> None:
    for url in (server.url.replace(server.url.split("@")[0], "postgresql://lotkeeper:wrong"),):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url)


async def test_it_listens_on_loopback_and_a_private_socket_only(server: PostgresServer) -> None:
    assert await ask(server, "SHOW listen_addresses") == "127.0.0.1"
    socket = server.data / f".s.PGSQL.{server.port}"
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_the_password_is_for_its_owner_only(server: PostgresServer) -> None:
    assert stat.S_IMODE((server.directory / "password").stat().st_mode) == 0o600
    assert not (server.directory / "initdb-password").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_as_root_it_runs_as_nobody(server: PostgresServer) -> None:
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    assert "Uid:\t65534\t65534" in status
    assert server.data.stat().st_uid == 65534


async def test_after_kill_9_it_starts_at_the_same_address_with_its_data(server: PostgresServer) -> None:
    await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    url = server.url
    server.kill()
    assert not server.running
    server.start()
    assert server.url == url
    assert await ask(server, "SELECT answer FROM kept") == 42


async def test_it_starts_again_beside_connections_that_outlive_the_killed_server(
    server: PostgresServer,
) -> None:
    connection = await asyncpg.connect(server.url)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually_now(lambda: not server.running)
    server.start()
    assert await ask(server, "SELECT 1") == 1
    connection.terminate()


async def test_a_pid_file_with_the_number_of_a_stranger_is_no_obstacle(server: PostgresServer) -> None:
    server.kill()
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text(encoding="utf-8").splitlines()
    owner = pid_file.stat()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]), encoding="utf-8")
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    server.start()
    assert await ask(server, "SELECT 1") == 1


async def test_a_taken_port_is_changed_and_remembered(server: PostgresServer) -> None:
    import socket  # noqa: PLC0415 - this test alone

    taken = server.port
    server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        server.start()
    assert server.port != taken
    assert (server.directory / "port").read_text(encoding="ascii").strip() == str(server.port)
    assert await ask(server, "SELECT 1") == 1


def test_a_second_server_on_the_same_directory_is_refused_with_the_pid(server: PostgresServer) -> None:
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        PostgresServer(server.directory).start()
    assert server.running


def test_stop_leaves_no_process_and_nothing_to_recover(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "postgres", durable=False) as server:
        pid = server.pid
        assert pid is not None
    assert started_at(pid) is None
    assert not (server.data / "postmaster.pid").exists()
    control = find_postgres().directory / "pg_controldata"
    told = subprocess.run([control, "-D", server.data], capture_output=True, text=True, check=True).stdout
    assert "shut down" in next(line for line in told.splitlines() if "cluster state" in line)


def test_an_interrupted_first_start_is_begun_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n", encoding="ascii")
    with PostgresServer(tmp_path / "postgres", durable=False) as server:
        assert server.running
    assert not half.exists()


def test_a_lost_password_file_is_told_instead_of_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(StackError, match=r"password is missing"):
        PostgresServer(tmp_path).start()


def test_data_of_another_major_version_are_refused_with_both_versions(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("11\n", encoding="ascii")
    (tmp_path / "password").write_text("x\n", encoding="ascii")
    with pytest.raises(StackError, match=r"made by PostgreSQL 11; .* version \d\d"):
        PostgresServer(tmp_path).start()


def test_a_directory_without_programs_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LOTKEEPER_POSTGRES_BIN"):
        PostgresServer(tmp_path / "postgres", binaries=tmp_path).start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "postgres", durable=False) as server:
        pass
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n", encoding="ascii")
    with pytest.raises(StackError, match="no_such_setting"):
        server.start()
    assert not server.running


async def test_starting_what_runs_changes_nothing(tmp_path: Path) -> None:
    async with PostgresServer(tmp_path / "server", durable=False) as server:
        pid = server.pid
        server.start()
        assert server.pid == pid
    assert server.pid is None
