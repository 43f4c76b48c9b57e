from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, update

from core.settings import Settings
from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import MSFT, NOW, PAPER, USD, VOD, position_id

PATH = "/api/v1/statistics"


async def close(
    database: Database, *results: str | None, conid: int = MSFT, provisional: bool = False
) -> None:
    """Add positions of the real account, each closed an hour before noon on the 17th, a day held."""
    at = NOW - timedelta(days=3, hours=4)
    async with database.write() as writer:
        for number, result in enumerate(results):
            await writer.execute(
                insert(t.positions).values(
                    id=position_id(f"{conid} {number} {provisional}"),
                    account=USD,
                    conid=conid,
                    ordinal=100 + number + 50 * provisional,
                    status="closed",
                    side="long",
                    quantity=0,
                    max_quantity=1,
                    realized_pnl=None if result is None else Decimal(result),
                    commission=Decimal("0.5"),
                    opened_at=at - timedelta(days=1, seconds=number),
                    closed_at=at,
                    provisional=provisional,
                    missing_commissions=0,
                    estimated=False,
                    event_count=2,
                    lot_count=1,
                    version=1,
                    updated_at=at,
                )
            )


async def test_each_figure_is_what_its_name_says(api: Api, seeded: Database) -> None:
    await close(seeded, "-100", "0", None, "-20.5")
    await close(seeded, "5", provisional=True)
    (row,) = (await api.get(PATH, account=USD))["items"]
    # Beside these: one that won 250 in six days, and one that won 10 in a day; each cost 2.
    assert row == {
        "key": USD,
        "account": USD,
        "currency": "USD",
        "closed": 7,
        "decided": 6,
        "won": 3,
        "lost": 2,
        "even": 1,
        "unknown": 1,
        "provisional": 1,
        "win_rate": "0.5",
        "gross_profit": "265",
        "gross_loss": "-120.5",
        "profit_factor": "2.1992",
        "average_win": "88.3333333333",
        "average_loss": "-60.25",
        "largest_win": "250",
        "largest_loss": "-100",
        "expectancy": "24.0833333333",
        "realized_pnl": None,
        "commission": "6.5",
        # 6 + 6 × 1 days, and 1 + 2 + 3 seconds, over seven.
        "average_holding_seconds": (12 * 86_400 + 6) // 7,
        "average_winner_holding_seconds": 8 * 86_400 // 3,
        "average_loser_holding_seconds": 86_401,
    }


async def test_what_there_is_none_of_has_no_average(api: Api) -> None:
    paper, usd = (await api.get(PATH))["items"]
    assert (paper["key"], paper["lost"], paper["won"]) == (PAPER, 1, 0)
    assert (paper["average_win"], paper["largest_win"], paper["average_winner_holding_seconds"]) == (
        None,
    ) * 3
    assert (paper["profit_factor"], paper["win_rate"]) == ("0", "0")
    assert (usd["profit_factor"], usd["average_loss"], usd["realized_pnl"]) == (None, None, "260")


@pytest.mark.parametrize(("account", "rate"), [(USD, "0.5"), (PAPER, "0")])
async def test_the_summarys_win_rate_is_the_same(
    start: Start, settings: Settings, seeded: Database, account: str, rate: str
) -> None:
    await close(seeded, "-100", "0", None)
    # A currency trade counts in neither.
    await close(seeded, "7", "8", conid=VOD)
    async with seeded.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == VOD).values(sec_type="CASH")
        )
    api = await start(settings)
    (row,) = (await api.get(PATH, account=account))["items"]
    summary = await api.get(f"/api/v1/accounts/{account}/summary")
    assert (row["win_rate"], summary["win_rate"]) == (rate, rate)


Found = list[tuple[str, str, str, int]]


def found(page: dict[str, Any]) -> Found:
    return [(row["key"], row["account"], row["currency"], row["closed"]) for row in page["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [(PAPER, PAPER, "USD", 1), (USD, USD, "GBP", 1), (USD, USD, "USD", 3)]),
        ({"group_by": "symbol", "account": USD}, [("MSFT", USD, "USD", 3), ("VOD", USD, "GBP", 1)]),
        ({"symbol": "VOD"}, [(USD, USD, "GBP", 1)]),
        (
            {"group_by": "day", "account": USD},
            [
                ("2026-11-19", USD, "USD", 1),
                ("2026-11-18", USD, "USD", 1),
                ("2026-11-17", USD, "USD", 1),
                ("2026-11-17", USD, "GBP", 1),
            ],
        ),
        ({"group_by": "month", "account": PAPER}, [("2026-11", PAPER, "USD", 1)]),
        ({"group_by": "year", "symbol": "MSFT"}, [("2026", USD, "USD", 3), ("2026", PAPER, "USD", 1)]),
        (
            {"from": "2026-11-17T11:00:00Z", "to": "2026-11-19T15:00:00Z"},
            [(USD, USD, "GBP", 1), (USD, USD, "USD", 2)],
        ),
        ({"from": "2026-11-17T11:00:01Z", "to": "2026-11-18T15:00:00Z"}, []),
    ],
)
async def test_positions_are_grouped_and_currencies_kept_apart(
    api: Api, seeded: Database, query: dict[str, str], expected: Found
) -> None:
    await close(seeded, "1")
    await close(seeded, "1", conid=VOD)
    page = await api.get(PATH, **query)
    assert found(page) == expected
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


@pytest.mark.parametrize("grouping", ["account", "symbol", "day", "month", "year"])
async def test_pages_follow_each_other_without_a_gap_or_a_double(
    api: Api, seeded: Database, grouping: str
) -> None:
    await close(seeded, "1", conid=VOD)
    whole = found(await api.get(PATH, group_by=grouping))
    paged: Found = []
    query: dict[str, object] = {"limit": 1, "group_by": grouping}
    while True:
        page = await api.get(PATH, **query)
        paged += found(page)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == whole
    assert len(paged) > 2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"group_by": "week"}, "validation_failed"),
        ({"from": "2026-11-17"}, "validation_failed"),
        ({"cursor": "x"}, "cursor_invalid"),
        ({"account": "U0"}, "account_not_found"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], code: str
) -> None:
    assert (await api.http.get(PATH, params=query)).json()["code"] == code


async def test_a_cursor_of_the_realized_list_is_refused(api: Api) -> None:
    cursor = (await api.get("/api/v1/realized", group_by="day", limit=1))["next_cursor"]
    answer = await api.http.get(PATH, params={"group_by": "day", "cursor": cursor})
    assert answer.json()["code"] == "cursor_invalid"
