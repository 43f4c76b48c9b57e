"""What a statement leaves out, of a day of which it states all that was held, was not held."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from core.domain.days import held_at
from core.domain.stated import StatedInventory, StatedPosition, Statement
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.examine import Examined, Told, fold_told
from services.position_sync.importing import fold
from services.position_sync.importing.run import undo_import
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, GOLD, Link, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.ledger_rows import ledger_rows

FRIDAY, MONDAY, TUESDAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24)
DAY = 86400.0
EURUSD = replace(ACME, conid=12087792, symbol="EUR", sec_type="CASH")
CLOSED = {"quantity": Decimal(0), "status": "closed", "realized_pnl": None}

_lines = count(1)


def inventory(day: date = FRIDAY, account: str = ACCOUNT) -> StatedInventory:
    return StatedInventory(line=next(_lines), section="FlexStatement", account=account, as_of=day)


def holding(quantity: str, day: date = FRIDAY, **more: Any) -> StatedPosition:
    return StatedPosition(
        line=next(_lines),
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=held_at(day, "STK"),
        quantity=Decimal(quantity),
        **more,
    )


BOUGHT = trade("a.01", "10", commission="0", seconds=1, opens=True)
EVENTS = "SELECT quantity, cause, executed_at FROM position_events ORDER BY executed_at, seq"
POSITIONS = "SELECT quantity, status, realized_pnl FROM positions ORDER BY conid, ordinal"


@pytest.fixture
def live() -> list[Any]:
    return [execution("a.01", "10", seconds=1)]


@pytest.mark.parametrize("told", ["before", "in the same file", "in another"])
async def test_what_is_left_out_is_gone_at_the_end_of_that_day(
    told: str, bring: Import, relay: Relay, live: list[Any], database: Database, rows: Rows
) -> None:
    if told == "before":
        await relay.handle([Link().entry(*live)])
    elif told == "in another":
        await bring(BOUGHT, name="a.xml")
    file: list[Statement] = [] if told == "in another" else [BOUGHT]
    report = await bring(*file, inventory(), name="b.xml")
    assert await rows(POSITIONS) == [CLOSED]
    assert (await rows(EVENTS))[1] == {
        "quantity": Decimal(-10),
        "cause": "unexplained",
        "executed_at": held_at(FRIDAY, "STK"),
    }
    if told != "in the same file":
        assert [change.quantity for change in report.changes] == [0]
    assert (await validate_ledger(database)).differences == {}


async def test_a_future_is_gone_when_its_own_day_ends(bring: Import, rows: Rows) -> None:
    evening = (held_at(FRIDAY, "FUT") - BOUGHT.executed_at).total_seconds() + 61
    await bring(
        trade("a.01", "1", seconds=1, instrument=GOLD),
        trade("b.01", "2", seconds=evening, instrument=GOLD),
        inventory(),
    )
    [gone, standing] = await rows(POSITIONS)
    assert (gone["status"], standing["quantity"]) == ("closed", 2)


async def test_what_was_sold_of_what_nobody_had_told_of_had_been_there(bring: Import, rows: Rows) -> None:
    await bring(trade("a.01", "-10", seconds=1), inventory())
    assert await rows(POSITIONS) == [CLOSED]
    assert [one["cause"] for one in await rows(EVENTS)] == ["opening_balance", None]


@pytest.mark.parametrize(
    "told",
    [
        [holding("10")],
        [trade("b.01", "-10", seconds=2), trade("c.01", "10", seconds=DAY)],
        [trade("b.01", "-10", seconds=2), trade("c.01", "10", seconds=39_601)],
    ],
    ids=["stated", "bought the day after", "bought in the night"],
)
async def test_what_is_stated_or_was_not_held_then_stays(
    told: list[Statement], bring: Import, rows: Rows
) -> None:
    await bring(BOUGHT, *told, inventory())
    assert [one["cause"] for one in await rows(EVENTS) if one["cause"]] == []
    assert await rows("SELECT as_of FROM stated_positions WHERE implied") == []


async def test_money_and_other_accounts_are_left_alone(bring: Import, rows: Rows) -> None:
    await bring(
        trade("a.01", "10", seconds=1, instrument=EURUSD),
        trade("b.01", "5", seconds=1, account="U2"),
        inventory(),
    )
    assert [one["status"] for one in await rows(POSITIONS)] == ["open", "open"]


async def test_a_statement_of_which_a_holding_cannot_be_kept_leaves_nothing_out(
    bring: Import, rows: Rows
) -> None:
    await bring(BOUGHT, holding("1e30"), inventory())
    assert [one["status"] for one in await rows(POSITIONS)] == ["open"]


async def test_what_comes_again_is_gone_again(bring: Import, database: Database, rows: Rows) -> None:
    await bring(
        BOUGHT,
        trade("b.01", "3", seconds=3 * DAY, opens=True),
        *(inventory(day) for day in (FRIDAY, MONDAY, TUESDAY)),
    )
    assert [one["quantity"] for one in await rows(EVENTS)] == [10, -10, 3, -3]
    assert len(await rows("SELECT as_of FROM stated_positions")) == 2
    assert (await validate_ledger(database)).differences == {}


async def test_however_often_it_comes_again_the_book_is_folded_once_more(
    bring: Import, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds: list[int] = []

    def counted(told: Told) -> Examined:
        folds.append(len(told.keys))
        return fold_told(told)

    monkeypatch.setattr(fold, "fold_told", counted)
    days = [FRIDAY + timedelta(days=number) for number in range(12)]
    bought = [
        trade(f"b{number}.01", "3", seconds=number * DAY + 60, opens=True) for number in range(len(days))
    ]
    await bring(*bought, *(inventory(day) for day in days))
    assert [one["quantity"] for one in await rows(EVENTS)] == [3, -3] * len(days)
    assert folds == [1, 1]
    assert (await validate_ledger(database)).differences == {}


@pytest.mark.parametrize("first", ["the trade", "the inventory"])
async def test_it_does_not_matter_which_statement_comes_first(
    first: str, bring: Import, database: Database, rows: Rows
) -> None:
    files = {"the trade": (period(1), BOUGHT), "the inventory": (period(2), inventory())}
    for name in sorted(files, key=lambda one: one != first):
        await bring(*files[name], name=name)
    assert await rows(POSITIONS) == [CLOSED]
    assert (await validate_ledger(database)).differences == {}


@pytest.mark.parametrize(("days", "status"), [((1, 2), "open"), ((2, 1), "closed")])
@pytest.mark.parametrize("order", ["in order", "reversed"])
async def test_of_two_statements_of_a_day_the_one_counts_that_was_written_last(
    days: tuple[int, int], status: str, order: str, bring: Import, database: Database, rows: Rows
) -> None:
    files = [
        (period(days[0]), BOUGHT, inventory()),
        (period(days[1]), BOUGHT, holding("10"), inventory()),
    ]
    for number, told in enumerate(files if order == "in order" else reversed(files)):
        await bring(*told, name=f"{number}.xml")
    assert [one["status"] for one in await rows(POSITIONS)] == [status]
    assert (await validate_ledger(database)).differences == {}


async def test_it_is_explained_once_a_later_statement_tells_why(bring: Import, rows: Rows) -> None:
    await bring(BOUGHT, inventory(), name="a.xml")
    await bring(trade("b.01", "-10", "12", "0", seconds=60), name="b.xml")
    assert [(one["quantity"], one["cause"]) for one in await rows(EVENTS)] == [(10, None), (-10, None)]


@pytest.mark.parametrize("undone", ["the inventory", "the trade"])
async def test_it_is_as_before_once_either_statement_is_taken_back(
    undone: str,
    bring: Import,
    relay: Relay,
    live: list[Any],
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    """And what it says is still said of what is told live."""
    if undone == "the inventory":
        await bring(BOUGHT, name="the trade")
    else:
        await bring(inventory(), name="the inventory")
    before = {**(await ledger_rows(database)), "ledger_books": []}
    told: list[Statement] = [inventory()] if undone == "the inventory" else [BOUGHT]
    report = await bring(*told, name=undone)
    assert await rows(POSITIONS) == [CLOSED]
    assert report.import_id is not None
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert {**(await ledger_rows(database)), "ledger_books": []} == before
    assert await rows("SELECT as_of FROM stated_positions") == []
    await relay.handle([Link().entry(*live)])
    assert [one["status"] for one in await rows(POSITIONS)] == ["open"]
    assert (await validate_ledger(database)).differences == {}
