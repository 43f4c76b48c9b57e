"""What statements say otherwise, over HTTP and as figures."""

from typing import Any

import pytest

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD
from tests.services.api.stated import seed_statements


@pytest.fixture
async def imported(seeded: Database) -> tuple[int, int]:
    return await seed_statements(seeded)


async def kinds(api: Api, **query: Any) -> list[str]:
    return [row["kind"] for row in (await api.get("/api/v1/statements/differences", **query))["items"]]


@pytest.mark.usefixtures("imported")
async def test_differences_are_listed_with_their_cause_newest_day_first(api: Api) -> None:
    page = await api.get("/api/v1/statements/differences")
    assert {row["kind"] for row in page["items"][:2]} == {"cash", "cost"}
    realized = page["items"][2]
    assert (realized["symbol"], realized["reference"]) == ("AAPL", "0001.aa.01.01")
    assert (realized["ours"], realized["stated"], realized["difference"]) == ("12.5", "12", "0.5")
    assert (realized["cause"], realized["day"]) == ("cost_method", "2026-11-17")
    [cost] = (await api.get("/api/v1/statements/differences", kind="cost"))["items"]
    assert (cost["ours"], cost["difference"], cost["cause"]) == (None, None, "unknown_cost")
    assert page["compared_at"] == page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_they_come_page_by_page_and_can_be_chosen(imported: tuple[int, int], api: Api) -> None:
    every = await kinds(api)
    first = await api.get("/api/v1/statements/differences", limit=2)
    assert await kinds(api, cursor=first["next_cursor"]) == every[2:] == ["realized"]
    assert await kinds(api, import_id=imported[1]) == ["realized"]
    assert await kinds(api, cause="unexplained") == ["cash"]
    assert await kinds(api, to="2026-11-18") == ["realized"]
    assert sorted(await kinds(api, **{"from": "2026-11-18"})) == ["cash", "cost"]
    assert await kinds(api, account=PAPER) == []
    assert len(await kinds(api, account=USD)) == 3
    refused = await api.http.get("/api/v1/statements/differences", params={"cursor": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "cursor_invalid")


async def test_an_import_tells_in_how_many_figures_the_ledger_differs(
    imported: tuple[int, int], api: Api
) -> None:
    found = await api.get(f"/api/v1/imports/{imported[0]}")
    assert found["differences"] == [
        {"kind": "cash", "cause": "unexplained", "figures": 1},
        {"kind": "cost", "cause": "unknown_cost", "figures": 1},
    ]


@pytest.mark.usefixtures("imported")
async def test_they_are_figures_for_prometheus(api: Api) -> None:
    lines = (await api.http.get("/metrics")).text.splitlines()
    assert 'lotkeeper_statement_differences{cause="cost_method",kind="realized"} 1.0' in lines
