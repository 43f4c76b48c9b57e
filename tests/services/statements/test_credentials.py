"""Where the Flex token and the queries come from."""

import re
import stat
import traceback
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import SettingsError
from core.settings import Settings, load_settings
from services.statements.credentials import (
    credentials_of,
    require_credentials,
    store_credentials,
)

TOKEN = "471147114711"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def test_what_was_stored_is_found_and_for_its_owner_only(settings: Settings) -> None:
    assert credentials_of(settings) is None
    store_credentials(settings.flex_file, SecretStr(TOKEN), ["1", "22"])
    found = credentials_of(settings)
    assert found is not None
    assert (found.token.get_secret_value(), found.queries) == (TOKEN, ("1", "22"))
    assert stat.S_IMODE(settings.flex_file.stat().st_mode) == 0o600
    assert settings.flex_file == settings.home / "main" / "flex.json"
    assert TOKEN not in repr(found)


def test_the_last_day_is_that_of_the_settings_else_the_stored_one(settings: Settings) -> None:
    day = date(2027, 6, 30)
    store_credentials(settings.flex_file, SecretStr(TOKEN), ["1"], day)
    stored = credentials_of(settings)
    assert stored is not None
    assert stored.expires_on == day
    # What was stored is of the stored token.
    elsewhere = credentials_of(settings.model_copy(update={"flex_token": SecretStr("1")}))
    assert elsewhere is not None
    assert elsewhere.expires_on is None


def test_what_is_stored_anew_takes_the_place_of_the_old_at_once(settings: Settings) -> None:
    store_credentials(settings.flex_file, SecretStr("1"), ["1"])
    old = credentials_of(settings)
    settings.flex_file.chmod(0o644)
    store_credentials(settings.flex_file, SecretStr(TOKEN), ["2"])
    new = credentials_of(settings)
    assert old is not None
    assert new is not None
    assert (new.token.get_secret_value(), new.queries) == (TOKEN, ("2",))
    assert stat.S_IMODE(settings.flex_file.stat().st_mode) == 0o600
    assert [path.name for path in settings.flex_file.parent.iterdir()] == ["flex.json"]
    assert (old.mark == new.mark, len(new.mark), new.mark in TOKEN) == (False, 8, False)


def test_settings_win_over_what_was_stored_one_by_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store_credentials(settings.flex_file, SecretStr(TOKEN), ["1"])
    monkeypatch.setenv("LOTKEEPER_FLEX_QUERIES", " 7, 8 9,7,")
    found = require_credentials(load_settings(home=tmp_path))
    assert (found.token.get_secret_value(), found.queries) == (TOKEN, ("7", "8", "9"))
    secret = tmp_path / "secret"
    secret.write_text("4712\n")
    monkeypatch.setenv("LOTKEEPER_FLEX_TOKEN_FILE", str(secret))
    found = require_credentials(load_settings(home=tmp_path))
    assert (found.token.get_secret_value(), found.queries) == ("4712", ("7", "8", "9"))
    monkeypatch.delenv("LOTKEEPER_FLEX_QUERIES")
    assert require_credentials(load_settings(home=tmp_path)).queries == ("1",)


def test_a_query_that_is_no_number_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTKEEPER_FLEX_QUERIES", "1,../2")
    with pytest.raises(SettingsError, match=re.escape("LOTKEEPER_FLEX_QUERIES is wrong")):
        load_settings()


def test_without_a_token_the_sentence_says_how_to_get_one_stored(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="lotkeeper flex setup"):
        require_credentials(settings)
    store_credentials(settings.flex_file, SecretStr(""), ["1"])
    assert credentials_of(settings) is None


@pytest.mark.parametrize("content", [f'{{"token": {TOKEN}}}', f'{{"token": "{TOKEN}', f"\xff{TOKEN}", ""])
def test_a_damaged_file_is_named_and_nothing_of_it_repeated(settings: Settings, content: str) -> None:
    settings.flex_file.parent.mkdir(parents=True)
    settings.flex_file.write_text(content, encoding="latin-1")
    with pytest.raises(SettingsError, match="is damaged") as caught:
        credentials_of(settings)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_file_that_cannot_be_read_or_written_is_named(settings: Settings) -> None:
    settings.flex_file.mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        credentials_of(settings)
    with pytest.raises(SettingsError, match="cannot be written"):
        store_credentials(settings.flex_file, SecretStr("1"), [])
    assert [path.name for path in settings.flex_file.parent.iterdir()] == ["flex.json"]


def test_folders_are_of_the_profile_unless_they_are_set(settings: Settings, tmp_path: Path) -> None:
    assert settings.statements_folder == tmp_path / "main" / "statements"
    assert settings.statements_inbox_folder == tmp_path / "main" / "statements" / "inbox"
    other = load_settings(home=tmp_path, statements_dir=tmp_path / "a", statements_inbox=tmp_path / "b")
    assert (other.statements_folder, other.statements_inbox_folder) == (tmp_path / "a", tmp_path / "b")
