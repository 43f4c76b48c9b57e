"""`lotkeeper jobs …` on a real database."""

from collections.abc import Callable

import pytest

from tests.services.cli.conftest import Said, Sql

Run = Callable[..., Said]
FAILED = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str, sql: Sql) -> Run:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(
        "INSERT INTO jobs (id, kind, status, requested_by, created_at, error, progress, details) VALUES "
        "('00000000-0000-0000-0000-000000000001', 'snapshot', 'failed', 'api', now() - interval '1 hour', "
        "'no [marks]', NULL, '{\"account\": \"U1\"}'), "
        "('00000000-0000-0000-0000-000000000002', 'resync', 'running', 'cli', now(), NULL, 0.25, '{}')",
        "INSERT INTO coalesced_jobs (kind, account, wanted, done, attempts, error, wanted_at, due_at, "
        "trigger) VALUES ('reconcile', 'U1', 2, 1, 3, 'busy', now(), now(), 'x')",
    )
    return lotkeeper


def test_jobs_are_listed_newest_first_with_what_is_tried_in_vain(lk: Run) -> None:
    told = lk("jobs", "list", "--json").data
    assert [one["kind"] for one in told["jobs"]] == ["resync", "snapshot"]
    assert told["failing_work"][0]["attempts"] == 3
    said = lk("jobs", "list")
    assert "running 25%" in said.out
    assert "no [marks]" in said.out
    assert "in vain" in said.out
    assert [one["kind"] for one in lk("jobs", "list", "--status", "failed", "--json").data["jobs"]] == [
        "snapshot"
    ]
    assert (
        lk("jobs", "list", "--kind", "resync", "--limit", "1", "--json").data["jobs"][0]["status"]
        == "running"
    )
    assert "No such job" in lk("jobs", "list", "--kind", "nonsense").out


def test_one_is_shown_whole(lk: Run) -> None:
    said = lk("jobs", "show", FAILED)
    assert "error: no [marks]" in said.out
    assert '{"account":"U1"}' in said.out
    assert lk("jobs", "show", FAILED, "--json").data["details"] == {"account": "U1"}


@pytest.mark.parametrize("job", ["nonsense", "00000000-0000-0000-0000-00000000000f"])
def test_one_that_is_not_there_is_a_sentence(lk: Run, job: str) -> None:
    said = lk("jobs", "show", job)
    assert (said.code, "lotkeeper jobs list" in said.err) == (2, True)
