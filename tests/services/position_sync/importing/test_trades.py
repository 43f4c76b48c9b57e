"""A statement's trades confirm, correct or dispute what was told live, and add what was not."""

from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from core.domain.stated import Ignored
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.report import Report, Tally
from services.position_sync.importing.run import UnknownImportError, undo_import
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, Link, commission, execution
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.ledger_rows import every_row, ledger_rows

LIVE = [
    execution("a.01.01", "10", "10", seconds=1),
    commission("a.01.01", "1", seconds=1),
    execution("b.01.01", "-4", "12", seconds=2),
    commission("b.01.01", "1", seconds=2, realized="6.6"),
]


@pytest_asyncio.fixture
async def live(relay: Relay) -> None:
    await relay.handle([Link().entry(*LIVE)])


async def test_trades_of_the_past_open_and_close_positions(bring: Import, rows: Rows) -> None:
    report = await bring(
        period(),
        trade("a.01.01", "10", seconds=1),
        trade("b.01.01", "-10", "12", seconds=2, realized_pnl="18"),
    )
    assert report.sections["trades"] == Tally(new=2)
    assert report.accounts_created == [ACCOUNT]
    assert report.unknown == {"NewThing": 2}
    [position] = await rows("SELECT status, realized_pnl, commission FROM positions")
    assert position == {"status": "closed", "realized_pnl": Decimal(18), "commission": Decimal(2)}
    kept = await rows("SELECT source, confirmed_by, realized_pnl FROM executions ORDER BY executed_at")
    assert [one["source"] for one in kept] == ["flex", "flex"]
    assert {one["confirmed_by"] for one in kept} == {report.import_id}
    told = await rows("SELECT realized_pnl FROM commission_reports ORDER BY exec_id")
    assert [one["realized_pnl"] for one in told] == [None, Decimal(18)]
    [change] = report.changes
    assert (change.quantity_before, change.quantity) == (0, 0)
    assert (change.realized_before, change.realized) == (None, Decimal(18))


@pytest.mark.usefixtures("live")
async def test_what_was_told_live_is_confirmed_and_nothing_else_changes(
    bring: Import, database: Database, rows: Rows
) -> None:
    before = await ledger_rows(database)
    report = await bring(period(), trade("a.01.01", "10", seconds=1), trade("b.01.01", "-4", "12", seconds=2))
    assert report.sections["trades"] == Tally(matched=2)
    assert report.changes == []
    assert await ledger_rows(database) == before
    kept = await rows("SELECT source, confirmed_by FROM executions")
    assert kept == [{"source": "live", "confirmed_by": report.import_id}] * 2


@pytest.mark.usefixtures("live")
async def test_a_statements_commission_wins_over_what_was_told_live_and_over_what_is_told_again(
    bring: Import, rows: Rows, relay: Relay
) -> None:
    report = await bring(trade("a.01.01", "10", "10", "1.5", seconds=1))
    assert report.sections["trades"] == Tally(corrected=1)
    await relay.handle([Link(epoch=9).entry(*LIVE)])
    told = await rows("SELECT commission, live_commission FROM commission_reports ORDER BY exec_id")
    assert [tuple(one.values()) for one in told] == [(Decimal("1.5"), Decimal(1)), (Decimal(1), None)]
    [position] = await rows("SELECT commission FROM positions")
    assert position["commission"] == Decimal("2.5")
    assert [change.cost_before for change in report.changes] == [Decimal("60.6")]
    assert [change.cost for change in report.changes] == [Decimal("60.9")]


@pytest.mark.usefixtures("live")
async def test_another_content_under_a_known_id_is_a_dispute_that_is_kept_aside(
    bring: Import, rows: Rows, database: Database
) -> None:
    before = await ledger_rows(database)
    report = await bring(trade("a.01.01", "11", seconds=1))
    assert report.sections["trades"] == Tally(disputed=1)
    [dispute] = report.disputes
    assert (dispute.quantity, dispute.known_quantity) == (Decimal(11), Decimal(10))
    assert await ledger_rows(database) == before
    [aside] = await rows("SELECT quantity, outcome FROM stated_trades")
    assert aside == {"quantity": Decimal(11), "outcome": "disputed"}


async def test_in_one_file_the_first_of_an_id_counts(bring: Import, rows: Rows) -> None:
    report = await bring(
        trade("a.01.01", "10", seconds=1),
        trade("a.01.01", "10", seconds=1),
        trade("a.01.01", "12", seconds=1),
    )
    assert report.sections["trades"] == Tally(new=1, disputed=1, ignored={"repeated": 1})
    assert await rows("SELECT quantity FROM executions") == [{"quantity": Decimal(10)}]


@pytest.mark.usefixtures("live")
async def test_a_correction_in_the_statement_replaces_what_was_told_live(bring: Import, rows: Rows) -> None:
    report = await bring(trade("b.01.02", "-3", "12", "0", seconds=2))
    assert report.sections["trades"] == Tally(corrected=1)
    kept = await rows("SELECT exec_id, corrected_by FROM executions ORDER BY exec_id")
    assert [one["corrected_by"] for one in kept] == [None, "b.01.02", None]
    [position] = await rows("SELECT quantity FROM positions")
    assert position["quantity"] == Decimal(7)


@pytest.mark.usefixtures("live")
async def test_a_trade_without_an_id_is_found_among_the_live_ones(bring: Import, rows: Rows) -> None:
    report = await bring(trade("", "10", "10", seconds=1), trade("", "10", "10", seconds=1))
    assert report.sections["trades"] == Tally(matched=1, new=1), "of two alike one was told live"
    kept = await rows("SELECT exec_id, source FROM executions ORDER BY exec_id")
    assert [one["source"] for one in kept] == ["live", "live", "flex"]
    assert kept[2]["exec_id"].startswith("flex-")


@pytest.mark.usefixtures("live")
async def test_a_live_trade_that_two_statements_state_without_an_id_is_one(bring: Import, rows: Rows) -> None:
    for name in ("a.xml", "b.xml"):
        report = await bring(trade("", "10", "10", seconds=1), name=name)
        assert report.sections["trades"] == Tally(matched=1)
    assert len(await rows("SELECT exec_id FROM executions")) == 2


@pytest.mark.parametrize("first", ["", "a.01.01"])
async def test_one_statement_with_ids_and_one_without_state_the_same(
    bring: Import, rows: Rows, first: str
) -> None:
    other = "a.01.01" if not first else ""
    await bring(trade(first, "10", seconds=1, transaction_type="ExchTrade"), name="a.xml")
    report = await bring(trade(other, "10", seconds=1), name="b.xml")
    assert report.sections["trades"] == Tally(matched=1)
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]


async def test_what_is_told_live_after_its_statement_outlives_the_statement(
    bring: Import,
    rows: Rows,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    report = await bring(trade("a.01.01", "10", seconds=1), trade("z.01.01", "1", seconds=9))
    await relay.handle([Link().entry(*LIVE)])
    assert report.import_id is not None
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    kept = await rows("SELECT exec_id FROM executions ORDER BY exec_id")
    assert [one["exec_id"] for one in kept] == ["a.01.01", "b.01.01"]


async def test_what_is_told_otherwise_live_does_not_make_a_statements_trade_a_live_one(
    bring: Import, rows: Rows, relay: Relay
) -> None:
    await bring(trade("a.01.01", "11", seconds=1))
    await relay.handle([Link().entry(*LIVE)])
    told = await rows("SELECT source FROM executions WHERE exec_id = 'a.01.01'")
    assert told == [{"source": "flex"}]


@pytest.mark.parametrize("order", ["newer first", "older first"])
async def test_of_two_statements_the_one_that_was_written_last_counts(
    bring: Import, rows: Rows, order: str
) -> None:
    older = (period(1), trade("a.01.01", "10", "10", "1.0", seconds=1))
    newer = (period(2), trade("a.01.01", "10", "10", "1.2", seconds=1))
    for name, told in zip(
        ("a.xml", "b.xml"), (newer, older) if order == "newer first" else (older, newer), strict=True
    ):
        await bring(*told, name=name)
    assert await rows("SELECT commission FROM positions") == [{"commission": Decimal("1.2")}]


async def test_a_number_that_no_counter_holds_fails_no_file(bring: Import) -> None:
    report = await bring(trade("a.01.01", "10", seconds=1, order_id="9" * 20))
    assert report.sections["trades"] == Tally(new=1)


async def test_overlapping_statements_change_nothing_twice(bring: Import, database: Database) -> None:
    told = [trade("", "10", seconds=1), trade("", "10", seconds=1), trade("c.01.01", "-5", seconds=2)]
    await bring(*told, name="a.xml")
    before = await ledger_rows(database)
    report = await bring(*told, trade("", "1", seconds=3), name="b.xml")
    assert report.sections["trades"] == Tally(matched=3, new=1)
    after = await ledger_rows(database)
    assert [row[0] for row in before["executions"]] == [
        row[0] for row in after["executions"] if row[0] in {one[0] for one in before["executions"]}
    ]
    assert len(after["executions"]) == 4


async def test_the_same_file_again_changes_nothing_at_all(bring: Import, database: Database) -> None:
    told = [period(), trade("a.01.01", "10", seconds=1)]
    first = await bring(*told)
    before = await every_row(database)
    again = await bring(*told)
    assert again.already is not None
    assert again.import_id == first.import_id
    assert await every_row(database) == before


@pytest.mark.usefixtures("live")
async def test_a_rehearsal_tells_what_would_change_and_writes_nothing(
    bring: Import, database: Database
) -> None:
    before = await every_row(database)
    told = [period(), trade("c.01.01", "-6", "15", seconds=3), trade("a.01.01", "10", "10", "2", seconds=1)]
    rehearsed = await bring(*told, dry_run=True)
    assert await every_row(database) == before
    done = await bring(*told)
    assert rehearsed.import_id is None
    assert rehearsed.sections == done.sections
    assert rehearsed.changes == done.changes
    assert [change.quantity for change in done.changes] == [Decimal(0)]


@pytest.mark.usefixtures("live")
async def test_a_file_that_turns_out_to_be_broken_leaves_nothing(bring: Import, database: Database) -> None:
    before = await every_row(database)
    with pytest.raises(ValueError, match="line 7"):
        await bring(period(), trade("c.01.01", "5", seconds=3), ValueError("line 7: cut off"))
    assert await every_row(database) == before


async def test_a_cancelled_trade_counts_for_nothing(bring: Import, rows: Rows) -> None:
    report = await bring(
        trade("a.01.01", "10", seconds=1, trade_id="77"),
        trade("", "-10", "10", "-1", seconds=1, trade_id="77", cancels=True),
        trade("", "-3", "10", "-1", seconds=1, trade_id="99", cancels=True),
    )
    assert report.sections["trades"] == Tally(new=1, corrected=1, ignored={"cancels_what_is_not_here": 1})
    assert await rows("SELECT quantity FROM positions") == []
    kept = await rows("SELECT quantity, corrected_by FROM executions ORDER BY quantity DESC")
    assert [one["quantity"] for one in kept] == [Decimal(10), Decimal(0)]
    assert kept[0]["corrected_by"].startswith("flex-")


async def test_a_trade_that_is_cancelled_and_booked_anew_under_its_id_counts_as_booked_last(
    bring: Import, rows: Rows
) -> None:
    report = await bring(
        trade("a.01.01", "10", seconds=1, trade_id="77"),
        trade("", "-10", "10", "-1", seconds=1, trade_id="77", cancels=True),
        trade("a.01.01", "10", "11", seconds=1, trade_id="77"),
    )
    assert report.sections["trades"] == Tally(new=1, ignored={"repeated": 2})
    assert await rows("SELECT price FROM executions") == [{"price": Decimal(11)}]
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]


async def test_a_trade_that_closes_what_no_statement_opened_has_the_cost_it_states(
    bring: Import, rows: Rows
) -> None:
    await bring(trade("a.01.01", "-10", "12", "0", seconds=1, closes=True, cost="-100"))
    [position] = await rows("SELECT status, side, realized_pnl, estimated FROM positions")
    assert position == {"status": "closed", "side": "long", "realized_pnl": Decimal(20), "estimated": False}


async def test_many_trades_may_stand_on_one_line(bring: Import) -> None:
    told = [trade(f"{name}.01.01", "1", seconds=1, line=1) for name in "abc"]
    report = await bring(*told, trade("", "2", seconds=1, line=1), trade("", "2", seconds=1, line=1))
    assert report.sections["trades"] == Tally(new=5)


@pytest.mark.usefixtures("live")
async def test_an_import_that_is_taken_back_leaves_what_there_was_before(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, rows: Rows, clock: Hand
) -> None:
    before = await ledger_rows(database)
    report = await bring(
        trade("a.01.01", "10", "10", "1.5", seconds=1),
        trade("b.01.02", "-3", "12", "0", seconds=2),
        trade("c.01.01", "-6", "15", seconds=3),
    )
    assert await ledger_rows(database) != before
    assert report.import_id is not None
    undone = await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert undone.changed_books == 1
    assert await ledger_rows(database) == before
    assert await rows("SELECT status FROM imports") == [{"status": "undone"}]
    with pytest.raises(UnknownImportError):
        await undo_import(database, streams, settings, report.import_id, clock=clock)


async def test_what_another_import_states_too_stays_when_one_is_taken_back(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, rows: Rows, clock: Hand
) -> None:
    first = await bring(trade("a.01.01", "10", seconds=1), trade("b.01.01", "-4", seconds=2), name="a.xml")
    second = await bring(trade("a.01.01", "10", "10", "3", seconds=1), name="b.xml")
    assert first.import_id is not None
    await undo_import(database, streams, settings, first.import_id, clock=clock)
    [kept] = await rows("SELECT exec_id, confirmed_by FROM executions")
    assert kept == {"exec_id": "a.01.01", "confirmed_by": second.import_id}
    [told] = await rows("SELECT commission, stated_by FROM commission_reports")
    assert told == {"commission": Decimal(3), "stated_by": second.import_id}


async def test_a_statement_closes_the_gaps_it_covers(bring: Import, database: Database, rows: Rows) -> None:
    await bring(trade("a.01.01", "1", seconds=1), name="a.xml")
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO observation_gaps (account, started_at, ended_at, reason, detected_at, epoch) "
                "VALUES (:account, '2026-11-20 12:00+00', '2026-11-20 13:00+00', 'offline', now(), 1)"
            ),
            {"account": ACCOUNT},
        )
    report = await bring(period(), name="b.xml")
    assert report.gaps_closed == 1
    [gap] = await rows("SELECT closed_by FROM observation_gaps")
    assert gap["closed_by"] == f"import {report.import_id}"


async def test_ignored_rows_are_counted_by_reason(bring: Import) -> None:
    report = await bring(Ignored(line=1, section="Order", account="", reason="not_an_execution"))
    assert report.sections["Order"] == Tally(ignored={"not_an_execution": 1})


async def test_a_figure_that_is_no_amount_of_anything_is_left_out(bring: Import, rows: Rows) -> None:
    report = await bring(trade("a.01.01", "1e30", seconds=1), trade("b.01.01", "1", seconds=1))
    assert report.sections["trades"] == Tally(new=1, ignored={"unusable_figure": 1})
    assert len(await rows("SELECT exec_id FROM executions")) == 1


def test_a_report_can_be_kept_as_json() -> None:
    told: dict[str, Any] = Report("a.xml", "flex", "00").as_json()
    assert told["sections"] == {}
