from collections.abc import Callable
from pathlib import Path

import pytest

from models.migrate import head_revision
from services.stack import PostgresServer
from tests.services.cli.conftest import Said, write_demo_runtime

Run = Callable[..., Said]


@pytest.fixture
def migrated_database(postgres_server: PostgresServer, template: str) -> str:
    """Migrating it again changes nothing, so the template itself serves."""
    return postgres_server.url_of(template)


def test_without_a_database_the_sentence_names_the_setting(lotkeeper: Run) -> None:
    said = lotkeeper("migrate")
    assert said.code == 6
    assert "LOTKEEPER_DATABASE_URL is not set" in said.err


def test_a_database_that_is_not_there_is_exit_code_3(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", f"postgresql://x:y@127.0.0.1:{unused_port}/z")
    said = lotkeeper("migrate")
    assert said.code == 3
    assert said.err.startswith("Error: PostgreSQL cannot be reached")


def test_the_database_of_the_settings_is_migrated(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, migrated_database: str
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", migrated_database)
    said = lotkeeper("migrate", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.data == {"profile": "main", "revision": head_revision()}


def test_the_lock_of_a_migration_goes_past_a_pooler(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, migrated_database: str, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", f"postgresql://x:y@127.0.0.1:{unused_port}/z")
    monkeypatch.setenv("LOTKEEPER_DATABASE_DIRECT_URL", migrated_database)
    said = lotkeeper("migrate", "--json")
    assert (said.code, said.err) == (0, "")


def test_the_database_of_the_running_stack_is_found(
    lotkeeper: Run, tmp_path: Path, migrated_database: str
) -> None:
    write_demo_runtime(tmp_path / "home", "http://127.0.0.1:1", migrated_database)
    said = lotkeeper("migrate")
    # The template belongs to `main`: the demo of the runtime file is refused, so it was that one we reached.
    assert said.code == 6
    assert "demo" in said.err
