import pytest

from core.errors import LotkeeperError, SettingsError
from services.api.problems import problem_of
from tests.services.api.conftest import Api


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v2/positions", "/api/", "/api", "/api/v1/positions/x/y/z"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_api_path_is_a_problem_and_never_html(api: Api, path: str, method: str) -> None:
    answer = await api.http.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == "not_found"
    assert told["type"] == "urn:lotkeeper:problem:not_found"
    assert set(told) == {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/positions"),
        ("DELETE", "/api/v1/accounts"),
        ("GET", "/api/v1/sync/resync"),
        ("POST", "/"),
    ],
)
async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    api: Api, method: str, path: str
) -> None:
    answer = await api.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]


def test_what_is_not_expected_tells_nothing_of_its_inside(capsys: pytest.CaptureFixture[str]) -> None:
    problem = problem_of(RuntimeError("account U1234567"))
    assert (problem.status, problem.code) == (500, "internal_error")
    assert "U1234567" not in bytes(problem.response().body).decode()
    assert "U1234567" not in capsys.readouterr().out


def test_our_own_errors_keep_their_code_and_sentence() -> None:
    class OddError(LotkeeperError):
        code = "odd"

    problem = problem_of(OddError("Turn it off and on."))
    assert (problem.status, problem.code, problem.detail) == (500, "odd", "Turn it off and on.")
    assert problem_of(SettingsError("x")).code == "settings_invalid"
