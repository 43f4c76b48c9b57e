"""What accounts were worth before anybody recorded it, over HTTP."""

import pytest

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import USD
from tests.services.api.stated import seed_statements


@pytest.fixture
async def told(seeded: Database, api: Api) -> Api:
    await seed_statements(seeded)
    return api


async def test_the_days_are_listed_newest_first_page_by_page(told: Api) -> None:
    first = await told.get("/api/v1/performance", account=USD, limit=2)
    assert [(row["day"], row["net_liquidation"], row["twr"]) for row in first["items"]] == [
        ("2026-11-18", "10094", "-0.000594059406"),
        ("2026-11-17", "10300", "0.019801980198"),
    ]
    second = await told.get("/api/v1/performance", account=USD, limit=2, cursor=first["next_cursor"])
    [row] = second["items"]
    assert (row["day"], row["daily_pnl"], row["net_contribution"]) == ("2026-11-16", None, None)
    assert (row["source"], row["resolution"], row["data_quality"]) == ("statement", "day", "incomplete")
    assert second["next_cursor"] is None


async def test_what_a_statement_tells_is_never_live(told: Api) -> None:
    block = (await told.get("/api/v1/performance"))["freshness"]
    assert (block["source"], block["reason"], block["stale"]) == ("last_known", "statement", True)
    assert block["as_of"] == "2026-11-19T05:00:00Z"
    empty = await told.get("/api/v1/performance", resolution="hour")
    assert (empty["items"], empty["freshness"]["as_of"]) == ([], None)


async def test_days_are_chosen_by_when_they_ended(told: Api) -> None:
    bounds = {"from": "2026-11-18T05:00:00Z", "to": "2026-11-19T05:00:00Z"}
    assert [row["day"] for row in (await told.get("/api/v1/performance", **bounds))["items"]] == [
        "2026-11-17"
    ]


async def test_a_cursor_belongs_to_its_resolution_and_an_account_has_to_exist(told: Api) -> None:
    cursor = (await told.get("/api/v1/performance", limit=1))["next_cursor"]
    for query in ({"resolution": "hour", "cursor": cursor}, {"cursor": "x"}):
        answer = await told.http.get("/api/v1/performance", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    assert (await told.http.get("/api/v1/performance", params={"account": "U0"})).status_code == 404
