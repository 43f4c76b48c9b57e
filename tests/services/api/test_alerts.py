"""What wants attention now, in one list, and how the rules stand."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from core.clock import utc_now
from core.domain.rules import Finding
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api import alerts as module
from services.position_sync.rule_check import check_rules, check_when_due
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, beat, tick
from tests.services.api.test_issues import record
from tests.waiting import eventually

PATH = "/api/v1/alerts"


async def told(api: Api, **asked: str) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in (await api.get(PATH, **asked))["items"]}


def sources(alerts: dict[str, dict[str, Any]]) -> set[str]:
    return {one["source"] for one in alerts.values()}


async def test_a_link_that_is_not_live_is_told_first_and_no_more_once_it_lives(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    page = await eventually(
        lambda: api.get(PATH), lambda page: page["items"][0]["summary"].endswith("broker link down")
    )
    assert page["items"][0]["severity"] == "error"
    assert "lotkeeper broker" in page["items"][0]["remedy"]
    await tick(streams, settings, beat(utc_now()))
    alerts = await eventually(lambda: told(api), lambda alerts: "link" not in alerts)
    assert "dataset" in sources(alerts), "what was downloaded long ago is old, now that the link lives"


async def test_a_gap_and_what_was_set_aside_are_told_until_a_rule_has_found_them(
    api: Api, database: Database
) -> None:
    alerts = await told(api)
    assert {"gap", "dead_fact"} <= sources(alerts)
    assert alerts["dead:parsing"]["href"] == "/api/v1/dead?category=parsing"
    await check_rules(database)
    alerts = await told(api)
    assert sources(alerts).isdisjoint({"gap", "dead_fact"})
    found = {one["summary"]: one for one in alerts.values() if one["source"] == "issue"}
    [gap] = [one for summary, one in found.items() if summary.startswith("The executions from")]
    number = gap["href"].rpartition("/")[2]
    assert (await api.http.post(f"/api/v1/issues/{number}/acknowledge")).status_code == 200
    alerts = await told(api)
    assert gap["id"] not in alerts
    assert "gap" not in sources(alerts), "what somebody knows of wants no attention by another door"


async def test_a_difference_is_told_with_its_severity(api: Api, database: Database) -> None:
    async with database.write() as writer:
        for kind in ("quantity_mismatch", "cost_mismatch"):
            await writer.execute(
                insert(t.reconciliation_differences).values(
                    account=USD, conid=AAPL, kind=kind, ours=Decimal(100), brokers=Decimal(90), since=NOW
                )
            )
        await writer.execute(
            insert(t.reconciliation_differences).values(
                account=PAPER, conid=AAPL, kind="missing_local", brokers=Decimal(1), since=utc_now()
            )
        )
    alerts = [one for one in (await told(api)).values() if one["source"] == "difference"]
    assert [(one["severity"], one["summary"]) for one in alerts] == [
        ("error", "AAPL: quantity mismatch"),
        ("warning", "AAPL: cost mismatch"),
    ], "what came a moment ago may settle by itself"
    await record(database, "broker-difference", NOW, Finding(USD, f"{AAPL}/quantity_mismatch", "differs", {}))
    left = [one["summary"] for one in (await told(api)).values() if one["source"] == "difference"]
    assert left == ["AAPL: cost mismatch"]


async def test_a_failed_job_is_told_until_the_same_goes_well_but_each_file_is_another(
    api: Api, database: Database
) -> None:
    now = utc_now()

    async def job(number: int, kind: str, status: str, days: float = 0) -> None:
        async with database.write() as writer:
            await writer.execute(
                insert(t.jobs).values(
                    id=uuid.UUID(int=number),
                    kind=kind,
                    status=status,
                    error="it broke" if status == "failed" else None,
                    created_at=now - timedelta(days=days) + timedelta(seconds=number),
                )
            )

    await job(1, "snapshot", "failed")
    await job(2, "import", "failed")
    await job(3, "resync", "failed", days=8)
    alerts = await told(api)
    assert sources(alerts) >= {"job"}
    told_jobs = {one["summary"] for one in alerts.values() if one["source"] == "job"}
    assert told_jobs == {"A job failed (snapshot): it broke", "A job failed (import): it broke"}
    await job(4, "snapshot", "succeeded")
    await job(5, "import", "succeeded")
    assert [key for key in await told(api) if key.startswith("job:")] == [f"job:{uuid.UUID(int=2)}"]


async def test_work_that_fails_and_rules_that_come_to_no_end_are_told(api: Api, database: Database) -> None:
    async with database.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO coalesced_jobs (kind, account, wanted, trigger, wanted_at, due_at, attempts) "
                "VALUES (:kind, :account, 1, :kind, now(), now(), 3)"
            ),
            {"kind": "reconcile", "account": USD},
        )
    await record(database, "stale-mark", NOW)
    async with database.write() as writer:
        await writer.execute(update(t.rule_checks).values(error="TimeoutError: see the log"))
    alerts = await told(api)
    assert alerts[f"work:reconcile:{USD}"]["summary"].endswith("failed 3 times in a row (reconcile)")
    assert "TimeoutError" in alerts["rule:stale-mark"]["summary"]


async def test_alerts_are_paged_the_gravest_first_and_narrowed(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(database, "broker-difference", NOW, *(Finding(USD, str(n), f"{n}", {}) for n in range(3)))
    await record(database, "price-outlier", NOW, Finding(PAPER, "x", "odd", {}))
    every = await api.get(PATH)
    ranks = [["error", "warning", "review"].index(one["severity"]) for one in every["items"]]
    assert ranks == sorted(ranks)
    counts = every["counts"]
    assert sum(counts.values()) == len(every["items"])
    assert counts["review"] == 1
    assert not every["is_cut"]
    monkeypatch.setattr(module, "MOST_OF_ONE", 4)
    assert (await api.get(PATH))["is_cut"], "of one source there are as many as are listed at most"
    paged: list[str] = []
    cursor = None
    while True:
        page = await api.get(PATH, limit=2, **({"cursor": cursor} if cursor else {}))
        paged += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == [one["id"] for one in every["items"]]
    assert list(await told(api, severity="review", account=PAPER)) == [every["items"][-1]["id"]]
    assert {one["account"] for one in (await told(api, account=USD)).values()} == {USD}
    assert (await api.http.get(PATH, params={"account": "U0"})).json()["code"] == "account_not_found"
    assert (await api.http.get(PATH, params={"cursor": "x"})).json()["code"] == "cursor_invalid"


@pytest.fixture
async def checked(api: Api, database: Database) -> Api:
    await check_rules(database)
    return api


async def test_how_the_rules_stand_is_one_answer(checked: Api, database: Database) -> None:
    stands = await checked.get("/api/v1/validation")
    rules = {one["name"]: one for one in stands["rules"]}
    assert rules["data-gap"]["open"] == 1
    assert not rules["data-gap"]["ok"]
    assert stands["checked_at"] is not None
    issue = (await checked.get("/api/v1/issues", rule="data-gap"))["items"][0]["id"]
    await checked.http.post(f"/api/v1/issues/{issue}/acknowledge")
    after = await checked.get("/api/v1/validation")
    known = {one["name"]: one for one in after["rules"]}["data-gap"]
    assert (known["ok"], known["open"], known["acknowledged"]) == (True, 0, 1)
    assert after["open"]["warning"] == stands["open"]["warning"] - 1
    await record(database, "broker-difference", utc_now(), Finding(USD, "a", "wrong", {}))
    assert not (await checked.get("/api/v1/validation"))["ok"]


async def test_a_check_under_way_is_named(api: Api, database: Database, settings: Settings) -> None:
    before = await api.get("/api/v1/validation")
    assert (before["ok"], before["checked_at"], before["job"]) == (False, None, None)
    asked = (await api.http.post("/api/v1/issues/check")).json()["job"]
    assert (await api.get("/api/v1/validation"))["job"]["id"] == asked["id"]
    await check_when_due(database, settings)
    assert (await api.get("/api/v1/validation"))["job"] is None
