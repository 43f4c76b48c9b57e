"""What statements say otherwise, over HTTP and as figures."""

from datetime import date, timedelta
from typing import Any

import pytest

from models import tables as t
from models.queries.statements import CoveredDays
from models.session import Database
from services.api.covered import MOST_GAPS, coverage_of
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD
from tests.services.api.stated import seed_period, seed_statements


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


@pytest.fixture
async def periods(imported: tuple[int, int], database: Database) -> tuple[int, int]:
    old, new = imported
    await seed_period(database, old, USD, "2026-11-02", "2026-11-07")
    await seed_period(database, new, USD, "2026-11-09", "2026-11-11")
    await seed_period(database, old, USD, "2026-11-16", "2026-11-21")
    await seed_period(database, old, PAPER, "2026-11-16", "2026-11-21")
    return imported


async def test_statements_are_listed_by_what_they_are_of(periods: tuple[int, int], api: Api) -> None:
    old, new = periods
    first = await api.get("/api/v1/statements", limit=2)
    rest = await api.get("/api/v1/statements", cursor=first["next_cursor"])
    told = first["items"] + rest["items"]
    assert [(one["import_id"], one["account"], one["first_day"]) for one in told] == [
        (old, USD, "2026-11-16"),
        (old, PAPER, "2026-11-16"),
        (new, USD, "2026-11-09"),
        (old, USD, "2026-11-02"),
    ]
    newest = told[0]
    assert (newest["last_day"], newest["days"], newest["kind"]) == ("2026-11-20", 5, "flex")
    assert (newest["differences"], told[1]["differences"], told[2]["differences"]) == (2, 0, 1)
    assert rest["next_cursor"] is None
    of_one = await api.get("/api/v1/statements", account=USD, limit=1)
    more = await api.get("/api/v1/statements", account=USD, cursor=of_one["next_cursor"])
    assert [one["import_id"] for one in of_one["items"] + more["items"]] == [old, new, old]
    assert (await api.http.get("/api/v1/statements?account=U0")).json()["code"] == "account_not_found"
    assert (await api.http.get("/api/v1/statements?cursor=x")).json()["code"] == "cursor_invalid"


async def test_what_is_missing_between_statements_is_told_but_no_weekend(
    periods: tuple[int, int], api: Api, database: Database
) -> None:
    told = {one["account"]: one for one in (await api.get("/api/v1/statements/coverage"))["items"]}
    usd = told[USD]
    assert (usd["first_day"], usd["last_day"], usd["statements"]) == ("2026-11-02", "2026-11-20", 3)
    assert (usd["days_covered"], usd["gaps_found"]) == (12, 1)
    assert usd["gaps"] == [{"first_day": "2026-11-11", "last_day": "2026-11-15", "days": 5}]
    assert (told[PAPER]["gaps"], told[PAPER]["days_covered"]) == ([], 5)
    await seed_period(database, periods[0], USD, "2026-11-11", "2026-11-16")
    [filled] = (await api.get("/api/v1/statements/coverage", account=USD))["items"]
    assert (filled["gaps"], filled["days_covered"]) == ([], 17)
    async with database.write() as writer:
        await writer.execute(t.stated_periods.update().values(complete=False))
    [none] = (await api.get("/api/v1/statements/coverage", account=USD))["items"]
    assert (none["statements"], none["first_day"], none["days_covered"]) == (0, None, 0)


async def test_coverage_comes_page_by_page(periods: tuple[int, int], api: Api) -> None:
    assert periods
    first = await api.get("/api/v1/statements/coverage", limit=1)
    rest = await api.get("/api/v1/statements/coverage", limit=1, cursor=first["next_cursor"])
    assert [one["account"] for one in first["items"] + rest["items"]] == [PAPER, USD]
    assert rest["next_cursor"] is None


def test_of_many_gaps_the_newest_are_told() -> None:
    spans = [
        CoveredDays("U1", 150, day := date(2020, 1, 1) + timedelta(days=14 * number), day)
        for number in range(150)
    ]
    told = coverage_of("U1", spans)
    assert (told.gaps_found, len(told.gaps)) == (149, MOST_GAPS)
    assert told.gaps[0].last_day == spans[-1].first_day - timedelta(days=1)
    assert told.gaps[0].first_day > told.gaps[1].first_day
