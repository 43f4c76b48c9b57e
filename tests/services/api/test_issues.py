"""The inbox of issues over HTTP: listed, looked into, acknowledged, looked for anew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.domain.access import Scope
from core.domain.rules import Finding
from models.queries.rules.catalogue import BY_NAME, RULES
from models.session import Database
from models.stores.issues import Looked, record_look
from services.position_sync.rule_check import check_when_due
from tests.services.api.conftest import Api
from tests.services.api.people import make_user, signed_in
from tests.services.api.portfolio import NOW, PAPER, USD

PATH = "/api/v1/issues"
CHECKED = NOW - timedelta(hours=9)


async def record(database: Database, rule: str, at: datetime, *findings: Finding) -> None:
    of = BY_NAME[rule]
    look = Looked(
        *(rule, of.severity, at, at - timedelta(days=35), None, findings, False, Decimal("0.25"), None),
        magnitude=of.magnitude,
    )
    async with database.write() as writer:
        await record_look(writer, look)


def finding(account: str | None, subject: str) -> Finding:
    return Finding(account, subject, f"{subject} is wrong", {"ours": Decimal("1.5")})


@pytest.fixture
async def five(api: Api, database: Database) -> Api:
    """Two errors, two warnings of which one is resolved, and something to review."""
    await record(database, "broker-difference", CHECKED, finding(USD, "a"), finding(PAPER, "b"))
    await record(database, "stale-mark", CHECKED, finding(USD, "c"), finding(USD, "d"))
    await record(database, "stale-mark", CHECKED + timedelta(seconds=1), finding(USD, "c"))
    await record(database, "price-outlier", CHECKED, finding(USD, "e"))
    return api


async def subjects(api: Api, **asked: str) -> list[str]:
    return [row["subject"] for row in (await api.get(PATH, **asked))["items"]]


async def test_issues_are_listed_page_by_page_the_newest_first(five: Api) -> None:
    first = await five.get(PATH, limit="2")
    second = await five.get(PATH, limit="2", cursor=first["next_cursor"])
    told = first["items"] + second["items"]
    assert [row["subject"] for row in told] == ["e", "c", "a", "b"]
    assert second["next_cursor"] is None
    newest = told[0]
    assert (newest["rule"], newest["severity"], newest["status"]) == ("price-outlier", "review", "open")
    assert (newest["details"], newest["times_seen"], newest["reopened"]) == ({"ours": "1.5"}, 1, 0)
    assert newest["first_seen"] == newest["last_seen"] == "2026-11-20T06:00:00Z"
    wrong = await five.http.get(PATH, params={"cursor": "x"})
    assert wrong.json()["code"] == "cursor_invalid"


async def test_what_came_again_is_listed_first_and_turning_pages_loses_none(
    five: Api, database: Database
) -> None:
    again = CHECKED + timedelta(hours=1)
    await record(database, "stale-mark", again, finding(USD, "c"), finding(USD, "d"))
    assert await subjects(five) == ["d", "e", "c", "a", "b"]
    turned: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await five.get(PATH, limit="1", **cursor)
        turned += [row["subject"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert turned == ["d", "e", "c", "a", "b"]


async def test_an_issue_that_became_worse_tells_what_was_acknowledged(five: Api, database: Database) -> None:
    def bad(magnitude: int) -> Finding:
        return finding(PAPER, "b")._replace(magnitude=Decimal(magnitude))

    await record(database, "broker-difference", CHECKED + timedelta(seconds=1), bad(5), finding(USD, "a"))
    (listed,) = (await five.get(PATH, account=PAPER))["items"]
    assert (listed["magnitude"], listed["acknowledged_magnitude"]) == ("5", None)
    await five.http.post(f"{PATH}/{listed['id']}/acknowledge", json={"note": "small"})
    await record(database, "broker-difference", CHECKED + timedelta(seconds=2), bad(4), finding(USD, "a"))
    assert await subjects(five, account=PAPER) == []
    await record(database, "broker-difference", CHECKED + timedelta(seconds=3), bad(10), finding(USD, "a"))
    one = await five.get(f"{PATH}/{listed['id']}")
    assert (one["status"], one["reopened"], one["magnitude"]) == ("open", 1, "10")
    (before,) = one["acknowledged_before"]
    assert (before["magnitude"], before["note"], before["ended"]) == ("5", "small", "worse")


async def test_issues_are_narrowed_by_status_severity_rule_and_account(five: Api) -> None:
    assert await subjects(five, severity="error") == ["a", "b"]
    assert await subjects(five, rule="stale-mark") == ["c"]
    assert await subjects(five, account=PAPER) == ["b"]
    assert await subjects(five, status="resolved") == ["d"]
    assert await subjects(five, status="all") == ["e", "d", "c", "a", "b"]
    assert await subjects(five, status="acknowledged") == []
    assert await subjects(five, rule="of another version") == []
    for wrong, code in (
        ("?account=U0", "account_not_found"),
        ("?status=lost", "validation_failed"),
        ("?rule=%00", "validation_failed"),
    ):
        assert (await five.http.get(PATH + wrong)).json()["code"] == code


async def test_the_list_says_when_was_last_looked(five: Api) -> None:
    page = await five.get(PATH, rule="broker-difference")
    assert page["checked_at"] == page["freshness"]["as_of"] == "2026-11-20T06:00:00Z"
    assert (page["freshness"]["source"], page["freshness"]["reason"]) == ("last_known", "check")
    # Of most rules nobody ever looked, and the list is of all.
    page = await five.get(PATH)
    assert (page["checked_at"], page["freshness"]["as_of"]) == (None, None)


async def test_an_issue_tells_what_to_do_about_it(five: Api) -> None:
    (listed,) = (await five.get(PATH, rule="stale-mark"))["items"]
    one = await five.get(f"{PATH}/{listed['id']}")
    assert {name: one[name] for name in listed} == listed
    assert one["remedy"] == next(rule.remedy for rule in RULES if rule.name == "stale-mark")
    assert one["freshness"]["as_of"] == "2026-11-20T06:00:01Z"
    for number in ("99", "0", str(2**70)):
        answer = await five.http.get(f"{PATH}/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "issue_not_found")


async def test_an_issue_is_acknowledged_once_and_its_note_can_be_changed(five: Api) -> None:
    (listed,) = (await five.get(PATH, account=PAPER))["items"]
    path = f"{PATH}/{listed['id']}/acknowledge"

    async def acknowledged(**sent: object) -> dict[str, object]:
        answer = await five.http.post(path, **sent)
        assert answer.status_code == 200
        told: dict[str, object] = answer.json()
        told.pop("freshness")  # its age goes on
        return told

    first = await acknowledged(json={"note": "a transfer is under way"})
    assert (first["status"], first["acknowledged_by"]) == ("acknowledged", "owner")
    assert first["note"] == "a transfer is under way"
    assert await acknowledged() == first
    changed = await acknowledged(json={"note": "arrives on Monday"})
    assert changed == {**first, "note": "arrives on Monday"}
    assert await subjects(five, account=PAPER) == []
    assert await subjects(five, status="acknowledged") == ["b"]


async def test_who_acknowledges_is_told_by_name(five: Api, database: Database) -> None:
    (listed,) = (await five.get(PATH, account=PAPER))["items"]
    await make_user(database, "anna", Scope.SYNC)
    async with signed_in(five, "anna") as anna:
        answer = await anna.post(f"{PATH}/{listed['id']}/acknowledge")
    assert answer.json()["acknowledged_by"] == "anna"


async def test_what_is_resolved_needs_no_acknowledgement(five: Api) -> None:
    (listed,) = (await five.get(PATH, status="resolved"))["items"]
    answer = await five.http.post(f"{PATH}/{listed['id']}/acknowledge", json={"note": "x"})
    told = answer.json()
    assert (answer.status_code, told["status"], told["note"]) == (200, "resolved", None)


@pytest.mark.parametrize(
    "body", [b"{", b'{"note": 5}', b'{"note": ""}', b'{"who": "me"}', b'{"note": "\\u0000"}', b"x" * 20_000]
)
async def test_an_acknowledgement_that_cannot_be_read_changes_nothing(five: Api, body: bytes) -> None:
    (listed,) = (await five.get(PATH, account=PAPER))["items"]
    answer = await five.http.post(f"{PATH}/{listed['id']}/acknowledge", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert await subjects(five, account=PAPER) == ["b"]
    missing = await five.http.post(f"{PATH}/99/acknowledge")
    assert (missing.status_code, missing.json()["code"]) == (404, "issue_not_found")


async def test_a_check_is_asked_for_done_by_a_worker_and_told_as_a_job(api: Api, database: Database) -> None:
    asked = await api.http.post(f"{PATH}/check")
    assert asked.status_code == 202
    job = asked.json()["job"]
    assert (job["kind"], job["status"]) == ("rules", "queued")
    assert (await api.http.post(f"{PATH}/check")).json()["job"]["id"] == job["id"]
    await check_when_due(database, api.settings)
    done = (await api.get(f"/api/v1/jobs/{job['id']}"))["job"]
    assert (done["status"], done["result"]["rules"], done["result"]["failed"]) == (
        "succeeded",
        len(RULES),
        [],
    )
    assert (await api.get(PATH))["checked_at"] is not None
    assert (await api.http.post(f"{PATH}/check")).json()["job"]["id"] != job["id"]


async def test_every_rule_is_told_with_when_it_was_last_looked_at(five: Api) -> None:
    page = await five.get("/api/v1/rules")
    assert [row["name"] for row in page["items"]] == [rule.name for rule in RULES]
    told = {row["name"]: row for row in page["items"]}
    looked = told["broker-difference"]
    assert (looked["checked_at"], looked["found"], looked["seconds"]) == ("2026-11-20T06:00:00Z", 2, "0.25")
    assert looked["tolerances"] == [
        {
            "name": "difference_stands",
            "value": "10 min",
            "meaning": "a difference may settle by itself in so long",
        }
    ]
    never = told["fx-hole"]
    assert (never["checked_at"], never["found"], never["is_cut"], never["error"]) == (None, None, False, None)


async def test_the_metrics_tell_what_is_open_and_when_was_looked(five: Api, database: Database) -> None:
    lines = (await five.http.get("/metrics")).text.splitlines()
    assert 'lotkeeper_issues_open{rule="broker-difference",severity="error"} 2.0' in lines
    assert 'lotkeeper_issues_open{rule="stale-mark",severity="warning"} 1.0' in lines
    assert 'lotkeeper_issues_open{rule="fx-hole",severity="warning"} 0.0' in lines
    assert not [line for line in lines if line.startswith("lotkeeper_validation_timestamp_seconds ")]
    for rule in RULES:
        await record(database, rule.name, NOW)
    lines = (await five.http.get("/metrics")).text.splitlines()
    moment = datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp()
    (told,) = [line for line in lines if line.startswith("lotkeeper_validation_timestamp_seconds ")]
    assert Decimal(told.split()[1]) == Decimal(str(moment))
    assert f"lotkeeper_validation_seconds {len(RULES) * 0.25}" in lines
    assert "lotkeeper_validation_failed_rules 0.0" in lines
    assert 'lotkeeper_issues_open{rule="broker-difference",severity="error"} 0.0' in lines
