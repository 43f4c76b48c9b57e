import random
from datetime import timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from sqlalchemy import delete, insert, text, update

from core.domain.anchors import Anchor
from core.domain.episodes import Episode
from core.domain.fills import Fill
from core.domain.lifecycle import fold_book
from core.domain.lots import CostMethod
from core.domain.money import plain
from models import tables as t
from models.queries import comparison as queries
from models.session import Database
from models.stores.episodes import write_episodes
from services.api import comparison
from services.api.routers import comparison as router
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, MSFT, NOW, PAPER, USD, VOD

METHODS: tuple[CostMethod, ...] = get_args(CostMethod)
EXPIRED = 30
BOOKS = ((USD, AAPL, "1"), (USD, VOD, "0.01"), (PAPER, MSFT, "1"))


def history(conid: int) -> tuple[list[Fill], list[Anchor]]:
    """Forty fills over weeks, both ways, some without a commission; a split, or an unexplained end."""
    chance = random.Random(conid)  # noqa: S311 - the same in every run
    fills: list[Fill] = []
    for number in range(40):
        quantity = Decimal(chance.choice((30, 20, 10, -10, -20, -25, -40)))
        price, fee = Decimal(chance.randrange(9_000, 11_000)) / 100, Decimal(chance.randrange(1, 300)) / 100
        at, name = NOW - timedelta(days=90 - 2 * number, hours=number % 24), f"m{conid}.{number:02}"
        known = None if number % 13 == 12 else fee
        fills.append(Fill(at, name, f"{name}.01", quantity, price, known, known is not None))
    if conid == VOD:
        return fills, [Anchor(NOW - timedelta(days=3), Decimal(0), None)]
    halfway = NOW - timedelta(days=50)
    held = sum((one.quantity for one in fills if one.executed_at <= halfway), Decimal(0))
    split = Anchor(halfway, 3 * held, None, "split")
    # On the day of a fill that closes, so that one group has both kinds.
    expired = Anchor(fills[EXPIRED].executed_at + timedelta(hours=1), Decimal(0), None, "expiry")
    return fills, [split, expired._replace(price=Decimal(98))] if conid == AAPL else [split]


def folded(method: CostMethod) -> list[Episode]:
    episodes: list[Episode] = []
    for account, conid, point_value in BOOKS:
        fills, anchors = history(conid)
        flat = Anchor(NOW - timedelta(days=400), Decimal(0), None)
        ledger = fold_book(account, conid, Decimal(point_value), fills, [flat, *anchors], method=method)
        episodes += ledger.touched
    return episodes


async def store(database: Database, method: CostMethod) -> list[Episode]:
    """Write the books as folded with ``method``; the broker's figures are a cent off first in, first out."""
    episodes = folded(method)
    async with database.write() as writer:
        await writer.execute(delete(t.positions))
        await writer.execute(delete(t.commission_reports))
        await writer.execute(
            text(
                "INSERT INTO ledger_books (account, conid) SELECT account, conid "
                "FROM broker_accounts, instruments ON CONFLICT DO NOTHING"
            )
        )
        await writer.execute(update(t.ledger_books).values(cost_method=method))
        await write_episodes(writer, [(one, 1) for one in episodes], NOW)
        for number, event in enumerate(event for one in folded("fifo") for event in one.events):
            if event.exec_id is not None and event.realized_pnl is not None and number % 9:
                await writer.execute(
                    insert(t.commission_reports).values(
                        exec_id=event.exec_id,
                        commission=event.commission or 0,
                        currency="USD",
                        realized_pnl=event.realized_pnl - Decimal("0.01"),
                        received_at=NOW,
                        epoch=1,
                    )
                )
    return episodes


def but(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


async def groups(api: Api, **query: str) -> list[dict[str, Any]]:
    """The rows of every grouping."""
    answers = [
        await api.get("/api/v1/realized", group_by=grouping, limit=500, **query)
        for grouping in ("day", "month", "year", "symbol")
    ]
    return [row for answer in answers for row in answer["items"]]


@pytest.mark.parametrize("method", METHODS)
async def test_realized_under_a_method_is_what_books_folded_with_it_tell(
    api: Api, seeded: Database, method: CostMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_EVENTS_AT_ONCE", 30)
    monkeypatch.setattr(queries, "_ROWS_AT_ONCE", 8)
    await store(seeded, method)
    expected = await groups(api)
    await store(seeded, "lifo" if method == "fifo" else "fifo")
    own, found = await groups(api), await groups(api, method=method)
    # What is provisional may be said of more than a fold would say it of.
    assert but(found, "difference_from_own", "provisional") == but(
        expected, "difference_from_own", "provisional"
    )
    assert all(one["provisional"] >= like["provisional"] for one, like in zip(found, expected, strict=True))
    for row, like in zip(found, own, strict=True):
        mine, theirs = row["realized_pnl"], like["realized_pnl"]
        known = mine is not None and theirs is not None
        assert row["difference_from_own"] == (plain(Decimal(mine) - Decimal(theirs)) if known else None)
    assert {row["method"] for row in found} == {method}
    assert any(row["difference_from_own"] not in {None, "0"} for row in found)
    parts = ("broker_realized_pnl", "difference", "realized_without_fill")
    summed = [row for row in found if None not in {row["realized_pnl"], *(row[name] for name in parts)}]
    for row in summed:
        assert Decimal(row["realized_pnl"]) == sum(Decimal(row[name]) for name in parts)
    assert any(row["disposals_without_fill"] for row in summed), "expired beside what was sold"


@pytest.mark.parametrize("query", [{}, {"symbol": "MSFT"}, {"symbol": "VOD"}, {"symbol": "NONE"}])
async def test_realized_under_the_own_method_is_what_is_stored(
    api: Api, seeded: Database, query: dict[str, str]
) -> None:
    await store(seeded, "average")
    stored, matched = [
        (await api.get("/api/v1/realized", **query, **method))["items"]
        for method in ({}, {"method": "average"})
    ]
    if not stored:
        assert matched == []
        return
    assert but(matched, "difference_from_own") == but(stored, "difference_from_own")
    assert {row["difference_from_own"] for row in stored} == {None}
    assert {row["difference_from_own"] for row in matched} <= {None, "0"}
    assert {row["method"] for row in stored} == {"average"}


@pytest.mark.parametrize("grouping", ["month", "symbol"])
async def test_pages_and_bounds_hold_under_a_method_as_well(
    api: Api, seeded: Database, grouping: str
) -> None:
    await store(seeded, "fifo")
    bounds = {"from": "2026-09-01T00:00:00Z", "to": "2026-11-10T00:00:00Z", "account": USD}
    query: dict[str, Any] = {"group_by": grouping, **bounds}
    expected = (await api.get("/api/v1/realized", **query))["items"]
    paged: list[dict[str, Any]] = []
    query |= {"method": "fifo", "limit": 1}
    while True:
        page = await api.get("/api/v1/realized", **query)
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert but(paged, "difference_from_own") == but(expected, "difference_from_own")
    assert len(paged) > 1


async def test_while_an_account_changes_its_method_no_one_method_is_named(api: Api, seeded: Database) -> None:
    await store(seeded, "fifo")
    async with seeded.write() as writer:
        await writer.execute(
            update(t.ledger_books).where(t.ledger_books.c.conid == VOD).values(cost_method="lifo")
        )
    rows = (await api.get("/api/v1/realized", group_by="year", account=USD))["items"]
    assert {row["currency"]: row["method"] for row in rows} == {"USD": "fifo", "GBP": "lifo"}


@pytest.mark.parametrize("own", ["fifo", "average"])
async def test_each_closing_of_a_position_is_itemised_under_every_method(
    api: Api, seeded: Database, own: CostMethod
) -> None:
    episodes = await store(seeded, own)
    episode = max(episodes, key=lambda one: one.disposal_count)
    answer = await api.get(f"/api/v1/positions/{episode.id}/methods")
    assert (answer["method"], answer["position_id"]) == (own, str(episode.id))
    for number, method in enumerate(METHODS):
        (like,) = [one for one in folded(method) if one.id == episode.id]
        shown = [closing["methods"][number] for closing in answer["items"]]
        assert {one["method"] for one in shown} == {method}
        assert [
            (part["lot_seq"], part["quantity"], part["cost"], part["realized_pnl"])
            for one in shown
            for part in one["disposals"]
        ] == [
            (part.lot_seq, plain(part.quantity), plain(part.cost or 0), plain(part.realized_pnl or 0))
            for part in like.disposals
        ]
        total = answer["totals"][number]
        assert total["realized_pnl"] == plain(like.realized or Decimal(0))
        assert total["disposals"] == like.disposal_count
        assert total["closings"] == len(answer["items"])
    mine = METHODS.index(own)
    for closing in answer["items"]:
        made = [Decimal(one["realized_pnl"]) for one in closing["methods"]]
        assert [Decimal(one["difference_from_own"]) for one in closing["methods"]] == [
            one - made[mine] for one in made
        ]
    assert len({one["realized_pnl"] for closing in answer["items"] for one in closing["methods"]}) > 2


async def test_a_long_comparison_comes_in_pages_with_the_same_totals(
    api: Api, seeded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = max(await store(seeded, "fifo"), key=lambda one: one.disposal_count)
    path = f"/api/v1/positions/{episode.id}/methods"
    whole = await api.get(path)
    for limit, most in ((2, 4_000), (100, 1)):
        monkeypatch.setattr(router, "_MOST_DISPOSALS", most)
        paged: list[Any] = []
        query: dict[str, Any] = {"limit": limit}
        while True:
            page = await api.get(path, **query)
            paged += page["items"]
            assert page["totals"] == whole["totals"]
            assert 0 < len(page["items"]) <= (limit if most > 1 else 1)
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert paged == whole["items"]


async def test_a_position_that_is_not_there_or_a_method_that_is_none_is_a_problem(api: Api) -> None:
    answer = await api.http.get("/api/v1/positions/7d9a1c52-1f6e-4a0e-9a55-1d2f7c3b9e01/methods")
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    answer = await api.http.get("/api/v1/realized", params={"method": "cheapest"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_rows_of_an_older_version_are_to_be_folded_first(api: Api, seeded: Database) -> None:
    episode = max(await store(seeded, "fifo"), key=lambda one: one.disposal_count)
    async with seeded.write() as writer:
        await writer.execute(delete(t.lot_disposals).where(t.lot_disposals.c.seq > 1))
    for path in (f"/api/v1/positions/{episode.id}/methods", "/api/v1/realized?method=lifo") * 2:
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unfolded")
