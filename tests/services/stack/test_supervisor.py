import asyncio
import io
import os
import re
import signal
import stat
from pathlib import Path

import asyncpg
import pytest

from core.settings import load_settings
from services.stack import RedisServer
from services.stack.journal import Journal
from services.stack.supervisor import Plan, Supervisor, answers_ok
from tests.service_manager import manager
from tests.services.stack.running import gone, stack
from tests.waiting import eventually_now

ALL = {"api": "api", "worker": "idle", "broker": "idle"}
# The stand-in children use no servers: where a test is not about these, none are started.
ELSEWHERE = {
    "LOTKEEPER_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
    "LOTKEEPER_REDIS_URL": "redis://127.0.0.1:1",
}


def test_it_comes_up_says_so_and_ctrl_c_leaves_no_process(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, children=ALL) as running:
        told = running.until_up()
        assert re.fullmatch(
            rf"Lotkeeper is up: http://127\.0\.0\.1:{unused_port}/  \(demo token [\w-]{{20,}}\)", told
        )
        everybody = running.everybody()
        assert len(everybody) >= 5
        assert running.end(signal.SIGINT) == 0
        assert gone(everybody)
    assert not (tmp_path / "demo" / "run" / "stack.json").exists()
    assert not (tmp_path / "demo" / "postgres" / "data" / "postmaster.pid").exists()


def test_systemd_hears_of_the_stack_and_of_no_child_of_it(tmp_path: Path, unused_port: int) -> None:
    with manager(tmp_path) as listening:
        variables = {**ELSEWHERE, **listening.variables(watchdog_seconds=0.5)}
        with stack(tmp_path / "home", unused_port, children=ALL, env=variables) as running:
            asked = listening.hear()
            assert asked[0].startswith("EXTEND_TIMEOUT_USEC="), "while it comes up it asks for time"
            ready = asked
            while ready[0].startswith("EXTEND_TIMEOUT_USEC="):
                ready = listening.hear()
            assert ready == ["READY=1", f"STATUS=Serves http://127.0.0.1:{unused_port}/"]
            for _ in range(3):
                assert listening.hear() == ["WATCHDOG=1"]
            for child in running.everybody():
                assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & child.environ().keys()
            running.process.send_signal(signal.SIGTERM)
            listening.until("STOPPING=1")
            assert running.wait() == 0


async def test_systemd_hears_that_it_lives_while_a_server_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For minutes, after a crash with much WAL: to end it then would only begin it anew."""
    with manager(tmp_path) as listening:
        for name, value in listening.variables(watchdog_seconds=0.2).items():
            monkeypatch.setenv(name, value)
        plan = Plan(load_settings(home=tmp_path), [], None, "http://127.0.0.1:1")
        journal = Journal(tmp_path / "log", io.StringIO())
        supervisor = Supervisor(plan, journal, lambda: None)
        recovering = asyncio.Event()

        async def for_ever() -> None:
            recovering.set()
            await asyncio.sleep(3600)

        monkeypatch.setattr(supervisor, "_check_all", for_ever)
        watching = asyncio.create_task(supervisor._keep_watch())
        await recovering.wait()
        for _ in range(3):
            assert await asyncio.to_thread(listening.hear) == ["WATCHDOG=1"]
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        journal.close()


def test_the_second_start_has_the_data_and_the_token_of_the_first(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, children=ALL) as running:
        first = running.until_up()
        assert running.end(signal.SIGTERM) == 0
    with stack(tmp_path, unused_port, children=ALL) as running:
        assert running.until_up() == first
        assert not running.said("make it, the first time")
        assert running.end(signal.SIGHUP) == 0


def test_sigkill_of_the_supervisor_leaves_no_process_and_the_next_start_copes(
    tmp_path: Path, unused_port: int
) -> None:
    with stack(tmp_path, unused_port, children=ALL) as running:
        running.until_up()
        everybody = running.everybody()
        running.process.kill()
        running.wait()
        eventually_now(lambda: gone(everybody))
    with stack(tmp_path, unused_port, children=ALL) as running:
        running.until_up()
        assert running.end() == 0


@pytest.mark.parametrize("name", ["worker", "redis", "postgres"])
def test_what_is_killed_is_started_again(tmp_path: Path, unused_port: int, name: str) -> None:
    with stack(tmp_path, unused_port, children=ALL) as running:
        running.until_up()
        before = running.runtime()
        os.kill(running.pid_of(name), signal.SIGKILL)
        running.until_said(f"{name} stopped unexpectedly")
        eventually_now(lambda: running.runtime()["processes"][name]["restarts"] == 1)
        after = running.runtime()
        assert after["processes"][name]["pid"] != before["processes"][name]["pid"]
        assert after["database_url"] == before["database_url"]
        assert after["redis_url"] == before["redis_url"]
        others = {"api", "worker", "broker", "redis", "postgres"} - {name}
        assert all(after["processes"][other] == before["processes"][other] for other in others)
        assert running.end() == 0


def test_a_child_that_crashes_while_starting_is_started_again(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children={**ALL, "broker": "crash_once"}) as running:
        running.until_up()
        running.until_said("broker stopped unexpectedly (exit code 1)")
        running.until_said("broker    idle")


def test_a_child_that_refuses_its_settings_ends_the_start_with_its_sentence(
    tmp_path: Path, unused_port: int
) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children={**ALL, "api": "refuse"}) as running:
        assert running.wait() == 6
        assert running.lines[-1] == "Error: LOTKEEPER_IB_TIMEZONE is wrong: no such zone."
        assert not running.said("Lotkeeper is up")


def test_a_migration_that_refuses_the_profile_ends_the_start_with_its_sentence(
    tmp_path: Path, unused_port: int
) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL, migrate="refuse") as running:
        assert running.wait() == 6
        assert running.lines[-1].startswith("Error: LOTKEEPER_IB_TIMEZONE")


def test_a_deaf_child_is_killed_after_its_grace_and_at_once_on_the_second_ctrl_c(
    tmp_path: Path, unused_port: int
) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children={**ALL, "deaf": "deaf"}) as running:
        running.until_up()
        running.until_said("deaf      deaf")
        everybody = running.everybody()
        running.process.send_signal(signal.SIGINT)
        running.until_said("Press Ctrl-C again")
        assert running.end(signal.SIGINT) == 0
        assert running.said("Stopping at once.")
        assert gone(everybody)


def test_ctrl_c_during_the_start_leaves_no_process(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, children=ALL) as running:
        running.until_said("Start the database")
        everybody = running.everybody()
        assert running.end(signal.SIGINT) == 0
        assert gone([*everybody])
        assert not running.said("Lotkeeper is up")


def test_a_second_stack_on_the_same_home_is_refused_with_the_pid(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL) as running:
        running.until_up()
        with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL) as second:
            assert second.wait() == 3
            assert f"process {running.process.pid}, http://127.0.0.1:{unused_port}/" in second.lines[-1]
        assert running.end() == 0


def test_a_chosen_port_that_is_taken_is_refused_with_its_holder(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path / "one", unused_port, env=ELSEWHERE, children=ALL) as running:
        running.until_up()
        holder = running.pid_of("api")
        with stack(tmp_path / "two", unused_port, env=ELSEWHERE, children=ALL, port_is_chosen=True) as second:
            assert second.wait() == 6
        assert second.lines[-1].startswith(
            f"Error: Port {unused_port} is already in use by process {holder} (python"
        )
        assert "LOTKEEPER_API_PORT" in second.lines[-1]
        with stack(tmp_path / "two", unused_port, env=ELSEWHERE, children=ALL, profile="main") as third:
            assert third.wait() == 6


def test_the_demo_moves_from_a_taken_default_port_and_says_so(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path / "one", unused_port, env=ELSEWHERE, children=ALL) as running:
        running.until_up()
        with stack(tmp_path / "two", unused_port, env=ELSEWHERE, children=ALL) as second:
            told = second.until_up()
            assert f":{unused_port}/" not in told
            assert second.said(f"Port {unused_port} is taken by process {running.pid_of('api')}")
            assert second.end() == 0


def test_the_real_stack_says_where_the_token_is_but_not_the_token(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL, profile="main") as running:
        told = running.until_up()
        token_file = tmp_path / "main" / "api-token"
        assert told.endswith(f"(token in {token_file})")
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        token = token_file.read_text(encoding="utf-8").strip()
        assert not running.said(token)
        assert stat.S_IMODE((tmp_path / "main" / "run" / "stack.json").stat().st_mode) == 0o600
        assert token not in (tmp_path / "main" / "logs" / "lotkeeper.log").read_text(encoding="utf-8")


async def test_servers_of_ones_own_are_used_instead_of_embedded_ones(
    tmp_path: Path, unused_port: int, postgres_url: str, redis_server: RedisServer
) -> None:
    own = {"LOTKEEPER_DATABASE_URL": postgres_url, "LOTKEEPER_REDIS_URL": redis_server.url}
    with stack(tmp_path, unused_port, children=ALL, env=own) as running:
        running.until_up()
        assert set(running.runtime()["processes"]) == {"api", "worker", "broker"}
        assert not (tmp_path / "demo" / "postgres").exists()
        running.until_said("worker    idle with database postgresql")
        running.until_said(f"broker    locks in database {postgres_url.rpartition('/')[2]}")
        assert running.end() == 0
    # It was not ours to stop.
    connection = await asyncpg.connect(postgres_url)
    await connection.close()


def test_locks_are_taken_past_a_pooler_of_ones_own(tmp_path: Path, unused_port: int) -> None:
    own = {**ELSEWHERE, "LOTKEEPER_DATABASE_DIRECT_URL": "postgresql://a:b@127.0.0.1:2/direct"}
    with stack(tmp_path, unused_port, children=ALL, env=own) as running:
        running.until_said("broker    locks in database direct")
        assert running.end() == 0


def test_locks_are_taken_in_the_embedded_database_whatever_else_is_set(
    tmp_path: Path, unused_port: int
) -> None:
    stray = {"LOTKEEPER_DATABASE_DIRECT_URL": "postgresql://a:b@127.0.0.1:2/direct"}
    with stack(tmp_path, unused_port, children=ALL, env=stray) as running:
        running.until_said("broker    locks in database lotkeeper")
        assert running.end() == 0


def test_the_log_file_has_every_service_and_is_private(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL) as running:
        running.until_up()
        running.until_said("broker    idle")
        assert running.end() == 0
    path = tmp_path / "demo" / "logs" / "lotkeeper.log"
    text = path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for line in (
        r"Z migrate   info     migrated",
        r"2026-11-21T01:02:03\.123Z api       info     listening$",
    ):
        assert re.search(line, text, re.MULTILINE), text
    assert "\x1b[" not in text


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path, unused_port: int) -> None:
    (tmp_path / "file").touch()
    with stack(tmp_path / "file", unused_port, env=ELSEWHERE, children=ALL) as running:
        assert running.wait() == 3
        assert running.lines[-1].startswith(
            f"Error: {tmp_path / 'file' / 'demo'} cannot be made: Not a directory."
        )


def test_the_others_start_when_the_early_one_listens(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL, early={"simulator": "listen"}) as running:
        running.until_up()
        runtime = running.runtime()
        assert set(runtime["processes"]) == {"simulator", "api", "worker", "broker"}
        assert runtime["ports"]["fake"] != unused_port
        said = [line.split(maxsplit=1)[1] for line in running.lines]
        assert said.index("simulator listening") < said.index("stack     Start api, worker, broker.")
        assert running.end() == 0


def test_an_early_one_that_refuses_its_settings_ends_the_start(tmp_path: Path, unused_port: int) -> None:
    with stack(tmp_path, unused_port, env=ELSEWHERE, children=ALL, early={"simulator": "refuse"}) as running:
        assert running.wait() == 6
        assert running.lines[-1].startswith("Error: LOTKEEPER_IB_TIMEZONE")
        assert not running.said("Start api")


async def test_an_address_answers_or_it_does_not(unused_port: int) -> None:
    assert not await answers_ok(f"http://127.0.0.1:{unused_port}", "/readyz")
