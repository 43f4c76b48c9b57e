import base64
import json

import httpx
import pytest

from core.errors import LotkeeperError, SettingsError
from services.api.problems import problem_of
from tests.services.api.conftest import Api
from tests.services.api.portfolio import position_id


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
    assert set(told) == {"type", "title", "status", "detail", "code", "request_id"}


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


LISTS_OF_A_TIME = (
    "/api/v1/executions",
    "/api/v1/realized",
    "/api/v1/realized/differences",
    "/api/v1/statistics",
)


@pytest.mark.parametrize("path", LISTS_OF_A_TIME)
@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-01-01T00:00:00", "from: has no zone: end it in Z"),
        ("2026-01-01", "from: has no zone: end it in Z"),
        ("0001-01-01T00:00:00+10:00", "from: is before the first day there is"),
        ("9999-12-31T23:59:59-10:00", "from: is before the first day there is, or after"),
    ],
)
async def test_a_time_that_stands_for_no_moment_is_refused_with_what_to_do(
    api: Api, path: str, moment: str, said: str
) -> None:
    answer = await api.http.get(path, params={"from": moment})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/executions",
        "/api/v1/statistics",
        "/api/v1/positions?status=closed",
        "/api/v1/reconciliations/differences",
    ],
)
async def test_a_symbol_that_no_database_can_hold_is_refused(api: Api, path: str) -> None:
    answer = await api.http.get(path, params={**httpx.URL(path).params, "symbol": "A\0"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert "NUL" in answer.json()["detail"]


def _cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


KEY = str(position_id("aapl"))
_POSITION = f"/api/v1/positions/{KEY}"


@pytest.mark.parametrize(
    ("path", "cursor"),
    [
        ("/api/v1/executions", _cursor("e", "0001-01-01T00:00:00+14:00", "x")),
        ("/api/v1/executions", _cursor("e", "2026-01-01T00:00:00", "x")),
        ("/api/v1/executions", _cursor("e", "2026-01-01T00:00:00Z", "\0")),
        ("/api/v1/realized/differences", _cursor("f", "9999-12-31T23:59:59-14:00", "x")),
        ("/api/v1/realized?group_by=symbol", _cursor("r", "realized", "symbol", "A\0", "U1", "USD")),
        ("/api/v1/statistics", _cursor("r", "statistics", "account", "U1", "U1", "\0")),
        (
            "/api/v1/positions?status=closed",
            _cursor("p", "0001-01-01T00:00:00+14:00", KEY),
        ),
        (f"{_POSITION}/lots", _cursor("l", 2**31)),
        (f"{_POSITION}/lots", _cursor("l", 2**70)),
        (f"{_POSITION}/events", _cursor("v", -(2**40))),
        ("/api/v1/reconciliations", _cursor("n", "reconciliations", 2**63)),
    ],
)
async def test_a_cursor_that_somebody_made_up_is_refused(api: Api, path: str, cursor: str) -> None:
    answer = await api.http.get(path, params={**httpx.URL(path).params, "cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
