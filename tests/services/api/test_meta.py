"""What a client needs to begin, and what is set."""

from pathlib import Path

import pytest

from core.settings import PREFIX, Settings, load_settings
from models.migrate import head_revision
from services.api.settings_told import settings_told
from tests.services.api.conftest import Api
from tests.services.api.portfolio import TOKEN, USD


async def test_a_client_is_told_all_it_needs_to_begin(api: Api) -> None:
    told = await api.get("/api/v1/meta")
    assert (told["name"], told["api_version"], told["profile"]) == ("lotkeeper", "v1", "main")
    assert (told["accounts"], told["schema"]) == (2, head_revision())
    assert (told["limits"]["page_default"], told["limits"]["page_most"]) == (100, 500)
    assert told["server_time"].endswith("Z")
    assert told["links"].pop("stream") == "/api/v1/stream"
    # It has no end: that it is there is asked without its content.
    assert (await api.http.head(told["links"].pop("events"))).status_code == 200
    for link in told["links"].values():
        assert (await api.http.get(link)).status_code != 404, link


async def test_settings_are_told_and_never_a_secret(api: Api) -> None:
    answer = await api.http.get("/api/v1/settings")
    told = {one["name"]: one for one in answer.json()["items"]}
    assert set(told) == set(Settings.model_fields)
    assert told["api_token"] == {
        "name": "api_token",
        "variable": "LOTKEEPER_API_TOKEN",
        "meaning": "an admin token instead of the generated one",
        "value": None,
        "default": None,
        "source": "given",
        "secret": True,
        "is_set": True,
    }
    assert (told["flex_token"]["is_set"], told["flex_token"]["source"]) == (False, "default")
    assert told["settle_seconds"]["value"] == 0.2
    for secret in (TOKEN, api.settings.require_database_url().rpartition("/")[2], "redis:"):
        assert secret not in answer.text
    [usd] = [one for one in answer.json()["accounts"] if one["account"] == USD]
    assert (usd["cost_method"], usd["base_currency"]) == ("fifo", "USD")


def test_where_a_setting_comes_from_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOTKEEPER_LOG_LEVEL=DEBUG\nexport LOTKEEPER_IB_HOST=gateway\n")
    (tmp_path / "token").write_text("secret-from-a-file")
    monkeypatch.setenv(f"{PREFIX}IB_PORT", "4001")
    monkeypatch.setenv(f"{PREFIX}FLEX_TOKEN_FILE", str(tmp_path / "token"))
    told = {one.name: one for one in settings_told(load_settings(api_port=9))}
    sources = ("ib_port", "log_level", "ib_host", "flex_token", "api_port", "api_host")
    assert [told[name].source for name in sources] == [
        *("environment", "environment", "environment", "file", "given", "default"),
    ]
    assert (told["flex_token"].value, told["flex_token"].is_set) == (None, True)
    assert (told["ib_port"].value, told["ib_port"].default) == (4001, 4002)


def test_an_env_file_that_is_no_text_is_no_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = load_settings(api_port=9)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    told = {one.name: one for one in settings_told(given)}
    assert told["api_port"].source == "given"
