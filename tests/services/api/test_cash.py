"""Cash over HTTP: balances, what moved them, and rates."""

from typing import Any

import pytest

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD
from tests.services.api.stated import seed_statements


@pytest.fixture
async def told(seeded: Database, api: Api) -> Api:
    await seed_statements(seeded)
    return api


def places(page: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(row["account"], row["currency"], row["as_of"], row["cash"]) for row in page["items"]]


async def test_of_a_balance_that_two_statements_state_the_one_counts_that_was_written_last(told: Api) -> None:
    page = await told.get("/api/v1/cash/balances", account=USD)
    assert places(page) == [
        (USD, "USD", "2026-11-17", "1000"),
        (USD, "USD", "2026-11-16", "901"),
        (USD, "EUR", "2026-11-16", "-12.25"),
    ]
    [newest, older, _] = page["items"]
    assert (newest["starting_cash"], newest["flows"], newest["source"]) == ("900", "121.5", "statement")
    assert (older["starting_cash"], older["settled_cash"]) == (None, "890")
    assert page["freshness"]["reason"] == "statement"
    assert page["freshness"]["as_of"] == "2026-11-18T05:00:00Z"


async def test_balances_come_page_by_page_and_can_be_chosen(told: Api) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
        page = await told.get("/api/v1/cash/balances", **query)
        seen += places(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == places(await told.get("/api/v1/cash/balances"))
    assert len(seen) == 4
    assert places(await told.get("/api/v1/cash/balances", currency="EUR")) == [seen[2]]
    days = {"from": "2026-11-17", "to": "2026-11-18"}
    assert places(await told.get("/api/v1/cash/balances", **days)) == [seen[0]]


async def test_the_latest_balance_of_each_currency_is_that_before_a_day_where_one_is_given(told: Api) -> None:
    latest = places(await told.get("/api/v1/cash/balances", account=USD, latest=True))
    assert latest == [(USD, "USD", "2026-11-17", "1000"), (USD, "EUR", "2026-11-16", "-12.25")]
    before = await told.get(
        "/api/v1/cash/balances", account=USD, latest=True, to="2026-11-17", currency="USD"
    )
    assert places(before) == [(USD, "USD", "2026-11-16", "901")]


async def test_flows_are_listed_once_and_can_be_chosen(told: Api) -> None:
    async def keys(**query: Any) -> list[str]:
        return [row["id"] for row in (await told.get("/api/v1/cash/flows", **query))["items"]]

    assert await keys() == ["2", "1", "4", "3"]
    first = await told.get("/api/v1/cash/flows", limit=3)
    assert await keys(cursor=first["next_cursor"]) == ["3"]
    assert await keys(account=PAPER) == ["4"]
    assert await keys(currency="EUR") == ["3"]
    assert await keys(kind="dividend") == ["2"]
    assert await keys(external=True) == ["1"]
    assert await keys(external=False, account=USD) == ["2", "3"]
    assert await keys(to="2026-11-17T00:00:00Z") == ["4", "3"]
    assert await keys(**{"from": "2026-11-17T17:00:00Z"}) == ["2", "1"]
    [deposit] = (await told.get("/api/v1/cash/flows", external=True))["items"]
    assert (deposit["amount"], deposit["kind"], deposit["reported_on"]) == ("100", "deposit", "2026-11-17")


async def test_a_kind_that_there_is_not_is_refused(told: Api) -> None:
    answer = await told.http.get("/api/v1/cash/flows", params={"kind": "gift"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_rates_are_told_with_their_day_and_who_said_so(told: Api) -> None:
    page = await told.get("/api/v1/cash/rates")
    said = [(row["currency"], row["into_currency"], row["as_of"], row["rate"]) for row in page["items"]]
    assert said == [("GBP", "USD", "2026-11-17", "1.3"), ("EUR", "USD", "2026-11-16", "1.2")]
    assert page["items"][0]["source"] == "statement"
    first = await told.get("/api/v1/cash/rates", limit=1)
    rest = await told.get("/api/v1/cash/rates", cursor=first["next_cursor"])
    assert [row["currency"] for row in rest["items"]] == ["EUR"]
    assert [row["rate"] for row in (await told.get("/api/v1/cash/rates", currency="GBP"))["items"]] == ["1.3"]
    assert len((await told.get("/api/v1/cash/rates", currency="USD"))["items"]) == 2


@pytest.mark.parametrize("what", ["balances", "flows", "rates"])
async def test_the_cursor_of_another_list_is_refused(told: Api, what: str) -> None:
    other = {"balances": "rates", "flows": "balances", "rates": "balances"}[what]
    cursor = (await told.get(f"/api/v1/cash/{other}", limit=1))["next_cursor"]
    answer = await told.http.get(f"/api/v1/cash/{what}", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
