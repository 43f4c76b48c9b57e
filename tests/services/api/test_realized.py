import base64
import json
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from models import tables as t
from models.queries.grouping import period_end
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD, VOD, position_id

Figures = tuple[str, str, str, str | None, str | None]


def figures(page: dict[str, Any]) -> list[Figures]:
    names = ("key", "account", "currency", "realized_pnl", "broker_realized_pnl")
    return [tuple(row[name] for name in names) for row in page["items"]]  # type: ignore[misc] - five names


AGAIN: Figures = ("2026-11-19", USD, "USD", "10", None)
WON: Figures = ("2026-11-18", USD, "USD", "278", "278.01")
LOST: Figures = ("2026-11-14", PAPER, "USD", None, "-30.25")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [AGAIN, WON, LOST]),
        ({"account": PAPER}, [LOST]),
        ({"from": "2026-11-18T15:00:00Z"}, [AGAIN, WON]),
        ({"to": "2026-11-18T15:00:00Z"}, [LOST]),
        ({"symbol": "MSFT", "account": PAPER}, [LOST]),
        ({"symbol": "VOD"}, []),
        (
            {"group_by": "month"},
            [("2026-11", USD, "USD", "288", None), ("2026-11", PAPER, "USD", None, "-30.25")],
        ),
        ({"group_by": "year", "account": USD}, [("2026", USD, "USD", "288", None)]),
        (
            {"group_by": "symbol"},
            [("MSFT", PAPER, "USD", None, "-30.25"), ("MSFT", USD, "USD", "288", None)],
        ),
    ],
)
async def test_realized_figures_are_grouped_and_unknown_is_not_zero(
    api: Api, query: dict[str, str], found: list[Figures]
) -> None:
    page = await api.get("/api/v1/realized", **query)
    assert figures(page) == found
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_what_is_unknown_is_counted_on_either_side(api: Api) -> None:
    again, won, lost = (await api.get("/api/v1/realized"))["items"]
    counts = ("disposals", "unknown_disposals", "missing_broker_figures", "provisional")
    assert [again[name] for name in counts] == [1, 0, 1, False]
    # The sale consumed two lots; the broker's figure for it counts once.
    assert [won[name] for name in counts] == [2, 0, 0, False]
    assert won["commission"] == "2"
    # The adjustment is no fill: the broker owes no figure for it.
    assert [lost[name] for name in counts] == [2, 1, 0, True]


def without_fill(page: dict[str, Any]) -> list[tuple[str | None, int]]:
    return [(row["realized_without_fill"], row["disposals_without_fill"]) for row in page["items"]]


async def test_what_was_realized_without_a_fill_is_told_apart(api: Api, seeded: Database) -> None:
    page = await api.get("/api/v1/realized")
    assert without_fill(page) == [("0", 0), ("0", 0), (None, 1)], "what is unknown is not zero"
    async with seeded.write() as writer:
        adjusted = t.lot_disposals.c.exec_id.is_(None)
        await writer.execute(update(t.lot_disposals).where(adjusted).values(realized_pnl=-4))
    page = await api.get("/api/v1/realized", account=PAPER, group_by="year")
    (row,) = page["items"]
    assert without_fill(page) == [("-4", 1)]
    assert (row["realized_pnl"], row["broker_realized_pnl"], row["difference"]) == ("-34.25", "-30.25", "0")


@pytest.mark.parametrize("grouping", ["day", "month", "year", "symbol"])
async def test_pages_follow_each_other_without_a_gap_or_a_double(api: Api, grouping: str) -> None:
    whole = figures(await api.get("/api/v1/realized", group_by=grouping))
    paged: list[Figures] = []
    query: dict[str, object] = {"limit": 1, "group_by": grouping}
    while True:
        page = await api.get("/api/v1/realized", **query)
        paged += figures(page)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == whole
    assert len(paged) > 1


@pytest.mark.parametrize(
    ("kind", "currency", "found"),
    [
        # Another instrument of the same account in pounds is a row of its own.
        ("STK", "GBP", [("2026", USD, "USD", "278", "278.01"), ("2026", USD, "GBP", "10", None)]),
        # IBKR realizes nothing on a currency trade.
        ("CASH", "USD", [("2026", USD, "USD", "278", "278.01")]),
    ],
)
async def test_currencies_are_never_summed_and_currency_trades_left_out(
    api: Api, seeded: Database, kind: str, currency: str, found: list[Figures]
) -> None:
    async with seeded.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == VOD).values(sec_type=kind, currency=currency)
        )
        await writer.execute(
            update(t.positions).where(t.positions.c.id == position_id("again")).values(conid=VOD)
        )
    assert figures(await api.get("/api/v1/realized", group_by="year", account=USD)) == found


def cursor(*place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "501"}, "validation_failed"),
        ({"from": "yesterday"}, "validation_failed"),
        ({"group_by": "week"}, "validation_failed"),
        ({"cursor": cursor("v", 1)}, "cursor_invalid"),
        ({"cursor": cursor("r", "realized", "month", "2026-11", USD, "USD")}, "cursor_invalid"),
        ({"cursor": cursor("r", "realized", "day", "2026-11-31", USD, "USD")}, "cursor_invalid"),
        ({"cursor": cursor("r", "realized", "day", "9999-12-31", USD, "USD")}, "cursor_invalid"),
        ({"cursor": cursor("r", "realized", "day", "someday", USD, "USD")}, "cursor_invalid"),
        ({"account": "U0"}, "account_not_found"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], code: str
) -> None:
    answer = await api.http.get("/api/v1/realized", params=query)
    assert answer.json()["code"] == code
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("period", "end"),
    [
        ("2026-02-28", "2026-03-01"),
        ("2026-12-31", "2027-01-01"),
        ("2026-11", "2026-12-01"),
        ("2026-12", "2027-01-01"),
        ("2026", "2027-01-01"),
    ],
)
def test_a_period_ends_where_the_next_begins(period: str, end: str) -> None:
    assert period_end(period) == datetime.fromisoformat(f"{end}T00:00:00+00:00")
