from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli.show import age
from tests.services.cli.conftest import FakeApi, Said, write_demo_runtime

Run = Callable[..., Said]
SYNC: dict[str, Any] = {
    "links": {"gateway": "up", "ibkr": "down"},
    "datasets": [
        {
            "account": "DU1",
            "dataset": "positions",
            "as_of": "2026-11-21T12:00:00Z",
            "age_seconds": 75,
            "complete": True,
            "error": None,
        },
        {
            "account": "DU1",
            "dataset": "executions",
            "as_of": None,
            "age_seconds": None,
            "complete": False,
            "error": "timed [/] out",
        },
    ],
    "gaps": [
        {
            "account": "DU1",
            "started_at": "2026-11-19T09:00:00Z",
            "ended_at": "2026-11-20T05:00:00Z",
            "reason": "the gateway waited [/] for a login",
            "detected_at": "2026-11-20T14:00:00Z",
        }
    ],
    "jobs_due": {"due": 3, "overdue_seconds": 61, "failing": 1},
    "streams": [
        {
            "name": "facts",
            "length_entries": 1234,
            "groups": [{"name": "position_sync", "pending_entries": 2, "lag_entries": None}],
        },
        {"name": "ticks", "length_entries": 5, "groups": []},
    ],
    "jobs": [{"id": "j1", "kind": "resync", "status": "succeeded", "created_at": "2026-11-21T11:59:00Z"}],
    "last_errors": [{"at": "2026-11-21T11:00:00Z", "category": "gateway", "message": "was away [/x] [321]"}],
    "dead_facts": [{"category": "unreadable", "occurrences": 3}],
    "freshness": {
        "source": "last_known",
        "as_of": "2026-11-21T11:58:00Z",
        "reason": "ib_1100",
        "links": {"gateway": "up", "ibkr": "down"},
    },
}


def job(status: str, error: str | None = None) -> dict[str, Any]:
    return {"id": "j1", "kind": "resync", "status": status, "progress": None, "error": error}


def test_status_shows_links_data_streams_jobs_and_errors(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["GET /api/v1/sync"] = [(200, SYNC)]
    said = lotkeeper("status")
    assert said.code == 0
    assert fake_api.asked == [("GET /api/v1/sync", "Bearer the-token")]
    for text in (
        f"Lotkeeper (demo): API up at {fake_api.url}/",
        "gateway up, IBKR down. Data: last known (ib 1100), as of 2026-11-21T11:58:00Z.",
        "1 min 15 s",
        "no timed [/] out",
        "1,234",
        "gateway 2026-11-21T11:00:00Z: was away [/x] [321]",
        "kept aside unreadable: 3 messages",
        "the gateway waited [/] for a login",
        "2026-11-20T05:00:00Z",
        "Work due: 3, for 1 min 1 s at most; failing: 1.",
        "not running",
    ):
        assert text in said.out, said.out


def test_status_as_json_has_everything_but_the_secrets(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["GET /api/v1/sync"] = [(200, SYNC)]
    data = lotkeeper("status", "--json").data
    assert data["sync"] == SYNC
    assert data["api"] == {"url": fake_api.url, "up": True}
    assert [process["running"] for process in data["stack"]["processes"]] == [True, False]
    assert "nowhere" not in str(data)


def test_status_without_the_api_shows_the_stack_and_exits_with_3(
    lotkeeper: Run, tmp_path: Path, unused_port: int
) -> None:
    write_demo_runtime(tmp_path / "home", f"http://127.0.0.1:{unused_port}")
    log = tmp_path / "home" / "demo" / "logs" / "lotkeeper.log"
    said = lotkeeper("status")
    assert said.code == 3
    assert "API down" in said.out
    assert "worker" in said.out
    assert said.err == (
        f"Error: The API at http://127.0.0.1:{unused_port} is down: Connection refused. "
        f"Its stack is running, so it is starting or in trouble: see {log}.\n"
    )


def test_status_without_any_stack_says_how_to_start_one(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_API_PORT", str(unused_port))
    said = lotkeeper("status")
    assert said.code == 3
    assert "No stack of this home runs" in said.out
    assert said.err.endswith("Start it with `lotkeeper up`.\n")
    data = lotkeeper("status", "--json").data
    assert data["stack"] is None
    assert data["api"]["up"] is False


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"detail": "who are you"}), "refused the token"),
        ((200, b"<html>"), "is not Lotkeeper's API"),
        ((503, {"detail": "The database is away."}), "says: The database is away."),
        ((500, {}), "says: HTTP 500"),
    ],
)
def test_an_api_that_refuses_is_told_in_one_sentence(
    lotkeeper: Run, fake_api: FakeApi, answer: tuple[int, Any], sentence: str
) -> None:
    fake_api.answers["GET /api/v1/sync"] = [answer]
    said = lotkeeper("status")
    assert said.code == 1
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_the_profile_chooses_among_stacks(lotkeeper: Run, fake_api: FakeApi, unused_port: int) -> None:
    fake_api.answers["GET /api/v1/sync"] = [(200, SYNC)]
    assert lotkeeper("status", "--profile", "demo").code == 0
    said = lotkeeper("status", "--profile", "main")
    assert "No stack of this home runs" in said.out or "Lotkeeper (main)" in said.out
    assert unused_port


def test_a_token_from_the_environment_wins(
    lotkeeper: Run, fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_API_TOKEN", "mine")
    fake_api.answers["GET /api/v1/sync"] = [(200, SYNC)]
    lotkeeper("status")
    assert fake_api.asked[0][1] == "Bearer mine"


def test_resync_asks_and_names_the_job(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": job("queued")})]
    said = lotkeeper("resync")
    assert said.code == 0
    assert "job j1" in said.out
    assert lotkeeper("resync", "--json").data == {"job": job("queued")}


def test_resync_with_wait_follows_the_job_to_its_end(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": job("queued")})]
    fake_api.answers["GET /api/v1/jobs/j1"] = [
        (200, {"job": job("running")}),
        (200, {"job": job("succeeded")}),
    ]
    said = lotkeeper("resync", "--wait")
    assert said.code == 0
    assert [line for line in said.out.splitlines() if line] == [
        "Resync j1: queued",
        "Resync j1: running",
        "Resync j1: succeeded",
        "Resync done: everything was compared with the broker.",
    ]


def test_a_resync_names_the_logins_that_could_not_be_asked(lotkeeper: Run, fake_api: FakeApi) -> None:
    result = {"logins": {"gateway:4001": "", "gateway:4002": "the link to the broker is down"}}
    done = job("succeeded") | {"result": result}
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": done})]
    said = lotkeeper("resync", "--wait")
    assert said.code == 0
    assert said.err == "Not compared, gateway:4002: the link to the broker is down\n"
    assert "what could be asked about was compared" in said.out


def test_a_job_that_the_api_tells_without_an_envelope_is_followed_too(
    lotkeeper: Run, fake_api: FakeApi
) -> None:
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": job("queued")})]
    fake_api.answers["GET /api/v1/jobs/j1"] = [(200, job("succeeded"))]
    assert lotkeeper("resync", "--wait", "--json").data == {"job": job("succeeded")}


def test_a_resync_that_fails_says_why(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": job("failed", "gateway unreachable")})]
    said = lotkeeper("resync", "--wait")
    assert said.code == 1
    assert said.err == "Error: The resync failed: gateway unreachable.\n"


def test_a_resync_that_does_not_end_is_left_after_the_timeout(lotkeeper: Run, fake_api: FakeApi) -> None:
    fake_api.answers["POST /api/v1/sync/resync"] = [(202, {"job": job("queued")})]
    fake_api.answers["GET /api/v1/jobs/j1"] = [(200, {"job": job("running")})]
    said = lotkeeper("resync", "--wait", "--timeout", "1")
    assert said.code == 1
    assert "still running after 1 s" in said.err


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (5, "5 s"), (65, "1 min 5 s"), (7260, "2 h 1 min")]
)
def test_ages_are_readable(seconds: int | None, shown: str) -> None:
    assert age(seconds) == shown


def test_each_login_is_told_where_there_are_several(lotkeeper: Run, fake_api: FakeApi) -> None:
    one = {"accounts": ["U1"], "state": "live", "since": "2026-11-21T12:00:00Z", "reason": None}
    two = {
        "login": "10.0.0.7:4001",
        "accounts": ["U2", "U3"],
        "state": None,
        "since": None,
        "reason": "broker_link_down",
    }
    for logins, is_told in (([one], False), ([one, two], True)):
        fake_api.answers["GET /api/v1/sync"] = [(200, {**SYNC, "logins": logins})]
        said = lotkeeper("status").out
        assert ("Logins" in said) == is_told
        assert ("broker link down" in said) == is_told
        assert ("U2, U3" in said) == is_told
        assert ("10.0.0.7:4001" in said) == is_told
