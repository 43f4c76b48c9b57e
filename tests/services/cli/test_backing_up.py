"""`lotkeeper backup`, and the backup before a migration."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from models.migrate import head_revision
from services.backup.folder import working_in
from services.stack import PostgresServer
from tests.databases import Templates, create_database, drop_database, run_sql
from tests.services.backup.conftest import EXECUTIONS, some_portfolio
from tests.services.cli.conftest import Said, Sql, noted, write_demo_runtime

Run = Callable[..., Said]


@pytest.fixture
def template(templates: Templates) -> str:
    return templates.seeded(some_portfolio)


@pytest.fixture
def url(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return url


def runs(sql: Sql) -> list[tuple[str, str, str]]:
    rows = sql("SELECT kind, trigger, outcome FROM backup_runs ORDER BY id")
    return [(row["kind"], row["trigger"], row["outcome"]) for row in rows]


def test_a_backup_is_taken_listed_verified_and_tried(lotkeeper: Run, sql: Sql, tmp_path: Path) -> None:
    assert lotkeeper("backup", "list").out.startswith("There is no backup in")
    said = lotkeeper("backup", "create")
    assert (said.code, "keep a copy of that file" in said.err) == (0, True)
    assert said.out.endswith(" s.\n")
    told = lotkeeper("backup", "create", "--json")
    assert (told.code, told.err) == (0, "")
    assert told.data["schema"] == head_revision()
    listed = lotkeeper("backup", "list", "--json").data
    assert [one["path"] for one in listed][1] == told.data["path"]
    assert listed[1]["state"] == told.data["state"]
    shown = lotkeeper("backup", "list").out
    assert Path(told.data["path"]).name in shown
    verified = lotkeeper("backup", "verify")
    assert (verified.code, "what is inside is what it says of itself" in verified.out) == (0, True)
    assert lotkeeper("backup", "verify", told.data["path"], "--json").data["opened"] is True
    (tmp_path / "home" / "main" / "backup-identity").rename(tmp_path / "identity")
    without = lotkeeper("backup", "verify")
    assert (without.code, "only its checksum was looked at" in without.out) == (0, True)
    tried = lotkeeper("backup", "drill", "--identity", str(tmp_path / "identity"), "--json")
    assert (tried.code, tried.data["path"]) == (0, told.data["path"])
    tried = lotkeeper("backup", "drill", "--identity", str(tmp_path / "identity"))
    assert "was restored on trial" in tried.out
    assert runs(sql) == [("backup", "cli", "success")] * 2 + [("drill", "cli", "success")] * 2
    assert [one[0] for one in noted(lotkeeper)] == ["backup"] * 2 + ["backup_drill"] * 2
    pruned = lotkeeper("backup", "prune", "--dry-run", "--json").data
    assert pruned == {"dry_run": True, "days": 30, "pruned": []}
    assert lotkeeper("backup", "prune").out == "0 archives older than 30 days deleted (0.0 MB).\n"


@pytest.mark.usefixtures("url")
def test_what_cannot_be_done_is_a_sentence_with_its_exit_code(
    lotkeeper: Run, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lotkeeper("backup", "verify").code == 1
    nothing = lotkeeper("backup", "restore", str(tmp_path / "nothing"))
    assert (nothing.code, "cannot be read: No such file" in nothing.err) == (1, True)
    path = lotkeeper("backup", "create", "--json").data["path"]
    refused = lotkeeper("backup", "restore", path)
    assert (refused.code, "holds a portfolio, and nothing was changed" in refused.err) == (2, True)
    with working_in(tmp_path / "home" / "main" / "backups"):
        locked = lotkeeper("backup", "create")
    assert (locked.code, "Another backup or restore is under way" in locked.err) == (7, True)
    monkeypatch.setenv("LOTKEEPER_POSTGRES_BIN", str(tmp_path))
    programs = lotkeeper("backup", "create")
    assert (programs.code, "found: none" in programs.err) == (6, True)
    monkeypatch.setenv("LOTKEEPER_BACKUP_RECIPIENT", "nonsense")
    assert lotkeeper("backup", "create").code == 6
    monkeypatch.delenv("LOTKEEPER_BACKUP_RECIPIENT")
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:-200])
    for arguments in (["verify", path], ["restore", path], ["drill", path]):
        cut = lotkeeper("backup", *arguments)
        assert (cut.code, "was cut off" in cut.err) == (1, True), arguments
    (listed,) = lotkeeper("backup", "list", "--json").data
    assert "was cut off" in listed["refusal"]
    assert "was cut off" in lotkeeper("backup", "list").out
    failed = [("backup", "cli", "fail"), ("drill", "cli", "fail")]
    assert runs(sql) == [("backup", "cli", "success"), *failed]
    (row,) = sql("SELECT error FROM backup_runs WHERE kind = 'drill'")
    assert "was cut off" in row["error"]


@pytest.mark.usefixtures("url")
def test_a_portfolio_is_replaced_and_what_was_there_is_kept(lotkeeper: Run, sql: Sql) -> None:
    path = lotkeeper("backup", "create", "--json").data["path"]
    sql(EXECUTIONS.format(501, 600))
    restored = lotkeeper("backup", "restore", path, "--replace")
    assert (restored.code, restored.err) == (0, "")
    assert "each as it was saved" in restored.out
    assert "What was in the database before is in" in restored.out
    assert sql("SELECT count(*) AS n FROM executions") == [{"n": 500}]
    assert noted(lotkeeper) == [("backup_restore", Path(path).name, "ok")]
    newest = lotkeeper("backup", "list", "--json").data[-1]
    assert newest["trigger"] == "restore"
    back = lotkeeper("backup", "restore", newest["path"], "--replace", "--json").data
    assert (back["rows"], back["migrated"]) == (newest["rows"], False)
    assert sql("SELECT count(*) AS n FROM executions") == [{"n": 600}]


@pytest.mark.usefixtures("url")
def test_one_command_restores_it_on_a_fresh_machine(
    lotkeeper: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is there but the archive and its identity: not even a database server."""
    path = lotkeeper("backup", "create", "--json").data["path"]
    identity = tmp_path / "home" / "main" / "backup-identity"
    monkeypatch.setenv("LOTKEEPER_HOME", str(tmp_path / "fresh"))
    monkeypatch.delenv("LOTKEEPER_DATABASE_URL")
    nothing = lotkeeper("backup", "create")
    assert (nothing.code, "there is nothing to back up" in nothing.err) == (1, True)
    restored = lotkeeper("backup", "restore", path, "--identity", str(identity))
    assert (restored.code, restored.err) == (0, "")
    assert restored.out.endswith("Start it: lotkeeper up\n")
    kept = tmp_path / "fresh" / "main" / "backup-identity"
    assert f"The identity is in {kept} now" in restored.out
    assert kept.stat().st_mode & 0o777 == 0o600
    # The embedded server is stopped again; a backup starts it for itself.
    again = lotkeeper("backup", "create", "--json")
    assert again.code == 0
    assert "fresh" in again.data["path"]
    opened = lotkeeper("backup", "verify", again.data["path"], "--identity", str(identity))
    assert opened.code == 0, "what is made from now on opens with the copy that its owner has"
    refused = lotkeeper("backup", "restore", path, "--identity", str(identity))
    assert (refused.code, "--replace" in refused.err) == (2, True)
    with PostgresServer(tmp_path / "fresh" / "main" / "postgres") as server:
        (row,) = asyncio.run(run_sql(server.url, "SELECT count(*) AS n FROM executions"))
    assert row["n"] == 500


def test_while_lotkeeper_runs_on_it_nothing_is_restored(
    lotkeeper: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lotkeeper("backup", "create", "--json").data["path"]
    monkeypatch.delenv("LOTKEEPER_DATABASE_URL")
    write_demo_runtime(tmp_path / "home", "http://127.0.0.1:1", url)
    refused = lotkeeper("backup", "restore", path, "--profile", "demo")
    assert (refused.code, "Lotkeeper runs on the database of demo" in refused.err) == (7, True)
    # The running stack's database is what is backed up; it is another profile's here.
    assert "--profile main" in lotkeeper("backup", "create").err


@pytest.mark.usefixtures("url")
def test_an_archive_goes_into_a_database_that_is_not_there_yet(
    lotkeeper: Run, postgres_server: PostgresServer
) -> None:
    path = lotkeeper("backup", "create", "--json").data["path"]
    into = postgres_server.url_of("restored_here")
    try:
        said = lotkeeper("backup", "restore", path, "--into", into)
        assert (said.code, said.err, "Start it" in said.out) == (0, "", False)
        assert asyncio.run(run_sql(into, "SELECT count(*) AS n FROM executions")) == [{"n": 500}]
    finally:
        asyncio.run(drop_database(postgres_server, into))


OLDER = (
    "DROP TABLE position_notes, position_tags",
    "DROP TABLE backup_runs, alert_deliveries, alert_messages, alert_conditions, price_limits",
    "ALTER TABLE broker_accounts DROP COLUMN called",
    "ALTER TABLE broker_accounts DROP COLUMN login CASCADE",
    "ALTER TABLE broker_sessions DROP COLUMN place, DROP COLUMN accounts, DROP COLUMN given_up_at",
    "DROP INDEX ix_sync_log_link",
    "ALTER TABLE broker_links DROP COLUMN login, ADD COLUMN id integer NOT NULL DEFAULT 1",
    "ALTER TABLE broker_links ADD CONSTRAINT pk_broker_links PRIMARY KEY (id)",
    "UPDATE alembic_version SET version_num = '0034'",
)


def test_before_a_migration_what_there_is_is_backed_up(lotkeeper: Run, sql: Sql) -> None:
    assert "backup" not in lotkeeper("migrate", "--json").data, "nothing changes"
    sql(*OLDER)
    said = lotkeeper("migrate", "--json")
    assert said.data["revision"] == head_revision()
    assert runs(sql) == [("backup", "migration", "success")]
    listed = lotkeeper("backup", "list", "--json").data
    assert [(one["path"], one["schema"]) for one in listed] == [(said.data["backup"], "0034")]
    # Back to before, in an older version; here it is migrated once more.
    restored = lotkeeper("backup", "restore", said.data["backup"], "--replace", "--json").data
    assert (restored["migrated"], restored["schema"]) == (True, head_revision())
    assert sql("SELECT count(*) AS n FROM executions") == [{"n": 500}]


def test_where_no_backup_can_be_taken_nothing_is_migrated_unless_that_is_said(
    lotkeeper: Run, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(*OLDER)
    monkeypatch.setenv("LOTKEEPER_POSTGRES_BIN", str(tmp_path))
    refused = lotkeeper("migrate")
    assert refused.code == 1
    assert "no backup could be taken before, so nothing was" in refused.err
    assert sql("SELECT version_num FROM alembic_version") == [{"version_num": "0034"}]
    monkeypatch.setenv("LOTKEEPER_BACKUP_BEFORE_MIGRATION", "false")
    assert lotkeeper("migrate").code == 0
    assert lotkeeper("backup", "list", "--json").data == []


def test_an_empty_database_is_migrated_without_a_backup(
    lotkeeper: Run, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = asyncio.run(create_database(postgres_server, "template1"))
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", empty)
    try:
        said = lotkeeper("migrate", "--json")
        assert said.data == {"profile": "main", "revision": head_revision()}
    finally:
        asyncio.run(drop_database(postgres_server, empty))


def test_a_worker_takes_backups_along(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.position_sync import app  # noqa: PLC0415 - not for help

    started: list[str] = []

    def told(_settings: object, companions: list[Callable[..., object]], _hourly: object) -> None:
        started.extend(one.__name__ for one in companions)

    monkeypatch.setattr(app, "run", told)
    lotkeeper("worker")
    assert "keep_backups" in started
