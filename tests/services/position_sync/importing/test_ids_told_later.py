"""A trade that one statement tells without the broker's id and another with it is one, known by that id."""

from decimal import Decimal

import pytest

from core.domain.stated import StatedTrade
from models.session import Database
from services.position_sync.importing.report import Report, Tally
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, commission, execution
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.importing.statements import trade
from tests.services.position_sync.ledger_rows import ledger_rows

HELD = "SELECT quantity FROM positions"
IDS = "SELECT exec_id FROM executions ORDER BY executed_at, exec_id"


async def ids(rows: Rows) -> list[str]:
    return [one["exec_id"] for one in await rows(IDS)]


async def test_a_correction_of_that_id_replaces_it(bring: Import, rows: Rows, database: Database) -> None:
    await bring(trade("", "10", seconds=1), name="a.xml")
    report = await bring(trade("a.01.01", "10", seconds=1), name="b.xml")
    assert report.sections["trades"] == Tally(matched=1)
    assert await ids(rows) == ["a.01.01"]
    await bring(trade("a.01.02", "8", commission="0", seconds=1), name="c.xml")
    assert await rows(HELD) == [{"quantity": 8}]
    assert (await validate_ledger(database)).differences == {}


async def test_the_live_stream_tells_of_it_by_that_id(bring: Import, relay: Relay, rows: Rows) -> None:
    await bring(trade("", "10", seconds=1), name="a.xml")
    await bring(trade("a.01.01", "10", seconds=1), name="b.xml")
    # Another trade of that second.
    await relay.handle([Link().entry(execution("b.01.01", "10", seconds=1))])
    assert await ids(rows) == ["a.01.01", "b.01.01"]
    await relay.handle([Link().entry(execution("a.01.01", "10", seconds=1))])
    assert await rows(HELD) == [{"quantity": 20}]


@pytest.mark.parametrize("seconds", [1, 2], ids=["the same second", "the next second"])
@pytest.mark.parametrize("named_first", [True, False], ids=["ids first", "ids later"])
async def test_each_of_the_two_is_taken_back_as_if_it_had_never_been(
    seconds: float, named_first: bool, bring: Import, undo: Undo, database: Database, rows: Rows
) -> None:
    async def tell(named: bool) -> Report:
        more = trade("", "-3", "12", seconds=9) if not named else trade("c.01", "-2", "13", seconds=8)
        one = trade("a.01.01", "10", commission="2", seconds=seconds) if named else trade("", "10", seconds=1)
        return await bring(one, more, name=f"{named}.xml")

    alone = {}
    for named in (True, False):
        report = await tell(named)
        alone[named] = await ledger_rows(database)
        await undo(report)
    for taken_back in (True, False):
        reports = {named: await tell(named) for named in (named_first, not named_first)}
        assert (await ids(rows))[0] == "a.01.01"
        await undo(reports[taken_back])
        assert await ledger_rows(database) == alone[not taken_back]
        assert (await validate_ledger(database)).differences == {}
        await undo(reports[not taken_back])
        for table in ("executions", "commission_reports", "positions", "stated_trades"):
            assert await rows(f"SELECT * FROM {table}") == []  # noqa: S608 - names of this test's own


async def test_the_id_stays_as_long_as_anything_else_tells_it(
    bring: Import, undo: Undo, relay: Relay, rows: Rows
) -> None:
    others = [trade("", "10", seconds=1), trade("", "20", seconds=2), trade("", "30", seconds=3)]
    await bring(*others, trade("", "40", seconds=4), name="a.xml")
    told = [("a.01.01", "10"), ("b.01.01", "20"), ("c.01.01", "30"), ("d.01.01", "40")]
    named = [trade(exec_id, size, seconds=second) for second, (exec_id, size) in enumerate(told, 1)]
    report = await bring(*named, name="b.xml")
    await bring(named[0], name="c.xml")
    await bring(trade("b.01.02", "19", seconds=2), name="d.xml")
    await relay.handle([Link().entry(commission("c.01.01", "1", seconds=3))])
    await undo(report)
    *kept, unnamed = await ids(rows)
    assert sorted(kept) == ["a.01.01", "b.01.01", "b.01.02", "c.01.01"]
    assert unnamed.startswith("flex-")


async def test_it_stays_cancelled_if_the_first_statement_cancelled_it(
    bring: Import, undo: Undo, rows: Rows, database: Database
) -> None:
    await bring(
        trade("", "10", commission="1", seconds=1, trade_id="7"),
        trade("", "-10", commission="-1", seconds=1, trade_id="7", cancels=True),
        name="a.xml",
    )
    before = await ledger_rows(database)
    report = await bring(trade("a.01.01", "10", commission="1", seconds=1), name="b.xml")
    assert await rows(HELD) == []
    assert (await validate_ledger(database)).differences == {}
    await undo(report)
    assert await ledger_rows(database) == before


def stated(size: str, seconds: float, exec_id: str = "") -> StatedTrade:
    return trade(exec_id, size, seconds=seconds)


@pytest.mark.parametrize(("apart", "trades"), [(0, 1), (0.4, 1), (1, 1), (-1, 1), (1.1, 2), (-2, 2)])
@pytest.mark.parametrize(
    ("first", "second"), [("live", "none"), ("none", "live"), ("ids", "none"), ("none", "ids")]
)
async def test_two_are_one_within_a_second_whoever_tells_of_them(
    apart: float, trades: int, first: str, second: str, bring: Import, relay: Relay, rows: Rows
) -> None:
    for number, teller in enumerate((first, second)):
        seconds = 10 + number * apart
        if teller == "live":
            await relay.handle([Link().entry(execution("a.01.01", "10", seconds=seconds))])
        else:
            exec_id = "a.01.01" if teller == "ids" else ""
            await bring(stated("10", seconds, exec_id), name=f"{number}.xml")
    assert len(await ids(rows)) == trades
    assert await rows(HELD) == [{"quantity": 10 * trades}]


@pytest.mark.parametrize("first", ["ids", "none"])
async def test_of_several_the_nearest_in_time_is_taken_for_it(first: str, bring: Import, rows: Rows) -> None:
    named = [trade(f"{second}.01", "10", commission=str(second), seconds=second) for second in (1, 2, 4)]
    unnamed = [trade("", "10", commission=str(second), seconds=second) for second in (5, 2, 3, 1)]
    files = {"ids": named, "none": unnamed}
    await bring(*files.pop(first), name="a.xml")
    [other] = files.values()
    await bring(*other, name="b.xml")
    told = await rows(
        "SELECT e.exec_id, c.commission FROM executions e JOIN commission_reports c USING (exec_id) "
        "WHERE e.exec_id NOT LIKE 'flex-%' ORDER BY 1"
    )
    by_id = {one["exec_id"]: one["commission"] for one in told}
    assert (by_id["1.01"], by_id["2.01"]) == (1, 2)
    assert len(await ids(rows)) == 4, "the one at 3 or at 5 is the one at 4, and the other is another"
    assert (await rows(HELD))[0]["quantity"] == Decimal(40)
