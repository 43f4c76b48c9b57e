"""New executions of a statement are stored once, with their places, part by part of its books."""

from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from core.domain.money import ZERO
from models.session import Database
from services.position_sync.examine import Examined, Told, fold_told
from services.position_sync.importing import fold
from services.position_sync.rebuild import rehearse
from services.position_sync.relay import Relay
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACME, Link, commission, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.ledger_rows import every_row

LIVE = [
    execution("b.01.01", "-4", "12", seconds=2),
    commission("b.01.01", "1", seconds=2),
    execution("d.01.01", "3", "11", seconds=4),
    commission("d.01.01", "1", seconds=4),
]
STATED = [
    period(),
    trade("a.01.01", "10", seconds=1),
    trade("b.01.01", "-4", "12", seconds=2),
    trade("c.01.01", "-6", "13", seconds=3),
    trade("d.01.02", "2", "11", "0", seconds=4),
    trade("e.01.01", "-5", "9", seconds=5),
]
INSTRUMENTS = [ACME, *(replace(ACME, conid=number, symbol=f"S{number}") for number in (4001, 4002, 4003))]
MANY = [
    trade(f"{side}{one.conid}.01.01", quantity, price, seconds=seconds, instrument=one)
    for seconds, side, quantity, price in ((1, "a", "10", "10"), (2, "b", "-15", "11"), (3, "c", "5", "9"))
    for one in INSTRUMENTS
]


@pytest_asyncio.fixture
async def live(relay: Relay) -> None:
    await relay.handle([Link().entry(*LIVE)])


async def _is_as_folded_anew(database: Database) -> bool:
    found: list[Any] = []
    await rehearse(database, found.append)
    return not found and not (await validate_ledger(database)).differing


@pytest.mark.usefixtures("live")
async def test_what_is_new_confirmed_and_corrected_in_one_book_is_folded_together(
    bring: Import, rows: Rows, database: Database
) -> None:
    report = await bring(*STATED)
    trades = report.sections["trades"]
    assert (trades.new, trades.matched, trades.corrected) == (3, 1, 1)
    kept = await rows(
        "SELECT exec_id, source, corrected_by, realized_pnl, commission_folded FROM executions ORDER BY 1"
    )
    assert [tuple(one.values()) for one in kept] == [
        ("a.01.01", "flex", None, None, True),
        ("b.01.01", "live", None, Decimal("6.6"), True),
        ("c.01.01", "flex", None, Decimal("16.4"), True),
        ("d.01.01", "live", "d.01.02", None, True),
        ("d.01.02", "flex", None, None, True),
        ("e.01.01", "flex", None, Decimal("-5.4"), True),
    ]
    positions = await rows("SELECT id, quantity, realized_pnl FROM positions ORDER BY opened_at")
    assert [one["quantity"] for one in positions] == [ZERO, ZERO, Decimal(-3)]
    placed = await rows("SELECT position_id FROM executions WHERE corrected_by IS NULL ORDER BY exec_id")
    first, second, _ = (one["id"] for one in positions)
    assert [one["position_id"] for one in placed] == [first, first, first, second, second]
    assert await _is_as_folded_anew(database)


async def test_a_new_execution_is_written_once(bring: Import, rows: Rows) -> None:
    await bring(*MANY)
    # An execution that was stored and then placed would stand behind all that were stored.
    places = await rows("SELECT ctid::text AS place FROM executions ORDER BY ctid")
    assert [one["place"] for one in places] == [f"(0,{number})" for number in range(1, len(MANY) + 1)]


async def test_nothing_is_imported_where_one_of_them_was_not_stored(
    bring: Import, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = fold.placed
    monkeypatch.setattr(fold, "placed", lambda places: placed(places)[1:])
    with pytest.raises(IntegrityError, match="commission_folded"):
        await bring(*MANY)
    assert await rows("SELECT exec_id FROM executions") == []


@pytest.mark.usefixtures("live")
async def test_a_rehearsal_leaves_none_of_them(bring: Import, database: Database) -> None:
    before = await every_row(database)
    rehearsed = await bring(*STATED, *MANY[1:], dry_run=True)
    assert await every_row(database) == before
    done = await bring(*STATED, *MANY[1:])
    assert (rehearsed.sections, rehearsed.changes) == (done.sections, done.changes)


async def test_books_in_many_parts_come_to_what_they_come_to_in_one(
    bring: Import, database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "EXECUTIONS_AT_ONCE", 3)
    folded: list[list[int]] = []

    def noted(told: Told) -> Examined:
        folded.append([conid for _, conid in told.keys])
        return fold_told(told)

    monkeypatch.setattr(fold, "fold_told", noted)
    report = await bring(*MANY)
    assert folded == [[one.conid] for one in sorted(INSTRUMENTS, key=lambda one: one.conid)]
    assert report.sections["trades"].new == len(MANY)
    stored = await rows("SELECT conid, count(*) AS n FROM executions GROUP BY conid ORDER BY conid")
    assert [(one["conid"], one["n"]) for one in stored] == [(conid, 3) for [conid] in folded]
    assert await _is_as_folded_anew(database)


async def test_a_fold_that_fails_while_another_part_is_written_leaves_nothing(
    bring: Import, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold, "EXECUTIONS_AT_ONCE", 3)
    before = await every_row(database)
    folded: list[Told] = []

    def fails(told: Told) -> Examined:
        folded.append(told)
        if len(folded) == len(INSTRUMENTS) - 1:
            raise ZeroDivisionError
        return fold_told(told)

    monkeypatch.setattr(fold, "fold_told", fails)
    with pytest.raises(ZeroDivisionError):
        await bring(*MANY)
    assert await every_row(database) == before
