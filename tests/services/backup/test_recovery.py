"""Any moment since a base backup is brought back, or that is refused; and what there is stays until then."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from core.clock import utc_now
from core.settings import Settings
from models.session import Database
from services.backup import continuous, recovering
from services.backup.bases import Draft
from services.backup.continuous import Recovery
from services.backup.errors import (
    ArchiveRefusedError,
    BackupFailedError,
    BackupLockedError,
    NotReachableError,
)
from services.backup.folder import working_in
from services.backup.keys import identities
from services.backup.laying_out import lay_out_piece
from services.backup.manifest import TableState
from services.backup.moment import tables_of
from services.backup.programs import Program
from services.backup.receiving import incoming_of, wal_folder
from services.backup.recovering import Beside, Recovered, reachable, recover
from services.backup.wal import PARTIAL, SEGMENT_BYTES, Piece, bases_in, chain, number_of, pieces_in
from services.stack.swap import RECOVERED, finish_swap
from tests.databases import run_sql
from tests.environment import of_the_machine
from tests.services.backup.machines import Machine, counted, looked, looks, running, sql, with_url
from tests.waiting import comes, eventually, eventually_now

ROOT = Path(__file__).parents[3]


def back(
    settings: Settings, moment: datetime, *, replace: bool = False, is_stopped: bool = True
) -> tuple[Recovered, dict[str, TableState]]:
    seen: list[dict[str, TableState]] = []

    def look(beside: Beside) -> None:
        seen.append(asyncio.run(tables_of(with_url(settings, beside.url).require_database_url())))

    keys = identities(settings)
    recovered = recover(
        settings, moment, keys, now=utc_now(), is_stopped=is_stopped, replace=replace, look_at=look
    )
    return recovered, seen[-1]


def own(segment: bytes, page: int, name: str) -> bool:
    """Whether a page of a segment was written, and not left from an earlier use of the file."""
    address = (number_of(name) * SEGMENT_BYTES) + page
    return int.from_bytes(segment[page + 8 : page + 16], "little") == address


def holds_its_own(path: Path) -> bool:
    return path.exists() and own(path.read_bytes()[:16], 0, path.name)


def sealed(settings: Settings) -> list[Path]:
    root = settings.recovery_folder
    base = reachable(settings)[0].base
    return [piece.path for piece in chain(base, pieces_in(root, base.system))]


def test_a_moment_before_a_table_was_lost_is_brought_back_to_the_last_row(machine: Machine) -> None:
    assert machine.then["executions"].rows == 600
    assert "marks" not in machine.later
    recovered, seen = back(machine.settings, machine.moment, replace=True)
    assert seen == machine.then
    assert (recovered.is_in_place, recovered.is_to_the_end) == (True, False)
    assert counted(machine.settings) == machine.then
    # What was there is kept, and is a data directory as it was.
    assert recovered.old is not None
    assert (recovered.old / "PG_VERSION").exists()
    assert not (machine.settings.data_dir / "postgres.recovering").exists()
    # What is written from now on is another line, with a base backup of its own; the first is still reached.

    async def go_on(at: Settings) -> None:
        database = Database(at.require_database_url(), application="test")
        recovery = Recovery(database, at)
        try:
            await looks(recovery, at, segments=1)
        finally:
            await recovery.close()
            await database.close()

    with running(machine.settings) as at:
        asyncio.run(go_on(at))
    assert [one.base.line.timeline for one in reachable(machine.settings)] == [1, 2]
    _, seen = back(machine.settings, machine.moment)
    assert seen == machine.then
    _, seen = back(machine.settings, utc_now())
    assert seen["executions"] == machine.then["executions"]


def test_the_last_moment_of_a_stopped_server_is_brought_back_though_nothing_came_after(
    machine: Machine,
) -> None:
    recovered, seen = back(machine.settings, utc_now())
    assert seen == machine.later
    assert (recovered.is_in_place, recovered.is_to_the_end, recovered.old) == (False, True, None)
    assert counted(machine.settings) == machine.later


def test_a_machine_of_which_only_what_was_put_away_is_left_comes_back(
    machine: Machine, tmp_path: Path
) -> None:
    fresh = machine.settings.model_copy(
        update={"home": tmp_path / "fresh", "recovery_dir": machine.settings.recovery_folder}
    )
    fresh.data_dir.mkdir(mode=0o711, parents=True)
    keys = identities(machine.settings)
    recovered = recover(
        fresh, machine.moment, keys, now=utc_now(), is_stopped=True, replace=True, look_at=lambda _: None
    )
    assert (recovered.is_in_place, recovered.old) == (True, None)
    assert counted(fresh) == machine.then


def test_a_moment_that_cannot_be_reached_is_refused_with_what_can(machine: Machine) -> None:
    window = reachable(machine.settings)[0]
    for moment, sentence in (
        (utc_now() + timedelta(hours=1), "lies ahead"),
        (window.since - timedelta(minutes=1), f"earliest moment .* is {window.since:%Y-%m-%dT%H:%M:%S}Z"),
    ):
        with pytest.raises(NotReachableError, match=sentence):
            back(machine.settings, moment)
    # Of a server that runs only what came in is known.
    with pytest.raises(NotReachableError, match=r"what was put away ends at .*backup points"):
        back(machine.settings, utc_now(), is_stopped=False)
    (machine.settings.recovery_folder / window.base.system / "base").rename(machine.settings.home / "gone")
    with pytest.raises(NotReachableError, match=r"no base backup with the WAL.*backup restore"):
        back(machine.settings, machine.moment)


def test_wal_that_is_missing_or_was_changed_is_refused_and_nothing_is_touched(machine: Machine) -> None:
    settings = machine.settings
    paths = sealed(settings)
    whole = paths[0].read_bytes()
    for content in (whole[:-1000], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        paths[0].write_bytes(content)
        with pytest.raises(ArchiveRefusedError, match="was changed or cut off"):
            back(settings, machine.moment, replace=True)
    # Another segment under its name.
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(ArchiveRefusedError, match="what is in it is not what its name says"):
        back(settings, machine.moment, replace=True)
    paths[0].write_bytes(whole)
    with pytest.raises(ArchiveRefusedError, match="No key here opens"):
        recover(
            settings,
            machine.moment,
            [x25519.Identity.generate()],
            now=utc_now(),
            is_stopped=True,
            replace=True,
            look_at=lambda _: None,
        )
    paths[0].unlink()
    # The server may have it still.
    own = settings.data_dir / "postgres" / "data" / "pg_wal" / paths[0].name.partition("-")[0]
    own.unlink(missing_ok=True)
    with pytest.raises(NotReachableError, match="no base backup with the WAL"):
        back(settings, machine.moment, replace=True)
    assert counted(settings) == machine.later


def test_a_base_backup_that_was_cut_off_is_refused(machine: Machine) -> None:
    base = reachable(machine.settings)[0].base.path
    base.write_bytes(base.read_bytes()[:-5000])
    with pytest.raises(ArchiveRefusedError, match="was changed or cut off"):
        back(machine.settings, machine.moment, replace=True)
    assert counted(machine.settings) == machine.later


DYING = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from core.clock import utc_now
from core.settings import load_settings
from services.backup import recovering
from services.backup.keys import identities
from services.backup.laying_out import lay_out_piece

settings = load_settings(home=sys.argv[1], profile="main")
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "half in place":
    whole = recovering.finish_swap
    def half(folder):
        if (folder / "data.recovered").exists():
            (folder / "data").rename(folder / "data.before-x")
            die()
        return whole(folder)
    recovering.finish_swap = half
elif sys.argv[3] != "beside":
    setattr(recovering, sys.argv[3], die)
recovering.recover(
    settings, datetime.fromisoformat(sys.argv[2]), identities(settings), now=utc_now(), is_stopped=True,
    replace=True, look_at=die if sys.argv[3] == "beside" else lambda _: None)
"""


@pytest.mark.parametrize("point", ["extract", "beside", "sync_folder", "half in place"])
def test_killed_over_it_there_is_all_of_what_was_or_all_of_the_moment(point: str, machine: Machine) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(machine.settings.home), machine.moment.isoformat(), point],
        env={**of_the_machine(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert died.returncode == -9, died.stderr
    is_in_place = point in {"sync_folder", "half in place"}
    assert counted(machine.settings) == (machine.then if is_in_place else machine.later)
    _, seen = back(machine.settings, machine.moment)
    assert seen == machine.then


def test_what_waits_is_put_in_place_whenever_it_was_broken_off(tmp_path: Path) -> None:
    assert finish_swap(tmp_path) is None
    for name in ("data", RECOVERED):
        (tmp_path / name).mkdir()
        (tmp_path / name / "is").write_text(name)
    old = finish_swap(tmp_path)
    assert old is not None
    assert ((tmp_path / "data" / "is").read_text(), (old / "is").read_text()) == (RECOVERED, "data")
    assert finish_swap(tmp_path) is None


def test_a_disk_that_takes_no_wal_is_told_and_told_again_once_it_does(machine: Machine) -> None:
    """PostgreSQL goes on meanwhile, and nothing is missing afterwards."""
    now = [utc_now()]

    async def live(at: Settings) -> None:
        database = Database(at.require_database_url(), application="test")
        recovery = Recovery(database, at, clock=lambda: now[0])
        root = at.recovery_folder
        moved = root.rename(root.with_name("moved"))
        root.write_text("a file where the folder was")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await looks(recovery, at, segments=1)
        now[0] += timedelta(minutes=2)
        await looked(recovery)
        await looked(recovery)
        root.unlink()
        moved.rename(root)
        await looks(recovery, at, segments=1)
        await recovery.close()
        await database.close()

    with running(machine.settings) as at:
        asyncio.run(live(at))
        rows = sql(at, "SELECT outcome, error FROM backup_runs WHERE kind = 'wal' ORDER BY id")
    assert [row["outcome"] for row in rows] == ["fail", "success"]
    assert "Not a directory" in rows[0]["error"] or "File exists" in rows[0]["error"]
    assert len(reachable(machine.settings)) == 1
    _, seen = back(machine.settings, utc_now())
    assert seen["executions"] == machine.later["executions"]


def test_wal_is_put_away_while_a_base_backup_is_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database takes hours, and the server keeps 2 GB of WAL for us."""
    (base,) = bases_in(machine.settings.recovery_folder)
    base.path.unlink()
    may_go_on = threading.Event()
    whole = continuous.write_base

    def slow(*arguments: Any) -> Draft:
        may_go_on.wait(60)
        return whole(*arguments)

    monkeypatch.setattr(continuous, "write_base", slow)

    async def act(recovery: Recovery, at: Settings, _now: list[datetime]) -> None:
        before = len(pieces_in(at.recovery_folder, base.system))
        await recovery.look()
        try:
            url = at.require_database_url().replace("+asyncpg", "")
            await run_sql(url, "CREATE TABLE public.filler()", "SELECT pg_switch_wal()")
            await eventually(
                recovery.look, lambda _: len(pieces_in(at.recovery_folder, base.system)) > before
            )
            assert bases_in(at.recovery_folder) == []
        finally:
            may_go_on.set()
        await looks(recovery, at, segments=1)

    for at in looking(machine, act):
        assert len(bases_in(at.recovery_folder)) == 1
    (taken,) = bases_in(machine.settings.recovery_folder)
    # Its end is told late, by up to a second.
    eventually_now(utc_now, lambda now: now > taken.ended_at)
    _, seen = back(machine.settings, utc_now())
    assert seen["executions"] == machine.later["executions"]


@pytest.mark.parametrize("damaged", ["all", "a length"])
def test_wal_that_cannot_be_read_to_its_end_is_not_taken_for_its_end(damaged: str, machine: Machine) -> None:
    settings = machine.settings
    with running(settings) as stopped:
        sql(stopped, "CREATE TABLE public.filler AS SELECT generate_series(1, 10000)", "CHECKPOINT")
    later = counted(settings)
    at = machine.folder / "data" / "pg_wal"
    window = reachable(settings)[0]
    last = max(piece.name for piece in window.pieces if holds_its_own(at / piece.name))
    (incoming,) = [incoming for _, incoming in incoming_of(settings)]
    folders = [at / last, *(piece.path for piece in incoming.pieces() if piece.name == last)]
    whole = at.joinpath(last).read_bytes()
    pages = [page for page in range(0, len(whole), 8192) if own(whole, page, last)]
    assert len(pages) > 4
    # Somewhere in the middle of what was written last.
    middle = pages[len(pages) // 2]
    place, wrong = middle + 64, bytes(8192)
    if damaged == "a length":
        # Of the first record that begins in that page: behind what it has of the one before.
        place = middle + 24 + (int.from_bytes(whole[middle + 16 : middle + 20], "little") + 7) // 8 * 8
        assert place < middle + 8192
        wrong = b"\xff\xff\xff\x00"
    for path in folders:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(wrong)
    with pytest.raises(BackupFailedError, match=r"cannot be read beyond .* nothing was changed"):
        back(settings, utc_now(), replace=True)
    at.joinpath(last).write_bytes(whole)
    _, seen = back(settings, utc_now(), replace=True)
    assert seen == later


def test_a_segment_that_gets_its_name_meanwhile_is_found_by_it(tmp_path: Path) -> None:
    (tmp_path / ("0" * 24)).write_bytes(b"whole")
    piece = Piece(tmp_path / f"{'0' * 24}{PARTIAL}", "0" * 24, utc_now(), "")
    lay_out_piece(piece, tmp_path / "laid out", [])
    assert (tmp_path / "laid out").read_bytes() == b"whole"


def test_a_server_that_runs_is_never_taken_for_a_stopped_one(machine: Machine) -> None:
    """As one whose supervisor was killed."""
    with running(machine.settings), pytest.raises(BackupLockedError, match="in use by process"):
        back(machine.settings, machine.moment, replace=True)


def test_what_cannot_have_room_is_not_begun(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "SEGMENT_BYTES", 1 << 50)
    with pytest.raises(BackupFailedError, match=r"takes at least .* GB .* Make room first"):
        back(machine.settings, machine.moment, replace=True)
    assert counted(machine.settings) == machine.later


def test_where_the_last_step_is_left_to_the_next_start_that_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Path) -> Path | None:
        if (folder / RECOVERED).exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return None

    monkeypatch.setattr(recovering, "finish_swap", fails)
    with pytest.raises(BackupFailedError, match="The next start of Lotkeeper does that"):
        back(machine.settings, machine.moment, replace=True)
    assert counted(machine.settings) == machine.then


def test_what_is_not_wanted_any_more_is_not_kept_at_the_server_either(machine: Machine) -> None:
    slots = "SELECT slot_name FROM pg_replication_slots"

    async def run(at: Settings) -> None:
        database = Database(at.require_database_url(), application="test")
        try:
            await Recovery(database, at).run()
        finally:
            await database.close()

    with running(machine.settings) as at:
        assert len(sql(at, slots)) == 1
        asyncio.run(run(at.model_copy(update={"recovery": False})))
        assert sql(at, slots) == []
        # Of a server elsewhere nothing is asked.
        elsewhere = with_url(machine.settings, "postgresql://u:p@127.0.0.1:1/x")
        asyncio.run(run(elsewhere))


def test_one_at_a_time(machine: Machine) -> None:
    with working_in(machine.settings.recovery_folder), pytest.raises(BackupLockedError):
        back(machine.settings, machine.moment)


def test_nothing_that_was_put_away_is_overwritten(machine: Machine) -> None:
    """As where two servers of one origin put away into one folder."""
    settings = machine.settings
    name = sealed(settings)[0].name.partition("-")[0]
    system = reachable(settings)[0].base.system
    other = settings.data_dir / "wal" / system / name
    other.write_bytes(os.urandom(1024) + bytes((16 << 20) - 1024))
    before = {path: path.read_bytes() for path in sealed(settings)}
    recovery = Recovery(None, settings)  # type: ignore[arg-type] # the database is not asked
    with pytest.raises(BackupFailedError, match="was put away already and is another"):
        recovery._put_away()
    assert {path: path.read_bytes() for path in sealed(settings)} == before
    assert other.exists()
    assert datetime.now(UTC) > machine.moment


def looking(
    machine: Machine, act: Callable[[Recovery, Settings, list[datetime]], Awaitable[None]]
) -> Iterator[Settings]:
    """A server that runs, once ``act`` has had a recovery with a clock of its own look at it."""
    now = [utc_now()]

    async def live(at: Settings) -> None:
        database = Database(at.require_database_url(), application="test")
        recovery = Recovery(database, at, clock=lambda: now[0])
        try:
            await act(recovery, at, now)
        finally:
            await recovery.close()
            await database.close()

    with running(machine.settings) as at:
        asyncio.run(live(at))
        yield at


def test_a_program_that_ends_each_time_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each time it was started it has not failed yet."""
    monkeypatch.setattr(
        continuous, "receive", lambda *_: Program([shutil.which("false") or ""], dict(os.environ), quiet=True)
    )

    async def act(recovery: Recovery, _at: Settings, now: list[datetime]) -> None:
        for _ in range(10):
            await looked(recovery)
            await comes(lambda: recovery._program is None or not recovery._program.running)
            now[0] += timedelta(seconds=30)

    for at in looking(machine, act):
        rows = sql(at, "SELECT outcome FROM backup_runs WHERE kind = 'wal' ORDER BY id")
        assert [row["outcome"] for row in rows] == ["fail"]


def test_what_a_full_disk_left_of_a_segment_ends_nothing(machine: Machine) -> None:
    """``pg_receivewal`` goes on with no beginning of another size than a segment's."""

    async def act(recovery: Recovery, at: Settings, _now: list[datetime]) -> None:
        (system,) = [system for system, _ in incoming_of(at)]
        for path in (wal_folder(at) / system).glob("*.partial"):
            path.write_bytes(bytes(8 << 20))
        await looks(recovery, at, segments=2)

    for _ in looking(machine, act):
        pass
    _, seen = back(machine.settings, utc_now())
    assert seen["executions"] == machine.later["executions"]


def test_a_clock_that_was_ahead_costs_one_base_backup(machine: Machine) -> None:
    base = reachable(machine.settings)[0].base
    ahead = f"{utc_now() + timedelta(days=400):%Y%m%dT%H%M%SZ}"
    base.path.rename(base.path.with_name(f"{ahead}-{base.path.name.partition('-')[2]}"))

    async def act(recovery: Recovery, at: Settings, _now: list[datetime]) -> None:
        for _ in range(4):
            await looks(recovery, at, segments=1)
            recovery._base_taken = None

    for at in looking(machine, act):
        assert len(bases_in(at.recovery_folder)) == 2


def test_a_clock_that_leapt_ahead_deletes_nothing(machine: Machine) -> None:
    before = set(machine.settings.recovery_folder.rglob("*.age"))

    async def act(recovery: Recovery, _at: Settings, now: list[datetime]) -> None:
        now[0] += timedelta(days=60)
        await looked(recovery)
        recovery._pruned -= continuous.PRUNE_EVERY_SECONDS
        await looked(recovery)
        assert before <= set(machine.settings.recovery_folder.rglob("*.age"))
        # A day later it is no mistake: the machine was off for so long.
        recovery._pruned -= continuous.PRUNE_EVERY_SECONDS
        recovery._began -= continuous.DOUBTFUL_SECONDS
        await looked(recovery)
        assert not before <= set(machine.settings.recovery_folder.rglob("*.age"))

    for _ in looking(machine, act):
        pass
