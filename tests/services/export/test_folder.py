"""An export is there whole or not at all, and nothing else is ever touched."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from services.export.errors import ExportFailedError, TargetError
from services.export.folder import new_folder
from services.export.manifest import NAME
from services.export.verify import verify
from tests.services.export.conftest import Export
from tests.waiting import SECONDS, comes

ROOT = Path(__file__).parents[3]


def write_export(target: Path, *, replace: bool = False, content: str = "{}") -> None:
    with new_folder(target, replace=replace) as folder:
        (folder / "part").mkdir()
        (folder / "part/data").write_text(content, encoding="utf-8")
        (folder / NAME).write_text("not read here", encoding="utf-8")


def left_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    write_export(tmp_path / "new" / "out")
    assert (tmp_path / "new/out").stat().st_mode & 0o777 == 0o700
    assert left_in(tmp_path / "new") == ["out"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_export(tmp_path / "out")
    assert left_in(tmp_path / "out") == [NAME, "part"]


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_export_is_never_touched(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/taxes.pdf").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for name, sentence in (
        ("out", "not empty, and no earlier export"),
        ("file", "no folder"),
        ("link", "no"),
    ):
        with pytest.raises(TargetError, match=sentence):
            write_export(tmp_path / name, replace=replace)
    assert (tmp_path / "out/taxes.pdf").read_text(encoding="utf-8") == "mine"
    assert left_in(tmp_path) == ["file", "link", "out"]


async def test_an_earlier_export_is_replaced_only_if_that_is_said(exporting: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = await exporting("csv", out)
    with pytest.raises(TargetError, match="Say --replace"):
        await exporting("jsonl", out)
    assert verify(out).manifest == first
    second = await exporting("jsonl", out, replace=True)
    assert verify(out).manifest == second
    assert not list(out.glob("*.csv"))
    assert left_in(tmp_path) == ["out"]


async def test_two_exports_to_one_place_do_not_mix(exporting: Export, tmp_path: Path) -> None:
    with new_folder(tmp_path / "out", replace=False) as folder:
        (folder / NAME).write_text("{}", encoding="utf-8")
        with pytest.raises(TargetError, match="is under way"):
            await exporting("csv", tmp_path / "out")
    assert left_in(tmp_path / "out") == [NAME]


async def test_what_was_moved_aside_when_a_replacement_broke_off_comes_back(
    exporting: Export, tmp_path: Path
) -> None:
    first = await exporting("csv", tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.before")
    with pytest.raises(TargetError, match="Say --replace"):
        await exporting("csv", tmp_path / "out")
    assert verify(tmp_path / "out").manifest == first
    (tmp_path / ".out.before").mkdir()
    await exporting("csv", tmp_path / "out", replace=True)
    assert left_in(tmp_path) == ["out"]


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TargetError, match=r"No export can be written at .*: File exists"):
        write_export(tmp_path / "file/out")


def test_what_happens_to_a_connection_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    for error in (ConnectionResetError, TimeoutError):
        with pytest.raises(error), new_folder(tmp_path / "out", replace=False):
            raise error
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl", "sqlite"])
@pytest.mark.usefixtures("everything")
async def test_a_full_disk_leaves_nothing_and_is_said(
    exporting: Export, tmp_path: Path, file_format: str
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(ExportFailedError, match=r"(no room for the export|could not be written).* left"):
            await exporting(file_format, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_in(tmp_path) == []
    await exporting(file_format, tmp_path / "out")


def command(url: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LOTKEEPER_DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "export", "all", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.usefixtures("everything")
async def test_whatever_ends_it_leaves_nothing_that_looks_whole(
    exporting: Export, raw: asyncpg.Connection, postgres_url: str, tmp_path: Path, by: signal.Signals
) -> None:
    out = tmp_path / "out"
    first = await exporting("csv", out)
    # The last table of all cannot be read: what was written before it waits for that.
    async with raw.transaction():
        await raw.execute("LOCK TABLE sync_log")
        running = command(postgres_url, "--format", "parquet", "--out", str(out), "--replace")
        await comes((tmp_path / ".out.part/sync_datasets").exists)
        running.send_signal(by)
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(running.communicate)
    assert running.returncode == (130 if by == signal.SIGINT else -signal.SIGKILL)
    assert verify(out) == (first, [])
    assert left_in(tmp_path) == ([".out.part", "out"] if by == signal.SIGKILL else ["out"])
    assert not (tmp_path / ".out.part" / NAME).exists()
    again = await exporting("parquet", out, replace=True)
    assert verify(out) == (again, [])
    assert left_in(tmp_path) == ["out"]


@pytest.mark.usefixtures("everything")
async def test_a_lost_postgresql_leaves_nothing_and_is_said(
    raw: asyncpg.Connection, postgres_url: str, tmp_path: Path
) -> None:
    async with raw.transaction():
        await raw.execute("LOCK TABLE sync_log")
        running = command(postgres_url, "--format", "csv", "--out", str(tmp_path / "out"))
        await comes((tmp_path / ".out.part/sync_datasets.csv").exists)
        await raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'lotkeeper-cli'"
        )
        async with asyncio.timeout(SECONDS):
            _, told = await asyncio.to_thread(running.communicate)
    assert running.returncode == 3, told.decode()
    assert b"PostgreSQL cannot be reached" in told
    assert left_in(tmp_path) == []


@pytest.mark.usefixtures("everything")
async def test_what_was_changed_afterwards_is_found(exporting: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    await exporting("csv", out)
    manifest = json.loads((out / NAME).read_text(encoding="utf-8"))

    def findings() -> list[tuple[str, str]]:
        return [(one.path, one.reason) for one in verify(out).findings]

    executions = (out / "executions.csv").read_bytes()
    (out / "executions.csv").write_bytes(executions.replace(b"SLD", b"BOT", 1))
    assert findings() == [("executions.csv", "holds something else than was written: its checksum differs")]
    (out / "executions.csv").write_bytes(executions[:-1])
    assert findings()[0][1].startswith(f"has {len(executions) - 1:,} bytes")
    (out / "executions.csv").unlink()
    (out / "more.csv").write_text("", encoding="utf-8")
    assert findings() == [("executions.csv", "is missing"), ("more.csv", "is none of the export's files")]
    (out / "more.csv").unlink()
    (out / "executions.csv").write_bytes(executions)
    assert findings() == []
    manifest["datasets"][0]["rows"] += 1
    (out / NAME).write_text(json.dumps(manifest), encoding="utf-8")
    assert findings() == [(NAME, "was changed after it was written")]
