import os
import stat
from dataclasses import replace
from pathlib import Path

from services.stack.processes import Process, started_at
from services.stack.runtime import (
    Runtime,
    end_leftovers,
    process_entry,
    read_runtime,
    running_stacks,
    runtime_path,
    write_runtime,
)

MINE = Runtime(
    profile="demo",
    pid=os.getpid(),
    started=started_at(os.getpid()),
    since="2026-11-21T12:00:00Z",
    api_url="http://127.0.0.1:8321",
    token_file="/home/me/token",
    log_file="/home/me/log",
    database_url="postgresql://x",
    redis_url="redis://x",
)


def test_it_is_read_as_it_was_written_and_private(tmp_path: Path) -> None:
    write_runtime(runtime_path(tmp_path, "demo"), MINE)
    assert read_runtime(tmp_path, "demo") == MINE
    assert stat.S_IMODE(runtime_path(tmp_path, "demo").stat().st_mode) == 0o600


def test_running_is_the_very_process_that_wrote_it(tmp_path: Path) -> None:
    write_runtime(runtime_path(tmp_path, "demo"), MINE)
    write_runtime(runtime_path(tmp_path, "main"), replace(MINE, profile="main", started="another start"))
    assert running_stacks(tmp_path) == [MINE]


def test_a_file_of_another_version_counts_as_none(tmp_path: Path) -> None:
    path = runtime_path(tmp_path, "main")
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"pid": 1}'):
        path.write_text(content, encoding="utf-8")
        assert read_runtime(tmp_path, "main") is None


def test_leftovers_are_ended_and_strangers_are_not() -> None:
    leftover, stranger = (Process(["/bin/sleep", "3600"]) for _ in range(2))
    processes = {
        "worker": process_entry(leftover.pid, 0),
        "api": {**process_entry(stranger.pid, 0), "started": "another start"},
        "broker": process_entry(None, 2),
    }
    assert end_leftovers(replace(MINE, processes=processes)) == ["worker"]
    assert leftover.wait(20) == -9
    assert stranger.poll() is None
    stranger.stop()
