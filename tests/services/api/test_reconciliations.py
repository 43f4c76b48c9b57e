from typing import Any

import pytest
from sqlalchemy import delete, update

from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, PAPER, USD, position_id, seed_comparisons

LIST, DIFFERENCES = "/api/v1/reconciliations", "/api/v1/reconciliations/differences"


@pytest.fixture
async def compared(seeded: Database) -> Database:
    """The portfolio, compared with the broker."""
    await seed_comparisons(seeded)
    return seeded


@pytest.mark.usefixtures("compared")
async def test_comparisons_are_listed_newest_first_with_what_the_books_came_to(api: Api) -> None:
    page = await api.get(LIST)
    assert [(row["account"], row["trigger"], row["counts"]) for row in page["items"]] == [
        (USD, "change", {"matched": 1, "quantity_mismatch": 1, "cost_mismatch": 1}),
        (PAPER, "sweep", {}),
        (USD, "sweep", {"matched": 3}),
    ]
    newest = page["items"][0]
    assert (newest["checked"], newest["differences"]) == (3, 2)
    assert (newest["started_at"], newest["finished_at"]) == ("2026-11-20T14:00:00Z", "2026-11-20T14:00:01Z")
    assert [row["account"] for row in (await api.get(LIST, account=PAPER))["items"]] == [PAPER]
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_what_is_said_of_all_accounts_is_as_old_as_the_oldest_of_their_newest(
    api: Api, compared: Database
) -> None:
    assert (await api.get(LIST))["compared_at"] == "2026-11-20T13:00:01Z", "the paper account's"
    assert (await api.get(LIST, account=USD, limit=1))["compared_at"] == "2026-11-20T14:00:01Z"
    account = t.broker_accounts.c.account
    async with compared.write() as writer:
        await writer.execute(update(t.broker_accounts).where(account == PAPER).values(listed=False))
    assert (await api.get(LIST))["compared_at"] == "2026-11-20T14:00:01Z", "the login has it no longer"
    async with compared.write() as writer:
        await writer.execute(update(t.broker_accounts).values(listed=True))
        await writer.execute(delete(t.reconciliations).where(t.reconciliations.c.account == PAPER))
    assert (await api.get(LIST))["compared_at"] is None


@pytest.mark.usefixtures("compared")
async def test_a_difference_says_whose_figure_is_what_and_which_position_it_concerns(api: Api) -> None:
    row = (await api.get(DIFFERENCES, kind="quantity_mismatch"))["items"][0]
    del row["id"]
    assert row == {
        "account": USD,
        "conid": AAPL,
        "symbol": "AAPL",
        "local_symbol": "AAPL",
        "sec_type": "STK",
        "currency": "USD",
        "kind": "quantity_mismatch",
        "cause": "unexplained",
        "inferred": False,
        "ours": "90.5",
        "brokers": "100",
        "since": "2026-11-20T13:00:00Z",
        "resolved_at": None,
        "position_id": str(position_id("aapl")),
        "status": "open",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "note": None,
        "acknowledged_ours": None,
        "acknowledged_brokers": None,
        "acknowledgement_ended_at": None,
    }


KINDS = {
    "local": (PAPER, "missing_local"),
    "cost": (USD, "cost_mismatch"),
    "quantity": (USD, "quantity_mismatch"),
    "broker": (USD, "missing_broker"),
}


def kinds(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["account"], row["kind"]) for row in page["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["local", "cost", "quantity"]),
        ({"status": "resolved"}, ["broker"]),
        ({"status": "acknowledged"}, []),
        ({"status": "all"}, ["local", "cost", "quantity", "broker"]),
        ({"account": USD}, ["cost", "quantity"]),
        ({"symbol": "ES"}, ["local"]),
        ({"kind": "cost_mismatch"}, ["cost"]),
        ({"symbol": "AAPL", "kind": "missing_local"}, []),
    ],
)
@pytest.mark.usefixtures("compared")
async def test_differences_are_those_that_were_asked_for(
    api: Api, query: dict[str, str], found: list[str]
) -> None:
    assert kinds(await api.get(DIFFERENCES, **query)) == [KINDS[name] for name in found]


@pytest.mark.usefixtures("compared")
async def test_the_position_is_the_last_of_the_book_or_none(api: Api) -> None:
    rows = (await api.get(DIFFERENCES, status="all"))["items"]
    by_kind = {row["kind"]: row["position_id"] for row in rows}
    # The second of two in that book, closed by now.
    assert by_kind["missing_broker"] == str(position_id("again"))
    assert by_kind["missing_local"] is None


@pytest.mark.parametrize(("path", "rows"), [(LIST, 3), (f"{DIFFERENCES}?status=all", 4)])
@pytest.mark.usefixtures("compared")
async def test_pages_follow_each_other_without_a_gap_or_a_double(api: Api, path: str, rows: int) -> None:
    whole = (await api.http.get(path)).json()["items"]
    paged: list[Any] = []
    query = {"limit": "1"}
    while True:
        page = (
            await api.http.get(path, params=dict(pair.split("=") for pair in path.split("?")[1:]) | query)
        ).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == whole
    assert len(paged) == rows


@pytest.mark.usefixtures("compared")
async def test_the_cursor_of_the_one_list_is_refused_by_the_other(api: Api) -> None:
    cursor = (await api.get(LIST, limit=1))["next_cursor"]
    answer = await api.http.get(DIFFERENCES, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"status": "closed"}, "validation_failed"),
        ({"kind": "matched"}, "validation_failed"),
        ({"account": "U0"}, "account_not_found"),
        ({"cursor": "WyJuIiwiZGlmZmVyZW5jZXMiLDBd"}, "cursor_invalid"),
        ({"cursor": "WyJuIiwiZGlmZmVyZW5jZXMiLDkyMjMzNzIwMzY4NTQ3NzU4MDhd"}, "cursor_invalid"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], code: str
) -> None:
    assert (await api.http.get(DIFFERENCES, params=query)).json()["code"] == code
