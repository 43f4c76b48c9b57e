"""The metrics tell how old the last good backup is, and the last that was restored on trial."""

from datetime import timedelta
from decimal import Decimal

from core.clock import utc_now
from core.domain.backups import WAL_SLOT
from models.session import Database
from models.stores.backups import KEPT, note_backup_run
from tests.services.api.conftest import Api
from tests.services.snapshot.world import run_sql


async def told(api: Api) -> dict[str, float]:
    lines = (await api.http.get("/metrics")).text.splitlines()
    return {
        name.removeprefix("lotkeeper_backup_"): float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if line.startswith("lotkeeper_backup_"))
    }


async def test_ages_are_of_what_went_well_and_absent_before(api: Api, database: Database) -> None:
    assert (await told(api)).keys() == {"wanted", "drill_interval_seconds"}
    now, seconds = utc_now(), Decimal("1.5")
    async with database.write() as writer:
        await note_backup_run(
            writer,
            kind="backup",
            trigger="schedule",
            finished_at=now - timedelta(hours=3),
            seconds=seconds,
            taken_at=now - timedelta(hours=4),
            size=12_345,
        )
    found = await told(api)
    assert found["size_bytes"] == 12_345
    assert found['last_succeeded{kind="backup"}'] == 1
    assert 4 * 3600 <= found["age_seconds"] < 4 * 3600 + 60
    assert "verified_restore_age_seconds" not in found
    async with database.write() as writer:
        for kind, ago in (("drill", 2), ("backup", 1)):
            await note_backup_run(
                writer,
                kind=kind,
                trigger="schedule",
                finished_at=now - timedelta(hours=ago),
                seconds=seconds,
                taken_at=now - timedelta(hours=4),
                error="The disk is full." if kind == "backup" else None,
            )
    found = await told(api)
    assert (found['last_succeeded{kind="backup"}'], found['last_succeeded{kind="drill"}']) == (0, 1)
    assert 4 * 3600 <= found["age_seconds"] < 4 * 3600 + 60, "a failure makes none younger"
    assert found["size_bytes"] == 12_345
    assert (found["wanted"], found["drill_interval_seconds"]) == (1, 7 * 86_400)
    assert 2 * 3600 <= found["verified_restore_age_seconds"] < 2 * 3600 + 60


async def test_what_is_long_ago_is_forgotten(database: Database) -> None:
    now = utc_now()
    for ago in (KEPT + timedelta(days=1), timedelta()):
        async with database.write() as writer:
            await note_backup_run(
                writer, kind="drill", trigger="cli", finished_at=now - ago, seconds=Decimal(1)
            )
    assert len(await run_sql(database, "SELECT id FROM backup_runs")) == 1


async def test_how_far_behind_the_fetching_of_wal_is_is_told_where_it_is_fetched(
    api: Api, database: Database
) -> None:
    async def recovery() -> dict[str, float]:
        lines = (await api.http.get("/metrics")).text.splitlines()
        told = [line.rsplit(" ", 1) for line in lines if line.startswith("lotkeeper_recovery_")]
        return {name.removeprefix("lotkeeper_recovery_"): float(value) for name, value in told}

    assert await recovery() == {}
    slot = f"pg_create_physical_replication_slot('{WAL_SLOT}', true)"
    await run_sql(database, f"SELECT {slot}")
    try:
        async with database.write() as writer:
            await note_backup_run(
                writer,
                kind="base",
                trigger="schedule",
                finished_at=utc_now(),
                seconds=Decimal(1),
                taken_at=utc_now() - timedelta(hours=1),
            )
        found = await recovery()
    finally:
        await run_sql(database, f"SELECT pg_drop_replication_slot('{WAL_SLOT}')")
    assert found["wal_fetched"] == 0
    assert found["wal_behind_bytes"] > 0
    assert 3600 <= found["base_age_seconds"] < 3700
