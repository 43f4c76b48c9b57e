from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings
from core.settings.values import default_home


def test_defaults_are_those_of_a_local_gateway(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    assert (settings.ib_host, settings.ib_port, settings.api_host, settings.api_port) == (
        "127.0.0.1",
        4002,
        "127.0.0.1",
        8321,
    )
    assert settings.token_file == tmp_path / "main" / "api-token"


def test_variables_carry_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTKEEPER_IB_PORT", "7497")
    assert load_settings().ib_port == 7497


def test_a_dotenv_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOTKEEPER_IB_CLIENT_ID=9\n")
    assert load_settings().ib_client_id == 9


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("LOTKEEPER_IB_PORT", "seven", "integer"),
        ("LOTKEEPER_IB_PORT", "70000", "65535"),
        ("LOTKEEPER_IB_TIMEZONE", "Mars/Olympus", "US/Eastern"),
        ("LOTKEEPER_SWEEP_SECONDS", "0", "greater than 0"),
        ("LOTKEEPER_PROFILE", "other", "demo"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} is wrong: .*{word}"):
        load_settings()
    assert SettingsError.exit_code == 6


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", "mysql://user:hunter2@host/db")
    with pytest.raises(
        SettingsError, match=r"LOTKEEPER_DATABASE_URL must start with postgresql://"
    ) as caught:
        load_settings().require_database_url()
    assert "hunter2" not in str(caught.value)


def test_secrets_may_come_as_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgres://a:b@c/d\n")
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL_FILE", str(secret))
    assert load_settings().require_database_url() == "postgresql+asyncpg://a:b@c/d"


def test_a_secret_file_that_is_not_there_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOTKEEPER_API_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match=r"LOTKEEPER_API_TOKEN_FILE names .*cannot be read"):
        load_settings()


def test_a_missing_server_says_how_to_get_one() -> None:
    with pytest.raises(SettingsError, match=r"LOTKEEPER_DATABASE_URL is not set.*lotkeeper up"):
        load_settings().require_database_url()
    with pytest.raises(SettingsError, match="LOTKEEPER_REDIS_URL is not set"):
        load_settings().require_redis_url()


def test_redis_urls_are_checked() -> None:
    assert load_settings(redis_url="unix:///tmp/r").require_redis_url() == "unix:///tmp/r"
    with pytest.raises(SettingsError, match="LOTKEEPER_REDIS_URL must start with redis://"):
        load_settings(redis_url="http://x").require_redis_url()


def test_the_home_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_home() == Path.home() / ".local" / "share" / "lotkeeper"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_home() == tmp_path / "lotkeeper"


def test_every_stream_of_an_installation_is_its_own() -> None:
    settings = load_settings(stream_prefix="x")
    names = {
        settings.facts_stream,
        settings.ticks_stream,
        settings.changes_stream,
        settings.requests_stream,
        settings.queue_name,
    }
    assert len(names) == 5
    assert all(name.startswith("x:{0}:") for name in names)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTKEEPER_API_TOKEN", "")
    monkeypatch.setenv("LOTKEEPER_IB_PORT", "")
    settings = load_settings()
    assert settings.api_token is None
    assert settings.ib_port == 4002


@pytest.mark.parametrize(("content", "reason"), [(b"\n", "is empty"), (b"\xff\xfe", "it is not text")])
def test_a_secret_file_without_a_secret_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, reason: str
) -> None:
    secret = tmp_path / "token"
    secret.write_bytes(content)
    monkeypatch.setenv("LOTKEEPER_API_TOKEN_FILE", str(secret))
    with pytest.raises(SettingsError, match=f"LOTKEEPER_API_TOKEN_FILE names {secret}.*{reason}"):
        load_settings()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_an_address_that_nothing_can_read_is_told_without_its_password(name: str) -> None:
    scheme = "postgresql" if name == "DATABASE_URL" else "redis"
    settings = load_settings(**{name.lower(): f"{scheme}://user:hunter2@host:port/0"})
    ask = settings.require_database_url if name == "DATABASE_URL" else settings.require_redis_url
    with pytest.raises(SettingsError, match=f"LOTKEEPER_{name}") as caught:
        ask()
    assert "hunter2" not in str(caught.value)


def test_the_encryption_that_a_provider_prescribes_reaches_asyncpg_under_its_own_name() -> None:
    settings = load_settings(database_url="postgres://u:p%40@h/db?sslmode=require&application_name=x")
    assert settings.require_database_url() == (
        "postgresql+asyncpg://u:p%40@h/db?ssl=require&application_name=x"
    )
