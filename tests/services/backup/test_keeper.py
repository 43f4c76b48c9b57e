"""What a worker does by the clock: a backup a day, old ones deleted, one restored on trial each week."""

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
import structlog

from core.domain.backups import backup_is_due, drill_is_due
from core.settings import Settings, load_settings
from models.session import Database
from services.backup import keeper as keeping
from services.backup.errors import BackupFailedError, RestoredDiffersError
from services.backup.keeper import Keeper
from services.backup.keys import keys_to_encrypt_with
from services.backup.retention import listed, newest, prune
from tests.databases import run_sql
from tests.services.backup.conftest import databases_beside, url_of
from tests.services.snapshot.world import Hand
from tests.waiting import SECONDS, comes


@pytest.fixture
async def database(portfolio: Settings) -> Any:
    database = Database(portfolio.require_database_url(), application="worker")
    yield database
    await database.close()


@pytest.fixture
def clock() -> Hand:
    return Hand(datetime.now(UTC))


async def runs(settings: Settings) -> list[tuple[str, str, str]]:
    rows = await run_sql(url_of(settings), "SELECT kind, trigger, outcome FROM backup_runs ORDER BY id")
    return [(row["kind"], row["trigger"], row["outcome"]) for row in rows]


async def test_a_backup_a_day_and_a_trial_a_week(
    portfolio: Settings, database: Database, clock: Hand
) -> None:
    keeper = Keeper(database, portfolio, clock=clock)
    await keeper.look()
    assert await runs(portfolio) == [("backup", "schedule", "success")]
    await keeper.look()
    await keeper.look()
    assert await runs(portfolio) == [("backup", "schedule", "success"), ("drill", "schedule", "success")]
    (row,) = await run_sql(url_of(portfolio), "SELECT * FROM backup_runs WHERE kind = 'drill'")
    (kept,) = [one.kept for one in listed(portfolio)]
    assert kept is not None
    assert (row["archive"], row["bytes"], row["state"]) == (kept.path.name, kept.bytes, kept.manifest.state)
    assert row["rows"] == kept.manifest.rows
    assert await databases_beside(portfolio) == []
    clock.forward(hours=25)
    await keeper.look()
    await keeper.look()
    assert [kind for kind, _, _ in await runs(portfolio)] == ["backup", "drill", "backup"]


async def test_two_workers_take_one(portfolio: Settings, database: Database) -> None:
    await asyncio.gather(*(Keeper(database, portfolio).look() for _ in range(2)))
    assert len(listed(portfolio)) == 1
    assert await runs(portfolio) == [("backup", "schedule", "success")]


async def test_a_database_that_is_nobodys_yet_and_a_demo_are_left_alone(
    portfolio: Settings, database: Database
) -> None:
    demo = Keeper(database, portfolio.model_copy(update={"profile": "demo"}))
    await asyncio.wait_for(demo.run(), SECONDS)
    await run_sql(url_of(portfolio), "TRUNCATE broker_accounts, executions, imports, users CASCADE")
    await Keeper(database, portfolio).look()
    assert await runs(portfolio) == []


async def test_without_programs_that_is_said_once_and_kept(
    portfolio: Settings, database: Database, clock: Hand, tmp_path: Path
) -> None:
    nowhere = portfolio.model_copy(update={"postgres_bin": tmp_path})
    keeper = Keeper(database, nowhere, clock=clock)
    with structlog.testing.capture_logs() as said:
        await keeper.look()
        await keeper.look()
        assert len(await runs(portfolio)) == 1, "not tried again before an hour is over"
        clock.forward(minutes=61)
        await keeper.look()
    told = [entry for entry in said if entry["event"] == "backup_not_possible"]
    assert len(told) == 1
    assert "Install postgresql-client-" in told[0]["reason"]
    assert "LOTKEEPER_POSTGRES_BIN" in told[0]["reason"]
    assert await runs(portfolio) == [("backup", "schedule", "fail")] * 2
    await Keeper(database, portfolio, clock=clock).look()
    assert len(await runs(portfolio)) == 2
    clock.forward(minutes=61)
    await Keeper(database, portfolio, clock=clock).look()
    assert (await runs(portfolio))[-1] == ("backup", "schedule", "success")


async def test_a_trial_that_differs_is_kept_as_a_failure(
    portfolio: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def differs(*_: object) -> None:
        raise RestoredDiffersError("What was restored is not what was saved: lots has 1 rows for 2")

    monkeypatch.setattr(keeping, "drill", differs)
    keeper = Keeper(database, portfolio)
    await keeper.look()
    await keeper.look()
    rows = await run_sql(url_of(portfolio), "SELECT outcome, error FROM backup_runs WHERE kind = 'drill'")
    assert [(row["outcome"], "lots has 1 rows" in row["error"]) for row in rows] == [("fail", True)]


async def test_without_the_key_there_is_no_trial_and_that_is_said_once(
    portfolio: Settings, database: Database, tmp_path: Path
) -> None:
    keeper = Keeper(database, portfolio.model_copy(update={"backup_identity": tmp_path / "other"}))
    await keeper.look()
    (tmp_path / "other").unlink()
    with structlog.testing.capture_logs() as said:
        await keeper.look()
        await keeper.look()
    assert [entry["event"] for entry in said] == ["backup_not_possible"]
    assert [kind for kind, _, _ in await runs(portfolio)] == ["backup"]


async def test_of_what_is_encrypted_to_somebody_else_there_is_no_trial(
    portfolio: Settings, database: Database
) -> None:
    theirs = str(pyrage.x25519.Identity.generate().to_public())
    keys_to_encrypt_with(portfolio)
    keeper = Keeper(database, portfolio.model_copy(update={"backup_recipient": (theirs,)}))
    with structlog.testing.capture_logs() as said:
        await keeper.look()
        await keeper.look()
    assert [entry["event"] for entry in said] == ["backup_taken", "backup_not_possible"]
    assert [kind for kind, _, _ in await runs(portfolio)] == ["backup"]


async def test_old_archives_go_and_the_newest_stays(portfolio: Settings, clock: Hand) -> None:
    from services.backup.creating import create  # noqa: PLC0415 - beside what is tested

    made = [(await create(portfolio, "cli", clock=clock)).path for _ in range(3) if clock.forward(seconds=1)]
    (portfolio.backup_folder / "mine.backup").write_text("not an archive")
    now = clock.now
    assert prune(portfolio, now) == []
    assert [one.path for one in prune(portfolio, now + timedelta(days=31), dry_run=True)] == made[:2]
    assert len(listed(portfolio)) == 4
    demo = portfolio.model_copy(update={"profile": "demo"})
    assert prune(demo, now + timedelta(days=31)) == []
    assert [one.path for one in prune(portfolio, now + timedelta(days=31))] == made[:2]
    assert prune(portfolio, now + timedelta(days=3100)) == []
    assert newest(portfolio) == made[2]
    assert [one.path.name for one in listed(portfolio)] == [made[2].name, "mine.backup"]
    assert listed(portfolio)[1].refusal is not None


@pytest.mark.parametrize(
    ("success", "attempt", "now", "due"),
    [
        (None, None, "2026-11-02 03:00", True),
        (None, "2026-11-02 02:30", "2026-11-02 03:00", False),
        (None, "2026-11-02 01:59", "2026-11-02 03:00", True),
        ("2026-11-02 04:00", "2026-11-02 04:00", "2026-11-03 03:59", False),
        ("2026-11-02 04:00", "2026-11-02 04:00", "2026-11-03 04:00", True),
        ("2026-11-02 12:00", "2026-11-02 12:00", "2026-11-03 03:59", False),
        ("2026-11-02 03:00", "2026-11-02 03:00", "2026-11-02 05:00", True),
        # A clock that was a day ahead.
        ("2026-11-03 12:00", "2026-11-03 12:00", "2026-11-02 12:00", True),
    ],
)
def test_when_the_days_backup_is_due(success: str | None, attempt: str | None, now: str, due: bool) -> None:
    def at(told: str | None) -> datetime | None:
        return None if told is None else datetime.fromisoformat(f"{told}+00:00")

    assert backup_is_due(at(success), at(attempt), 4, datetime.fromisoformat(f"{now}+00:00")) is due


def test_when_a_trial_is_due() -> None:
    now = datetime(2026, 11, 10, tzinfo=UTC)
    assert drill_is_due(None, None, 7, now)
    assert not drill_is_due(None, None, 0, now)
    assert not drill_is_due(now - timedelta(days=6), None, 7, now)
    assert drill_is_due(now - timedelta(days=7), None, 7, now)
    assert not drill_is_due(None, now - timedelta(minutes=59), 7, now)


def test_what_is_scheduled_where_nothing_is_said() -> None:
    assert load_settings().backs_up_daily
    assert load_settings().backs_up_before_migration
    assert not load_settings(profile="demo").backs_up_daily
    assert not load_settings(profile="demo").backs_up_before_migration
    assert load_settings(profile="demo", backup_scheduled=True).backs_up_daily


async def test_that_old_ones_cannot_be_deleted_is_no_failure_of_the_backup(
    portfolio: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise BackupFailedError("A backup cannot be deleted: Read-only file system.")

    monkeypatch.setattr(keeping, "prune", cannot)
    with structlog.testing.capture_logs() as said:
        await Keeper(database, portfolio).look()
    assert await runs(portfolio) == [("backup", "schedule", "success")]
    assert [entry["what"] for entry in said if entry["event"] == "backup_not_possible"] == ["pruning"]


async def test_a_folder_that_hangs_holds_no_other_work_up(
    portfolio: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a share does whose server is away."""
    asked, answers = threading.Event(), threading.Event()
    opens = os.open

    def hanging(path: Any, *how: Any, **more: Any) -> int:
        if str(path).endswith("backups/.lock"):
            asked.set()
            assert answers.wait(20)
        return opens(path, *how, **more)

    monkeypatch.setattr(os, "open", hanging)
    looking = asyncio.create_task(Keeper(database, portfolio).look())
    await comes(asked.is_set)
    assert not looking.done()
    answers.set()
    await looking
    assert await runs(portfolio) == [("backup", "schedule", "success")]
