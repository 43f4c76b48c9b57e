import uuid

import pytest
from sqlalchemy import insert, update

from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import NOW, position_id

WON = f"/api/v1/positions/{position_id('won')}"
AAPL = f"/api/v1/positions/{position_id('aapl')}"


async def test_each_lot_says_what_became_of_it(api: Api) -> None:
    page = await api.get(f"{WON}/lots")
    first, second = page["items"]
    assert (first["quantity"], first["remaining"]) == ("30", "0")
    (disposal,) = first["disposals"]
    assert disposal["holding_seconds"] == 6 * 86400
    assert (disposal["cost"], disposal["proceeds"], disposal["realized_pnl"]) == ("12000", "12180", "178.9")
    assert [one["realized_pnl"] for one in second["disposals"]] == ["99.1"]
    assert [lot["disposals"] for lot in (await api.get(f"{AAPL}/lots"))["items"]] == [[], []]


async def test_a_lot_that_came_from_another_instrument_says_when(api: Api, seeded: Database) -> None:
    async with seeded.write() as writer:
        carried = (t.lots.c.position_id == position_id("aapl")) & (t.lots.c.seq == 1)
        await writer.execute(update(t.lots).where(carried).values(carried_at=NOW))
    items = (await api.get(f"{AAPL}/lots"))["items"]
    assert [lot["carried_at"] for lot in items] == [f"{NOW:%Y-%m-%dT%H:%M:%S}Z", None]


async def test_the_averages_are_those_of_the_whole_position_on_every_page(api: Api) -> None:
    page = await api.get(f"{WON}/lots", limit=1)
    assert (page["average_entry_price"], page["average_exit_price"]) == ("400.4", "406")
    assert (page["max_quantity"], page["holding_seconds"]) == ("10", 6 * 86400)
    following = await api.get(f"{WON}/lots", limit=1, cursor=page["next_cursor"])
    assert following["average_entry_price"] == "400.4"
    assert [lot["seq"] for one in (page, following) for lot in one["items"]] == [1, 2]
    assert [len(lot["disposals"]) for one in (page, following) for lot in one["items"]] == [1, 1]
    assert following["next_cursor"] is None
    still_held = await api.get(f"{AAPL}/lots")
    assert (still_held["average_entry_price"], still_held["average_exit_price"]) == ("150", None)


@pytest.mark.parametrize("side", ["long", "short"])
async def test_a_correction_has_no_part_in_the_averages(api: Api, seeded: Database, side: str) -> None:
    async with seeded.write() as writer:
        await writer.execute(
            update(t.positions).where(t.positions.c.id == position_id("aapl")).values(side=side)
        )
    page = await api.get(f"{AAPL}/lots")
    prices = (page["average_entry_price"], page["average_exit_price"])
    assert prices == (("150", None) if side == "long" else (None, "150"))


async def test_a_split_leaves_the_averages_unknown(api: Api, seeded: Database) -> None:
    async with seeded.write() as writer:
        await writer.execute(
            insert(t.position_events).values(
                position_id=position_id("won"),
                seq=4,
                type="adjusted",
                executed_at=NOW,
                quantity=-25,
                position_after=25,
                cause="split",
            )
        )
    page = await api.get(f"{WON}/lots")
    assert (page["average_entry_price"], page["average_exit_price"]) == (None, None)


async def test_a_positions_executions_are_those_its_events_tell_of(api: Api) -> None:
    page = await api.get(f"{AAPL}/executions")
    assert [row["exec_id"] for row in page["items"]] == ["0001.ab.01.02", "0001.aa.01.01"]
    assert page["items"][0]["commission"] == "1"
    first = await api.get(f"{AAPL}/executions", limit=1)
    second = await api.get(f"{AAPL}/executions", limit=1, cursor=first["next_cursor"])
    assert [row["exec_id"] for row in (*first["items"], *second["items"])] == [
        "0001.ab.01.02",
        "0001.aa.01.01",
    ]
    assert second["next_cursor"] is None


async def test_a_position_nobody_knows_is_a_problem(api: Api) -> None:
    for part in ("lots", "executions"):
        answer = await api.http.get(f"/api/v1/positions/{uuid.uuid4()}/{part}")
        assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    foreign = (await api.get(f"{AAPL}/events", limit=1))["next_cursor"]
    for part in ("lots", "executions"):
        answer = await api.http.get(f"{AAPL}/{part}", params={"cursor": foreign})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
