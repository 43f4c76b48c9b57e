"""`lotkeeper issues …` on a real database, as a person or a program uses it."""

from collections.abc import Callable

import pytest

from tests.services.cli.conftest import Said, Sql, noted

Run = Callable[..., Said]


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str, sql: Sql) -> Run:
    """Five issues, the last of which opened first, and the first of which is resolved."""
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(
        "INSERT INTO issues (rule, severity, subject, summary, details, magnitude, first_seen, opened_at, "
        "last_seen, resolved_at) SELECT 'dead-fact', 'warning', n, n || ' is [wrong]', "
        "'{\"messages\": 4}', 4, at, at, at, CASE WHEN n = 1 THEN at END "
        "FROM (SELECT n, timestamptz '2026-11-20 12:00Z' - make_interval(hours => n) AS at "
        "FROM generate_series(1, 5) n) made"
    )
    return lotkeeper


def test_they_are_listed_page_by_page_what_opened_last_first(lk: Run) -> None:
    first = lk("issues", "list", "--limit", "3", "--json").data
    assert [one["id"] for one in first["issues"]] == [2, 3, 4]
    one = first["issues"][0]
    assert (one["status"], one["magnitude"], one["details"]) == ("open", "4", {"messages": 4})
    second = lk("issues", "list", "--limit", "3", "--before", str(first["next_before"]), "--json").data
    assert ([one["id"] for one in second["issues"]], second["next_before"]) == ([5], None)
    said = lk("issues", "list", "--limit", "3")
    assert "2 is [wrong]" in said.out
    assert "--before 4 shows the next page" in said.out
    assert "Nothing is acknowledged" in lk("issues", "list", "--status", "acknowledged").out
    every = lk("issues", "list", "--status", "all", "--rule", "dead-fact", "--severity", "warning")
    assert len([line for line in every.out.splitlines() if "is [wrong]" in line]) == 5


def test_one_is_shown_with_what_to_do_acknowledged_and_told_as_known(lk: Run, sql: Sql) -> None:
    said = lk("issues", "show", "3")
    assert "lotkeeper dead list" in said.out
    assert "How bad it is: 4 (the number of messages)." in said.out
    done = lk("issues", "acknowledge", "3", "--note", "an old gateway", "--json").data
    assert (done["issue"]["status"], done["issue"]["acknowledged_by"]) == ("acknowledged", "cli")
    assert (done["issue"]["note"], done["issue"]["acknowledged_magnitude"]) == ("an old gateway", "4")
    assert [one["id"] for one in lk("issues", "list", "--json").data["issues"]] == [2, 4, 5]
    assert noted(lk) == [("issue_acknowledge", "3", "ok")]
    sql(
        "INSERT INTO issue_acknowledgements "
        "(issue_id, acknowledged_at, acknowledged_by, note, ended_at, ended) "
        "VALUES (3, '2026-11-01', 'page', 'once', '2026-11-02', 'worse')"
    )
    said = lk("issues", "show", "3")
    assert "by cli: an old gateway." in said.out
    assert "by page: once, until 2026-11-02 00:00: it became worse." in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "99"), "There is no issue 99"),
        (("show", "99999999999999999999"), "There is no issue"),
        (("acknowledge", "1"), "Issue 1 is resolved"),
        (("acknowledge", "2", "--note", " "), "--note is empty"),
        (("list", "--rule", "made-up"), "There is no rule made-up"),
        (("list", "--before", "99"), "There is no issue 99"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(
    lk: Run, arguments: tuple[str, ...], message: str
) -> None:
    said = lk("issues", *arguments)
    assert said.code == 2
    assert message in said.err
