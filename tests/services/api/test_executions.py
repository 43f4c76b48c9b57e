from decimal import Decimal

import pytest
from sqlalchemy import update

from models.session import Database
from models.tables import commission_reports
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD

AA, AB1, AB2, AC, AD = (
    f"0001.{name}" for name in ("aa.01.01", "ab.01.01", "ab.01.02", "ac.01.01", "ad.01.01")
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [AC, AD, AB2, AA]),
        ({"include": "corrected"}, [AC, AD, AB2, AB1, AA]),
        ({"account": PAPER}, [AD]),
        ({"account": USD, "symbol": "AAPL"}, [AB2, AA]),
        ({"from": "2026-11-15T15:00:00Z"}, [AC, AD]),
        ({"to": "2026-11-15T15:00:00Z"}, [AB2, AA]),
        ({"from": "2026-11-11T15:00:00Z", "to": "2026-11-11T15:00:05Z"}, [AA]),
    ],
)
async def test_executions_are_listed_newest_first_and_filtered(
    api: Api, query: dict[str, str], found: list[str]
) -> None:
    page = await api.get("/api/v1/executions", **query)
    assert [row["exec_id"] for row in page["items"]] == found
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_a_corrected_fill_costs_what_all_its_versions_cost(api: Api) -> None:
    rows = {row["exec_id"]: row for row in (await api.get("/api/v1/executions"))["items"]}
    assert (rows[AB2]["commission"], rows[AB2]["commission_currency"]) == ("1", "USD")
    assert rows[AB2]["broker_realized_pnl"] == "3.5"
    assert (rows[AD]["commission"], rows[AD]["commission_currency"]) == (None, None)
    assert (rows[AC]["side"], rows[AC]["quantity"], rows[AC]["price"]) == ("SLD", "2", "4500.0474")


async def test_listed_apart_each_version_has_its_own_charge(api: Api) -> None:
    page = await api.get("/api/v1/executions", include="corrected")
    rows = {row["exec_id"]: row for row in page["items"]}
    assert (rows[AB1]["commission"], rows[AB2]["commission"]) == ("1.2", "-0.2")
    assert (rows[AB1]["corrected_by"], rows[AB2]["corrected_by"]) == (AB2, None)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (("USD", None), ("USD", None), ("1", "USD", None)),
        (("EUR", "1.25"), ("EUR", "1.25"), ("1", "EUR", "1.25")),
        (("EUR", "1.25"), ("EUR", "1.2"), ("1", "EUR", None)),
        (("EUR", None), ("EUR", None), ("1", "EUR", None)),
        (("EUR", "1.25"), ("USD", None), ("1.3", "USD", None)),
        (("EUR", None), ("USD", None), (None, None, None)),
        (("", None), ("USD", None), (None, None, None)),
    ],
)
async def test_charges_in_several_currencies_are_converted_and_never_mixed(
    first: tuple[str, str | None],
    second: tuple[str, str | None],
    together: tuple[str | None, ...],
    api: Api,
    database: Database,
) -> None:
    """The first version was charged 1.2, the second gave 0.2 back."""
    report = commission_reports
    async with database.write() as writer:
        for exec_id, (currency, rate) in ((AB1, first), (AB2, second)):
            told = {"currency": currency, "rate": None if rate is None else Decimal(rate)}
            await writer.execute(update(report).where(report.c.exec_id == exec_id).values(told))
    names = ("commission", "commission_currency", "commission_rate")
    rows = {row["exec_id"]: row for row in (await api.get("/api/v1/executions"))["items"]}
    assert tuple(rows[AB2][name] for name in names) == together
    rows = {
        row["exec_id"]: row for row in (await api.get("/api/v1/executions", include="corrected"))["items"]
    }
    assert tuple(rows[AB1][name] for name in names) == ("1.2", *first)
    assert tuple(rows[AB2][name] for name in names) == ("-0.2", *second)


async def test_pages_follow_each_other_without_a_gap_or_a_double(api: Api) -> None:
    found: list[str] = []
    query: dict[str, object] = {"limit": 1}
    while True:
        page = await api.get("/api/v1/executions", **query)
        found += [row["exec_id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [AC, AD, AB2, AA]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "501"}, "validation_failed"),
        ({"from": "yesterday"}, "validation_failed"),
        ({"from": "2026-11-15T15:00:00"}, "validation_failed"),
        ({"include": "everything"}, "validation_failed"),
        ({"cursor": "WyJ2IiwxXQ"}, "cursor_invalid"),
        ({"cursor": "WyJlIiwiMjAyNi0xMS0xNVQxNTowMDowMCIsIngiXQ"}, "cursor_invalid"),
        ({"account": "U0"}, "account_not_found"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], code: str
) -> None:
    answer = await api.http.get("/api/v1/executions", params=query)
    assert answer.json()["code"] == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert 400 <= answer.status_code < 500
