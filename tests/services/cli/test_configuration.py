"""`lotkeeper config`, `openapi` and `version`: they need nothing that runs, and tell no secret."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import Settings
from models.migrate import head_revision
from tests.services.cli.conftest import Said

Run = Callable[..., Said]
REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
TOKEN, PASSWORD = "a-token-that-nobody-may-see", "a-password-that-nobody-may-see"


def test_every_setting_is_shown_with_what_set_it_and_no_secret(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    (tmp_path / ".env").write_text("LOTKEEPER_IB_HOST=tws.example.org\n")
    monkeypatch.setenv("LOTKEEPER_API_TOKEN_FILE", str(token_file))
    monkeypatch.setenv(
        "LOTKEEPER_DATABASE_URL", f"postgresql://lotkeeper:{PASSWORD}@db.example.org/lotkeeper"
    )
    monkeypatch.setenv("LOTKEEPER_IB_PORT", "7497")
    told = {one["name"]: one for one in lotkeeper("config", "show", "--json").data}
    assert told.keys() == set(Settings.model_fields)
    assert (told["ib_port"]["value"], told["ib_port"]["source"]) == (7497, "environment")
    assert (told["ib_host"]["value"], told["ib_host"]["source"]) == ("tws.example.org", "environment")
    assert (told["api_token"]["value"], told["api_token"]["source"]) == (None, "file")
    assert (told["log_level"]["source"], told["redis_url"]["is_set"]) == ("default", False)
    said = lotkeeper("config", "show", "--set", "--origin")
    for shown in ("LOTKEEPER_IB_PORT", "7497", "4002", "(a secret, set)"):
        assert shown in said.out
    assert "LOTKEEPER_LOG_LEVEL" not in said.out
    everything = said.out + lotkeeper("config", "show").out + json.dumps(told)
    assert TOKEN not in everything
    assert PASSWORD not in everything


def test_some_are_shown_by_either_name_and_an_unknown_one_is_a_sentence(lotkeeper: Run) -> None:
    said = lotkeeper("config", "show", "LOTKEEPER_IB_PORT", "ib_host", "--json")
    assert [one["name"] for one in said.data] == ["ib_port", "ib_host"]
    wrong = lotkeeper("config", "show", "ib_prot")
    assert (wrong.code, wrong.out) == (2, "")
    assert "There is no setting LOTKEEPER_IB_PROT. `lotkeeper config show` lists" in wrong.err


def test_a_wrong_setting_is_named_and_nothing_is_shown(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_IB_PORT", "port")
    wrong = lotkeeper("config", "show")
    assert (wrong.code, wrong.out) == (6, "")
    assert "LOTKEEPER_IB_PORT is wrong" in wrong.err


@pytest.mark.parametrize(("what", "parts"), [("openapi", "paths"), ("asyncapi", "channels")])
def test_the_contract_is_that_of_the_docs(lotkeeper: Run, what: str, parts: str) -> None:
    of_the_docs = json.loads((REFERENCE / f"{what}.json").read_text())
    told = lotkeeper("openapi", what).data
    assert told[what] == of_the_docs[what]
    assert told[parts].keys() == of_the_docs[parts].keys()


def test_the_version_is_told_with_what_it_runs_on(lotkeeper: Run) -> None:
    told = lotkeeper("version", "--json").data
    assert told["schema"] == head_revision()
    assert {"lotkeeper", "python", "system", "ib_async", "asyncpg"} <= told.keys()
    assert told["lotkeeper"] in lotkeeper("version").out
