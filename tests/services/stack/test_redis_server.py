import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from core.errors import StackError
from services.stack import RedisServer
from services.stack.processes import started_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("own") / "redis") as server:
        yield server


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def test_it_keeps_every_key_and_writes_a_log_of_them(server: RedisServer) -> None:
    with connect(server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("append*fsync") == {"appendfsync": "everysec"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_nobody_gets_in_without_the_password(server: RedisServer) -> None:
    with connect(f"redis://127.0.0.1:{server.port}/0") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    assert stat.S_IMODE((server.directory / "password").stat().st_mode) == 0o600


def test_the_password_is_not_in_the_process_list(server: RedisServer) -> None:
    password = (server.directory / "password").read_text(encoding="ascii").strip()
    assert password not in Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")


def test_after_a_stop_it_has_its_data_at_the_same_address(server: RedisServer) -> None:
    with connect(server.url) as client:
        client.xadd("facts", {"a": "1"})
    url = server.url
    server.stop()
    server.start()
    assert server.url == url
    with connect(server.url) as client:
        assert client.xlen("facts") == 1


def test_after_kill_9_it_starts_again(server: RedisServer) -> None:
    server.kill()
    assert server.pid is None
    server.start()
    with connect(server.url_of(3)) as client:
        assert client.ping()


def test_a_second_server_on_the_same_directory_is_refused_with_the_pid(server: RedisServer) -> None:
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        RedisServer(server.directory).start()
    with connect(server.url) as client:
        assert client.ping()


def test_stop_leaves_no_process(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", durable=False) as server:
        pid = server.pid
        assert pid is not None
    assert started_at(pid) is None
    assert not (server.directory / "appendonlydir").exists()


def test_a_damaged_file_is_told_in_the_servers_words(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server, connect(server.url) as client:
        client.set("a", "1")
    for manifest in (tmp_path / "redis" / "appendonlydir").glob("*.manifest"):
        manifest.write_text("nonsense\n", encoding="ascii")
    with pytest.raises(StackError, match=r"did not start:\n(.|\n)*manifest"):
        server.start()


async def test_starting_what_runs_changes_nothing(tmp_path: Path) -> None:
    async with RedisServer(tmp_path / "server", durable=False) as server:
        pid = server.pid
        server.start()
        assert server.pid == pid
    assert server.pid is None
