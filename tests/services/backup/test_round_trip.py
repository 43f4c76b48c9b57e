"""What was saved is what is restored: to the last row, with the files it needs, and with who may see what."""

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from models.access import access_of
from models.migrate import head_revision, require_current
from models.session import Database
from services.backup import creating
from services.backup.archives import look_at, open_archive
from services.backup.creating import Created, create
from services.backup.errors import BackupFailedError, BackupLockedError, HoldsDataError, RestoredDiffersError
from services.backup.folder import working_in
from services.backup.keys import identities
from services.backup.manifest import state_of
from services.backup.moment import tables_of
from services.backup.programs import Program
from services.backup.restoring import drill, restore
from tests.databases import run_sql
from tests.services.backup.conftest import EXECUTIONS, databases_beside, left_in, url_of


@pytest.mark.grown
async def test_a_portfolio_is_restored_on_an_empty_machine_to_the_last_row(
    portfolio: Settings, archive: Created, empty: Settings
) -> None:
    saved = await tables_of(portfolio.require_database_url())
    assert archive.manifest.tables == saved
    assert archive.manifest.state == state_of(saved)
    assert archive.manifest.rows > 100_000
    restored = await restore(empty, archive.path, identities(portfolio))
    url = empty.require_database_url()
    assert await tables_of(url) == saved
    assert (restored.migrated_to, restored.saved_before) == (None, None)
    await require_current(url, "main")
    database = Database(url, application="test")
    async with database.read() as reader:
        # Who sees some accounts only is let in again: the role is of the new database's name.
        access = await access_of(reader)
    await database.close()
    assert access.role == access.wanted is not None
    assert await databases_beside(empty) == []
    assert left_in(empty.backup_folder) == []


async def test_files_that_the_database_needs_come_with_it(portfolio: Settings, empty: Settings) -> None:
    portfolio.data_dir.mkdir(parents=True)
    portfolio.second_factor_key_file.write_text("the key\n")
    portfolio.flex_file.write_text('{"token": "1"}')
    empty.data_dir.mkdir(parents=True)
    empty.second_factor_key_file.write_text("another key\n")
    created = await create(portfolio, "cli")
    restored = await restore(empty, created.path, identities(portfolio))
    assert sorted(restored.files) == ["flex.json", "second-factor-key"]
    assert empty.second_factor_key_file.read_text() == "the key\n"
    assert empty.flex_file.read_text() == '{"token": "1"}'
    assert stat.S_IMODE(empty.flex_file.stat().st_mode) == 0o600
    (aside,) = restored.aside
    assert aside.read_text() == "another key\n"
    assert not empty.token_file.exists()


async def test_only_its_owner_can_read_an_archive_and_its_key(portfolio: Settings, archive: Created) -> None:
    for path in (archive.path, portfolio.backup_identity_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert archive.key_made == portfolio.backup_identity_file
    assert left_in(portfolio.backup_folder) == []
    content = archive.path.read_bytes()
    assert b"DU1000001" not in content
    assert b"PGDMP" not in content
    again = await create(portfolio, "cli")
    assert again.key_made is None


async def test_what_is_written_meanwhile_is_in_neither_the_rows_nor_the_hash(
    portfolio: Settings, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = creating.dump

    def and_more_is_written_first(*arguments: Any) -> Program:
        """The moment is held already, and pg_dump has not begun."""
        with ThreadPoolExecutor(1) as aside:
            writing = aside.submit(asyncio.run, run_sql(url_of(portfolio), EXECUTIONS.format(501, 600)))
            writing.result()
        return begin(*arguments)

    monkeypatch.setattr(creating, "dump", and_more_is_written_first)
    created = await create(portfolio, "cli")
    assert created.manifest.tables["executions"].rows == 500
    assert (await tables_of(portfolio.require_database_url()))["executions"].rows == 600
    await restore(empty, created.path, identities(portfolio))
    (row,) = await run_sql(url_of(empty), "SELECT count(*) AS n FROM executions")
    assert row["n"] == 500


async def test_a_portfolio_is_replaced_only_where_that_is_said_and_is_saved_before(
    portfolio: Settings, archive: Created
) -> None:
    url = url_of(portfolio)
    await run_sql(url, EXECUTIONS.format(501, 600))
    later = await tables_of(portfolio.require_database_url())
    with pytest.raises(HoldsDataError, match=r"nothing was changed.*--replace"):
        await restore(portfolio, archive.path, identities(portfolio))
    assert await tables_of(portfolio.require_database_url()) == later
    restored = await restore(portfolio, archive.path, identities(portfolio), replace=True)
    assert await tables_of(portfolio.require_database_url()) == archive.manifest.tables
    assert restored.saved_before is not None
    assert look_at(restored.saved_before).manifest.tables == later
    assert await databases_beside(portfolio) == []


async def test_what_is_written_after_it_was_saved_is_kept(
    portfolio: Settings, archive: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a cron job in the minutes that a restore takes."""
    from services.backup import restoring  # noqa: PLC0415 - a part of it is changed

    whole = restoring.analyse

    async def and_somebody_writes(connection: Any) -> None:
        await run_sql(url_of(portfolio), EXECUTIONS.format(501, 507))
        await whole(connection)

    monkeypatch.setattr(restoring, "analyse", and_somebody_writes)
    restored = await restore(portfolio, archive.path, identities(portfolio), replace=True)
    assert await tables_of(portfolio.require_database_url()) == archive.manifest.tables
    kept = restored.aside_database
    assert kept is not None
    beside = url_of(portfolio).rpartition("/")[0] + f"/{kept}"
    assert await run_sql(beside, "SELECT count(*) AS n FROM executions") == [{"n": 507}]
    # Nor does a later restore clear it away.
    monkeypatch.setattr(restoring, "analyse", whole)
    again = await restore(portfolio, archive.path, identities(portfolio), replace=True)
    assert again.aside_database is None
    assert await run_sql(beside, "SELECT count(*) AS n FROM executions") == [{"n": 507}]
    await run_sql(url_of(portfolio), f'DROP DATABASE "{kept}"')


@pytest.mark.parametrize("replace", [False, True])
async def test_what_is_no_database_of_ours_is_never_replaced(
    replace: bool, portfolio: Settings, archive: Created, empty: Settings
) -> None:
    """As where an address is mistyped: somebody else's tables are there."""
    await run_sql(url_of(empty), "CREATE TABLE invoices AS SELECT 1 AS id")
    with pytest.raises(HoldsDataError, match="tables that are not Lotkeeper's"):
        await restore(empty, archive.path, identities(portfolio), replace=replace)
    assert await run_sql(url_of(empty), "SELECT id FROM invoices") == [{"id": 1}]


@pytest.mark.parametrize("replace", [False, True])
async def test_nor_is_one_that_has_a_schema_of_ours_besides(
    replace: bool, portfolio: Settings, archive: Created
) -> None:
    await run_sql(url_of(portfolio), "CREATE TABLE invoices AS SELECT 1 AS id")
    with pytest.raises(HoldsDataError, match="tables that are not Lotkeeper's"):
        await restore(portfolio, archive.path, identities(portfolio), replace=replace)
    assert await run_sql(url_of(portfolio), "SELECT id FROM invoices") == [{"id": 1}]


async def test_the_files_of_a_trial_elsewhere_stay_out_of_the_profile(
    portfolio: Settings, empty: Settings
) -> None:
    portfolio.data_dir.mkdir(parents=True, exist_ok=True)
    portfolio.flex_file.write_text("{}")
    created = await create(portfolio, "cli")
    restored = await restore(empty, created.path, identities(portfolio), with_files=False)
    assert (list(restored.files), restored.identity) == ([], None)
    assert not empty.flex_file.exists()
    assert not empty.backup_identity_file.exists()


async def test_a_file_that_cannot_be_written_changes_nothing(portfolio: Settings, empty: Settings) -> None:
    portfolio.data_dir.mkdir(parents=True)
    portfolio.flex_file.write_text("{}")
    created = await create(portfolio, "cli")
    # A folder where the draft would be.
    (empty.data_dir / ".flex.json.restored").mkdir(parents=True)
    with pytest.raises(BackupFailedError, match=r"cannot be written to .* Nothing was changed"):
        await restore(empty, created.path, identities(portfolio))
    assert await run_sql(url_of(empty), "SELECT 1 FROM pg_class WHERE relname = 'executions'") == []
    assert await databases_beside(empty) == []


async def test_a_database_in_use_is_not_replaced(portfolio: Settings, archive: Created) -> None:
    database = Database(portfolio.require_database_url(), application="worker")
    async with database.read():
        with pytest.raises(BackupLockedError, match=r"in use \(lotkeeper-worker\).*Stop Lotkeeper"):
            await restore(portfolio, archive.path, identities(portfolio), replace=True)
    await database.close()
    assert await tables_of(portfolio.require_database_url()) == archive.manifest.tables


async def test_one_at_a_time(portfolio: Settings, archive: Created) -> None:
    with working_in(portfolio.backup_folder):
        with pytest.raises(BackupLockedError) as refused:
            await create(portfolio, "cli")
        assert refused.value.exit_code == 7
        with pytest.raises(BackupLockedError):
            await restore(portfolio, archive.path, identities(portfolio), replace=True)


async def test_two_machines_back_one_database_up_one_after_the_other(
    portfolio: Settings, tmp_path: Path
) -> None:
    from services.backup.moment import moment_of  # noqa: PLC0415 - what another machine would hold

    elsewhere = portfolio.model_copy(update={"home": tmp_path / "other"})
    async with moment_of(portfolio.require_database_url()):
        with pytest.raises(BackupLockedError, match="Another backup of this database"):
            await create(elsewhere, "cli")
    assert list(elsewhere.backup_folder.glob("*.backup")) == []


async def test_a_trial_is_dropped_and_what_there_is_is_not_touched(
    portfolio: Settings, archive: Created
) -> None:
    await run_sql(url_of(portfolio), EXECUTIONS.format(501, 600))
    manifest = await drill(portfolio, archive.path, identities(portfolio))
    assert manifest == archive.manifest
    assert (await tables_of(portfolio.require_database_url()))["executions"].rows == 600
    assert await databases_beside(portfolio) == []


async def test_nothing_unencrypted_comes_into_the_folder_of_archives(
    portfolio: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a share, and shares remember."""
    shared = portfolio.model_copy(update={"backup_dir": tmp_path / "share"})
    created = await create(shared, "cli")
    from services.backup import restoring  # noqa: PLC0415 - a part of it is changed

    whole, seen = restoring.choose, list[Path]()

    def and_look(*arguments: Any) -> Path:
        seen.extend((tmp_path / "share").rglob("*"))
        seen.append(arguments[2])
        return whole(*arguments)

    monkeypatch.setattr(restoring, "choose", and_look)
    await drill(shared, created.path, identities(shared))
    assert sorted(path.name for path in seen[:-1]) == [".lock", created.path.name]
    assert seen[-1].is_relative_to(shared.data_dir)
    assert not seen[-1].parent.exists()


async def test_a_trial_finds_a_difference(
    portfolio: Settings, archive: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if PostgreSQL had not given back what was given to it."""
    from services.backup import restoring  # noqa: PLC0415 - a part of it is changed

    whole = restoring.begin_restore

    def and_then_one_is_changed(*arguments: object) -> object:
        program = whole(*arguments)  # type: ignore[arg-type]
        end = program.end

        def ended() -> None:
            import asyncio  # noqa: PLC0415 - in a thread of its own

            end()
            beside = arguments[1].render_as_string(hide_password=False)  # type: ignore[attr-defined]
            asyncio.run(
                run_sql(
                    beside.replace("+asyncpg", ""),
                    "UPDATE executions SET price = price + 0.01 WHERE exec_id = 'c7'",
                    "DELETE FROM marks",
                )
            )

        program.end = ended  # type: ignore[method-assign]
        return program

    monkeypatch.setattr(restoring, "begin_restore", and_then_one_is_changed)
    with pytest.raises(RestoredDiffersError) as found:
        await drill(portfolio, archive.path, identities(portfolio))
    assert found.value.exit_code == 5
    assert "executions has other values in its 500 rows" in str(found.value)
    assert "marks has 0 rows for" in str(found.value)
    assert await databases_beside(portfolio) == []


async def test_the_manifest_inside_is_the_one_outside(archive: Created, portfolio: Settings) -> None:
    kept = look_at(archive.path)
    assert open_archive(kept, identities(portfolio)) == archive.manifest == kept.manifest
    assert kept.bytes == archive.bytes == archive.path.stat().st_size
    assert kept.manifest.schema == head_revision()
    assert {"database.dump"} == set(kept.manifest.parts)
