from pathlib import Path

import pytest

from core.errors import SettingsError
from core.exposure import api_url
from core.settings import Settings, load_settings
from services.stack import app
from services.stack.app import Options, make_plan
from services.stack.token import token_in_force, where_it_is


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, profile="demo")


def test_the_demo_points_the_broker_link_at_its_own_simulator(plain: Settings) -> None:
    plan = make_plan(plain, Options(scenario="quiet"))
    (simulator,) = plan.early
    assert simulator.command[1:6] == ("-m", "services.cli", "simulator", "--port", str(simulator.port))
    assert simulator.command[-6:] == (
        "--scenario",
        "quiet",
        "--book",
        str(plain.data_dir / "simulator" / "book.json"),
        "--statements",
        str(plain.data_dir / "statements" / "inbox"),
    )
    assert (plan.settings.ib_host, plan.settings.ib_port) == ("127.0.0.1", simulator.port)
    assert [child.name for child in plan.children] == ["broker", "worker", "api"]
    assert make_plan(plain, Options(scenario="quiet")).early[0].port == simulator.port


def test_no_past_is_invented_for_a_folder_that_may_be_the_real_portfolios(
    plain: Settings, tmp_path: Path
) -> None:
    for elsewhere in ({"statements_inbox": tmp_path / "mine"}, {"statements_dir": tmp_path / "mine"}):
        (simulator,) = make_plan(plain.model_copy(update=elsewhere), Options(scenario="quiet")).early
        assert "--statements" not in simulator.command


def test_the_real_stack_keeps_the_gateway_of_the_settings(plain: Settings) -> None:
    plan = make_plan(plain.model_copy(update={"ib_host": "gateway.lan", "ib_port": 4001}), Options())
    assert plan.early == ()
    assert (plan.settings.ib_host, plan.settings.ib_port) == ("gateway.lan", 4001)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8321"),
        ("0.0.0.0", "http://127.0.0.1:8321"),
        ("::", "http://[::1]:8321"),
        ("lan.example", "http://lan.example:8321"),
    ],
)
def test_the_address_is_one_that_a_browser_here_can_open(plain: Settings, host: str, url: str) -> None:
    assert api_url(plain.model_copy(update={"api_host": host})) == url


def test_a_token_from_outside_is_neither_written_nor_shown(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, api_token="given")
    assert token_in_force(settings) == "given"
    assert not settings.token_file.exists()
    assert where_it_is(settings) == "token from LOTKEEPER_API_TOKEN"


def test_a_generated_token_is_kept(plain: Settings) -> None:
    token = token_in_force(plain)
    assert len(token) >= 20
    assert token_in_force(plain) == token
    assert app.log_file(plain) == plain.data_dir / "logs" / "lotkeeper.log"


@pytest.mark.parametrize("host", ["203.0.113.5", "nowhere.invalid"])
def test_an_address_that_is_not_ours_is_a_sentence(plain: Settings, host: str) -> None:
    wrong = plain.model_copy(update={"api_host": host})
    for options in (Options(), Options(scenario="quiet")):
        with pytest.raises(SettingsError, match=f"{host}, port .*LOTKEEPER_API_HOST"):
            app.run(wrong, options)
