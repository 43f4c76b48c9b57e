"""No answer grows without end: each list comes in pages, or is bounded by what it is of."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from models import tables as t
from models.session import Database
from services.api.paging import MAX_LIMIT
from services.api.routers import lots, sync
from tests.services.api.conftest import Api
from tests.services.api.portfolio import EPOCH, NOW, USD, position_id
from tests.services.api.test_openapi_changes import of_the_app

WHOLE = {
    "/api/v1/positions/{position_id}/prices": "as many as points were asked for, 2,000 at most",
    "/api/v1/accounts": "the accounts of one login",
    "/api/v1/rules": "the rules of this version",
    "/api/v1/allocation": "`top` rows an account, and one for the rest",
    "/api/v1/valuation": "the accounts of one login",
    "/api/v1/performance/attribution": "a row a currency",
    "/api/v1/portfolio/allocation": "`top` rows an account, and one for the rest",
    "/api/v1/portfolio/attribution": "a row a currency",
    "/api/v1/settings": "the settings of this version",
    "/api/v1/sync/history": "the bars of a range",
}
"""Lists that come whole, and what bounds them."""

PARTS = {
    "PositionNotePage.tags": "20, as many as a position may be given",
    "PositionTags.tags": "the same",
    "LoginReport.accounts": "the accounts of one login",
    "SyncReport.logins": "the logins that list accounts",
    "SyncBar.reasons": "the kinds of what was missing",
    "AccountGroup.accounts": "the accounts of one login",
    "Allocation.accounts": "the accounts of one login",
    "Allocation.totals": "`top` rows, and one for the rest",
    "Calendar.accounts": "the accounts of one login",
    "Calendar.days": "the days of a year",
    "Calendar.months": "the months of a year",
    "Drawdowns.accounts": "the accounts of one login",
    "Drawdowns.episodes": "at most 100, the deepest",
    "Drawdowns.underwater": "as many points as were asked for",
    "PortfolioHistory.accounts": "the accounts of one login",
    "PortfolioHistory.points": "as many as were asked for, 5,000 at most",
    "InstrumentDetail.income": "a row a kind and currency",
    "InstrumentDetail.open_positions": "one an account",
    "IssueDetail.acknowledged_before": "the newest 100",
    "Meta.features": "those of this version",
    "Meta.topics": "those of this version",
    "NewToken.accounts": "the accounts of one login",
    "NewUser.accounts": "the accounts of one login",
    "PortfolioSummary.accounts": "the accounts of one login",
    "RecoveryCodes.codes": "a fixed number",
    "SessionInfo.accounts": "the accounts of one login",
    "Setting.default": "a few words",
    "Setting.value": "a few words",
    "SettingsReport.accounts": "the accounts of one login",
    "StatementCoverage.gaps": "times between statements that no statement covers",
    "Token.accounts": "the accounts of one login",
    "User.accounts": "the accounts of one login",
    "UserChange.accounts": "the accounts of one login",
    "Validation.rules": "the rules of this version",
    "Attribution.unclassified": "a row a kind and currency",
    "Attribution.unknown": "a row a reason and currency",
    "AccountValuation.cash": "a row a currency",
    "AccountValuation.positions": "what one account holds",
    "DrawdownMeasures.worst": "a fixed number",
    "ImportDetail.differences": "a row a kind and cause",
    "InstrumentDetail.same": "at most 500",
    "Lot.disposals": "4,000 a page, or those of one lot",
    "MethodClosing.methods": "the four cost methods",
    "MethodComparison.totals": "the four cost methods",
    "MethodFigure.disposals": "4,000 a page, or those of one closing",
    "Measures.accounts": "the accounts of one login",
    "Measures.years": "a row a year",
    "PositionDetail.differences": "at most 500",
    "Problem.errors": "the parameters of one request",
    "RealizedDifferencePage.totals": "a row an account and currency",
    "RuleInfo.tolerances": "those of one rule",
    "SnapshotDetail.cash": "a row a currency",
    "SnapshotDetail.positions": "what one account held",
    "SnapshotDetail.rates": "a row a currency",
    "SnapshotRun.failures": "the accounts of one login",
    "StreamReport.groups": "the groups of one stream",
    "SyncReport.datasets": "a row an account and download",
    "SyncReport.dead_facts": "a row a category",
    "SyncReport.gaps": "the newest 100",
    "SyncReport.jobs": "the newest 20",
    "SyncReport.last_errors": "the newest 20",
    "SyncReport.streams": "our own streams",
    "YearReturns.months": "the months of one year",
}
"""Parts of answers that hold several, and what bounds them."""


@pytest.fixture(scope="module")
def told() -> Any:
    return of_the_app()


def lists(told: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each route that answers with a list: its path, itself and the type of its answer."""
    for path, methods in told["paths"].items():
        reading = methods.get("get", {})
        content = reading.get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        schema = told["components"]["schemas"].get(name, {})
        if "items" in schema.get("properties", {}):
            yield path, reading, schema


def test_each_list_comes_in_pages_or_is_bounded_by_what_it_is_of(told: Any) -> None:
    found = dict.fromkeys(WHOLE, False)
    for path, reading, schema in lists(told):
        asked = {one["name"]: one["schema"] for one in reading.get("parameters", ())}
        if path in WHOLE:
            found[path] = True
            continue
        assert asked.get("limit", {}).get("maximum") == MAX_LIMIT, f"{path}: give it pages, or say why not"
        assert "cursor" in asked, path
        assert "next_cursor" in schema["required"], path
    assert all(found.values()), found


def arrays(schema: Any) -> bool:
    if "$ref" in schema:
        return False
    return schema.get("type") == "array" or any(arrays(one) for one in schema.get("anyOf", ()))


def test_each_part_of_an_answer_that_holds_several_is_bounded(told: Any) -> None:
    for name, schema in told["components"]["schemas"].items():
        for part, kind in schema.get("properties", {}).items():
            if part != "items" and arrays(kind):
                assert f"{name}.{part}" in PARTS, "say what bounds it, or give it a route with pages"


@pytest.mark.parametrize("path", ["/api/v1/account-groups", "/api/v1/benchmarks"])
async def test_what_has_names_comes_in_pages_in_their_order(api: Api, database: Database, path: str) -> None:
    names = ["Zwei", "b", "c", "ü"]
    async with database.write() as writer:
        for name in names:
            await writer.execute(insert(t.account_groups).values(name=name, changed_at=NOW))
            await writer.execute(insert(t.account_group_members).values(name=name, account=USD))
            await writer.execute(
                insert(t.benchmark_levels).values(
                    benchmark=name, day=NOW.date(), level=1, currency="", source_sha256="", imported_at=NOW
                )
            )
    page = await api.get(path, limit=3)
    rest = await api.get(path, limit=3, cursor=page["next_cursor"])
    assert [row["name"] for row in (*page["items"], *rest["items"])] == names
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    other = {"/api/v1/benchmarks": "/api/v1/account-groups"}.get(path, "/api/v1/benchmarks")
    for cursor in (page["next_cursor"], "x"):
        answer = await api.http.get(other, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_of_very_many_gaps_the_newest_are_told(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MOST_GAPS", 3)
    gap = {"account": USD, "reason": "x", "detected_at": NOW, "epoch": EPOCH}
    async with database.write() as writer:
        for day in range(1, 7):
            started, ended = NOW.replace(month=1, day=day), NOW.replace(month=1, day=day, hour=16)
            await writer.execute(insert(t.observation_gaps).values(started_at=started, ended_at=ended, **gap))
    told = (await api.get("/api/v1/sync"))["gaps"]
    assert [row["started_at"][:10] for row in told] == ["2026-01-05", "2026-01-06", "2026-11-19"]


async def test_a_page_of_lots_ends_before_it_has_too_many_disposals(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/v1/positions/{position_id('won')}/lots"
    whole = (await api.get(path))["items"]
    assert len(whole) > 1
    monkeypatch.setattr(lots, "MOST_DISPOSALS", 1)
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await api.get(path, **({} if cursor is None else {"cursor": cursor}))
        found, cursor, pages = [*found, *page["items"]], page["next_cursor"], pages + 1
    assert found == whole
    assert pages > 1
