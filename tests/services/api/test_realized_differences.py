from typing import Any

import pytest
from sqlalchemy import text, update

from models import tables as t
from models.session import Database
from services.api.realized_totals import RealizedTotals
from tests.services.api.conftest import Api
from tests.services.api.portfolio import (
    AGAIN_SALE,
    LOST_SALE,
    MSFT,
    NOW,
    PAPER,
    USD,
    VOD,
    WON_SALE,
    position_id,
)
from tests.waiting import eventually

PATH = "/api/v1/realized/differences"


async def broker_says(database: Database, **figures: str | None) -> None:
    """Change what the broker says the fills realized: ours are 278 (won), 10 (again) and -30.25 (lost)."""
    sales = {"won": WON_SALE, "again": AGAIN_SALE, "lost": LOST_SALE}
    async with database.write() as writer:
        for name, figure in figures.items():
            await writer.execute(
                text(
                    "INSERT INTO commission_reports (exec_id, commission, currency, realized_pnl, "
                    "received_at, epoch) VALUES (:exec_id, 0, 'USD', CAST(:figure AS numeric), now(), 1)"
                    " ON CONFLICT (exec_id) DO UPDATE SET realized_pnl = excluded.realized_pnl"
                ),
                {"exec_id": sales[name], "figure": figure},
            )


def listed(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["exec_id"], row["difference"]) for row in page["items"]]


def totals(page: dict[str, Any]) -> dict[tuple[str, str], list[Any]]:
    names = ("realized_pnl", "broker_realized_pnl", "difference", "compared_fills", "differing_fills")
    counts = ("missing_broker_figures", "unknown_fills")
    return {
        (row["account"], row["currency"]): [row[name] for name in (*names, *counts)] for row in page["totals"]
    }


@pytest.mark.parametrize(
    ("figure", "difference"),
    [
        ("278.005", None),
        ("278.0050001", "-0.0050001"),
        ("277.995", None),
        ("277.99499", "0.00501"),
        ("278.000000049", None),
        (None, None),
    ],
)
async def test_half_a_cent_is_rounding_and_more_is_a_difference(
    api: Api, seeded: Database, figure: str | None, difference: str | None
) -> None:
    await broker_says(seeded, won=figure)
    assert listed(await api.get(PATH)) == ([] if difference is None else [(WON_SALE, difference)])


async def test_a_fill_that_differs_says_what_it_was_and_where_it_went(api: Api) -> None:
    page = await api.get(PATH)
    assert page["items"] == [
        {
            "exec_id": WON_SALE,
            "account": USD,
            "conid": MSFT,
            "symbol": "MSFT",
            "currency": "USD",
            "executed_at": "2026-11-18T15:00:00Z",
            "realized_pnl": "278",
            "broker_realized_pnl": "278.01",
            "difference": "-0.01",
            "provisional": False,
            "position_id": str(position_id("won")),
        }
    ]
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_totals_are_of_fills_of_which_both_figures_are_known_and_count_the_others(
    api: Api, seeded: Database
) -> None:
    # Of the sale on the 19th the broker gave no figure; the adjustment of the paper account is no fill.
    assert totals(await api.get(PATH)) == {
        (PAPER, "USD"): ["-30.25", "-30.25", "0", 1, 0, 0, 0],
        (USD, "USD"): ["278", "278.01", "-0.01", 1, 1, 1, 0],
    }
    async with seeded.write() as writer:
        await writer.execute(
            update(t.lot_disposals).where(t.lot_disposals.c.exec_id == LOST_SALE).values(realized_pnl=None)
        )
    assert totals(await api.get(PATH))[PAPER, "USD"] == ["0", "0", "0", 0, 0, 0, 1]


async def test_estimates_among_the_differing_fills_are_counted(api: Api, seeded: Database) -> None:
    assert [row["estimated_fills"] for row in (await api.get(PATH))["totals"]] == [0, 0]
    async with seeded.write() as writer:
        await writer.execute(update(t.lot_disposals).values(provisional=True))
    # Only one of the two accounts has a fill that differs.
    assert [row["estimated_fills"] for row in (await api.get(PATH))["totals"]] == [0, 1]


@pytest.mark.parametrize("at_once", [False, True])
async def test_fills_are_newest_first_and_pages_follow_each_other(
    api: Api, seeded: Database, at_once: bool
) -> None:
    await broker_says(seeded, won="270", again="12", lost="-30")
    expected = [(AGAIN_SALE, "-2"), (WON_SALE, "8"), (LOST_SALE, "-0.25")]
    if at_once:
        expected = [(LOST_SALE, "-0.25"), (AGAIN_SALE, "-2"), (WON_SALE, "8")]
        async with seeded.write() as writer:
            await writer.execute(update(t.lot_disposals).values(closed_at=NOW))
    assert listed(await api.get(PATH)) == expected
    paged: list[tuple[str, str]] = []
    query: dict[str, object] = {"limit": 1}
    while True:
        page = await api.get(PATH, **query)
        paged += listed(page)
        assert len(page["totals"]) == 2, "of all pages"
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == expected


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"account": PAPER}, [(LOST_SALE, "-0.25")]),
        ({"symbol": "MSFT", "account": PAPER}, [(LOST_SALE, "-0.25")]),
        ({"symbol": "VOD"}, []),
        ({"from": "2026-11-18T15:00:00Z"}, [(AGAIN_SALE, "-2"), (WON_SALE, "8")]),
        ({"to": "2026-11-18T15:00:00Z"}, [(LOST_SALE, "-0.25")]),
    ],
)
async def test_both_lists_are_of_what_was_asked_for(
    api: Api, seeded: Database, query: dict[str, str], found: list[tuple[str, str]]
) -> None:
    await broker_says(seeded, won="270", again="12", lost="-30")
    page = await api.get(PATH, **query)
    assert listed(page) == found
    assert sum(row["compared_fills"] for row in page["totals"]) == len(found)


async def test_currencies_are_never_summed_and_currency_trades_left_out(api: Api, seeded: Database) -> None:
    await broker_says(seeded, won="270", again="12")
    async with seeded.write() as writer:
        await writer.execute(
            update(t.positions).where(t.positions.c.id == position_id("again")).values(conid=VOD)
        )
    found = totals(await api.get(PATH, account=USD))
    assert {key: row[2] for key, row in found.items()} == {(USD, "USD"): "8", (USD, "GBP"): "-2"}
    async with seeded.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == VOD).values(sec_type="CASH")
        )
    page = await api.get(PATH, account=USD)
    assert (listed(page), list(totals(page))) == ([(WON_SALE, "8")], [(USD, "USD")])


async def test_a_realized_row_has_the_difference_while_both_sides_are_known(
    api: Api, seeded: Database
) -> None:
    rows = (await api.get("/api/v1/realized"))["items"]
    assert [row["difference"] for row in rows] == [None, "-0.01", None]
    async with seeded.write() as writer:
        # The adjustment realized something now, of which the broker told nothing.
        await writer.execute(
            update(t.lot_disposals).where(t.lot_disposals.c.realized_pnl.is_(None)).values(realized_pnl=7)
        )
    lost = (await api.get("/api/v1/realized"))["items"][-1]
    assert (lost["realized_pnl"], lost["broker_realized_pnl"], lost["difference"]) == (
        "-23.25",
        "-30.25",
        "0",
    )


async def scraped(api: Api, name: str) -> list[str]:
    lines = (await api.http.get("/metrics")).text.splitlines()
    return sorted(line for line in lines if line.startswith(f"lotkeeper_realized_{name}"))


async def test_the_figures_for_prometheus_are_by_currency_and_name_no_account(
    api: Api, seeded: Database
) -> None:
    await broker_says(seeded, won="270", again="12", lost="-30")
    async with seeded.write() as writer:
        await writer.execute(
            update(t.positions).where(t.positions.c.id == position_id("again")).values(conid=VOD)
        )
    assert await scraped(api, "") == [], "nobody has looked yet, and unknown is not zero"
    await eventually(lambda: scraped(api, "compared"), lambda told: told != [])
    assert await scraped(api, "") == [
        "lotkeeper_realized_compared_fills 3.0",
        'lotkeeper_realized_difference{currency="GBP"} -2.0',
        'lotkeeper_realized_difference{currency="USD"} 7.75',
        "lotkeeper_realized_differing_fills 3.0",
    ]


async def test_the_ledger_is_not_gone_through_for_each_scrape(api: Api, seeded: Database) -> None:
    first = await eventually(lambda: scraped(api, "differing"), lambda told: told != [])
    await broker_says(seeded, won="278")
    for _ in range(5):
        assert await scraped(api, "differing") == first == ["lotkeeper_realized_differing_fills 1.0"]
    api.context.realized = RealizedTotals(seeded, seconds=0)
    await eventually(
        lambda: scraped(api, "differing"), lambda told: told == ["lotkeeper_realized_differing_fills 0.0"]
    )
    await api.context.realized.close()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "validation_failed"),
        ({"to": "tomorrow"}, "validation_failed"),
        ({"cursor": "WyJ2IiwxXQ"}, "cursor_invalid"),
        ({"account": "U0"}, "account_not_found"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], code: str
) -> None:
    assert (await api.http.get(PATH, params=query)).json()["code"] == code
