"""Snapshots over HTTP: listed, looked into, asked for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.settings import Settings
from models.session import Database
from services.snapshot.keeper import Keeper
from services.snapshot.runs import Snapshots
from services.snapshot.thin import Thinner
from tests.services.api.conftest import Api, Start
from tests.services.snapshot.world import FIRST, SECOND, Hand, run_sql, seed, tell

PATH = "/api/v1/snapshots"


@pytest.fixture
async def three(database: Database, settings: Settings) -> Hand:
    """Two accounts and three hours, the second of which only one of them has."""
    await seed(database, FIRST, SECOND)
    clock = Hand()
    taker = Snapshots(database, settings, clock=clock)
    await taker.take_hour()
    await tell(database, clock.forward(hours=1), FIRST)
    await taker.take_hour()
    await tell(database, clock.forward(hours=1), FIRST, SECOND)
    await taker.take_hour()
    return clock


@pytest.fixture
async def kept(start: Start, settings: Settings, three: Hand) -> Api:
    return await start(settings, clock=three)


async def test_snapshots_are_listed_page_by_page_newest_first(kept: Api) -> None:
    first = await kept.get(PATH, limit=2)
    second = await kept.get(PATH, limit=3, cursor=first["next_cursor"])
    told = [(row["hour"], row["account"]) for row in first["items"] + second["items"]]
    assert sorted(told, reverse=True) == sorted(
        [
            ("2026-11-20T17:00:00Z", SECOND),
            ("2026-11-20T17:00:00Z", FIRST),
            ("2026-11-20T16:00:00Z", FIRST),
            ("2026-11-20T15:00:00Z", SECOND),
            ("2026-11-20T15:00:00Z", FIRST),
        ],
        reverse=True,
    )
    assert [hour for hour, _ in told] == sorted((hour for hour, _ in told), reverse=True)
    assert second["next_cursor"] is None
    row = first["items"][0]
    assert (row["net_liquidation"], row["coverage"], row["source"]) == ("118902.44", "1", "ibkr")
    assert (first["freshness"]["source"], first["freshness"]["reason"]) == ("last_known", "snapshot")


async def test_snapshots_are_narrowed_by_account_and_time(kept: Api) -> None:
    found = await kept.get(PATH, account=SECOND, **{"from": "2026-11-20T16:00:00Z"})
    assert [row["hour"] for row in found["items"]] == ["2026-11-20T17:00:00Z"]
    found = await kept.get(PATH, to="2026-11-20T16:00:00Z")
    assert len(found["items"]) == 2
    for wrong, code in (("?account=U0", "account_not_found"), ("?cursor=x", "cursor_invalid")):
        assert (await kept.http.get(PATH + wrong)).json()["code"] == code


async def test_a_snapshot_shows_what_was_held_at_which_rates(kept: Api) -> None:
    newest = (await kept.get(PATH, limit=1))["items"][0]
    found = await kept.get(f"{PATH}/{newest['id']}")
    assert {name: found[name] for name in newest} == newest
    held = {row["symbol"]: row for row in found["positions"]}
    assert set(held) == {"ACME", "ACME C", "VOD"}
    assert held["VOD"]["market_value_base"] == "948.802"
    assert held["VOD"]["fx_rate"] == found["rates"][0]["rate"] == "1.3105"
    assert [row["currency"] for row in found["cash"]] == ["BASE_SUMMARY", "GBP", "USD"]
    for unknown in ("999999", "0", str(2**63)):
        answer = await kept.http.get(f"{PATH}/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "snapshot_not_found")


async def test_of_a_snapshot_that_was_thinned_it_says_so_and_shows_no_empty_account(
    kept: Api, database: Database, settings: Settings
) -> None:
    oldest = (await kept.get(PATH))["items"][-1]
    assert oldest["thinned_at"] is None
    in_two_years = Hand(datetime(2029, 1, 1, tzinfo=UTC))
    await Thinner(database, settings, clock=in_two_years).run()
    found = await kept.get(f"{PATH}/{oldest['id']}")
    assert (found["thinned_at"], found["payload_sha256"]) == ("2029-01-01T00:00:00Z", None)
    assert found["positions"] is None
    assert found["cash"] != []
    assert found["net_liquidation"] == oldest["net_liquidation"]


async def test_runs_tell_why_an_account_has_no_snapshot(kept: Api) -> None:
    page = await kept.get(f"{PATH}/runs", limit=2)
    newest, partial = page["items"]
    assert (newest["status"], newest["taken"], newest["failures"]) == ("success", 2, [])
    assert (partial["status"], partial["error_category"]) == ("partial", "network")
    assert partial["failures"] == [
        {"account": SECOND, "category": "network", "reason": "old: NetLiquidation"}
    ]
    rest = await kept.get(f"{PATH}/runs", cursor=page["next_cursor"])
    assert [row["hour"] for row in rest["items"]] == ["2026-11-20T15:00:00Z"]


async def test_a_snapshot_that_is_asked_for_is_a_job_of_a_worker(
    kept: Api, database: Database, settings: Settings, three: Hand
) -> None:
    answer = await kept.http.post(PATH, params={"account": FIRST}, headers={"Idempotency-Key": "mine"})
    assert answer.status_code == 202
    job = answer.json()["job"]
    assert (job["kind"], job["status"]) == ("snapshot", "queued")
    again = await kept.http.post(PATH, params={"account": FIRST}, headers={"Idempotency-Key": "mine"})
    assert again.json()["job"]["id"] == job["id"], "asked twice it is one"
    keeper = Keeper(database, settings, clock=three)
    await keeper.take_asked()
    await keeper.take_asked()
    ended = (await kept.get(f"/api/v1/jobs/{job['id']}"))["job"]
    assert (ended["status"], ended["result"]["taken"]) == ("succeeded", 1)
    runs = (await kept.get(f"{PATH}/runs"))["items"]
    mine = [row for row in runs if row["job_id"] == job["id"]]
    assert [(row["trigger"], row["account"], row["status"]) for row in mine] == [("api", FIRST, "success")]
    another = await kept.http.post(PATH)
    assert another.json()["job"]["id"] != job["id"]


async def test_a_snapshot_that_cannot_be_taken_is_a_failed_job_with_its_reason(
    kept: Api, database: Database, settings: Settings, three: Hand
) -> None:
    await run_sql(
        database, "UPDATE broker_links SET state = 'needs_login', gateway = 'down', reason = 'needs_login'"
    )
    job = (await kept.http.post(PATH)).json()["job"]
    await Keeper(database, settings, clock=three).take_asked()
    ended = (await kept.get(f"/api/v1/jobs/{job['id']}"))["job"]
    assert ended["status"] == "failed"
    assert "2 of 2 accounts: network: needs_login (2)" in ended["error"]


async def test_a_snapshot_of_an_unknown_account_is_not_asked_for(kept: Api, database: Database) -> None:
    answer = await kept.http.post(PATH, params={"account": "U0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert await run_sql(database, "SELECT id FROM jobs") == []


async def test_the_metrics_tell_how_old_the_last_snapshot_is_and_how_hours_went(kept: Api) -> None:
    text: Any = (await kept.http.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("lotkeeper_snapshot"))
    assert float(lines['lotkeeper_snapshot_age_seconds{account="account 1"}']) <= 0.0
    assert float(lines['lotkeeper_snapshot_missing_hours{account="account 1"}']) == 0
    assert float(lines['lotkeeper_snapshot_hours{status="success"}']) == 2
    assert float(lines['lotkeeper_snapshot_hours{status="partial"}']) == 1


async def test_hours_without_a_snapshot_are_listed_page_by_page(
    kept: Api, three: Hand, database: Database
) -> None:
    for _ in range(3):
        three.forward(hours=1)
    await tell(database, three.now, FIRST, SECOND)
    await Snapshots(database, kept.settings, clock=three).take_hour()
    three.forward(hours=1)
    found = await kept.get(f"{PATH}/gaps")
    assert [(gap["account"], gap["first"], gap["last"], gap["hours"]) for gap in found["items"]] == [
        (FIRST, "2026-11-20T18:00:00Z", "2026-11-20T19:00:00Z", 2),
        (SECOND, "2026-11-20T18:00:00Z", "2026-11-20T19:00:00Z", 2),
        (SECOND, "2026-11-20T16:00:00Z", "2026-11-20T16:00:00Z", 1),
    ]
    assert found["items"][0]["reason"] == "not_running"
    assert (found["until"], found["freshness"]["reason"]) == ("2026-11-20T21:00:00Z", "snapshot")
    pages, cursor = [], None
    while True:
        page = await kept.get(f"{PATH}/gaps", limit=1, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == found["items"]
    narrow = await kept.get(f"{PATH}/gaps", account=SECOND, to="2026-11-20T18:00:00Z")
    assert [gap["first"] for gap in narrow["items"]] == ["2026-11-20T16:00:00Z"]


async def test_gaps_are_asked_for_a_year_at_most(kept: Api) -> None:
    for asked, code in (
        ("?from=2020-01-01T00:00:00Z", "time_invalid"),
        ("?account=U0", "account_not_found"),
        ("?cursor=x", "cursor_invalid"),
        ("?from=2026-11-20", "validation_failed"),
    ):
        assert (await kept.http.get(f"{PATH}/gaps{asked}")).json()["code"] == code, asked
    past = await kept.get(f"{PATH}/gaps", to="0001-01-02T00:00:00Z")
    assert past["items"] == []


async def test_an_account_that_never_had_a_snapshot_misses_none(
    start: Start, settings: Settings, database: Database
) -> None:
    await seed(database, FIRST)
    api = await start(settings, clock=Hand())
    assert (await api.get(f"{PATH}/gaps"))["items"] == []
