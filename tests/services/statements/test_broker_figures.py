"""Every realized figure that a broker's own statement states is the one that our ledger comes to.

The figures come from the files, the ledger is folded from what the files are read as. Where a file has the
opening, the whole book is folded; where it states what was sold had cost, that cost is what was held before;
where it says both, both ways must lead there.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from core.domain.anchors import Anchor
from core.domain.executions import split_exec_id
from core.domain.fills import Report, effective_fills
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import Disposal
from core.domain.pnl import per_unit
from core.domain.stated import Ignored, Stated, StatedEvent, StatedTrade
from services.statements.flex import FlexFile
from services.statements.rows import CorporateAction, OptionEvent, Row, Trade
from tests.services.statements.statements import DATA, FILES, rows_of

A_MOMENT = timedelta(seconds=1)


class Figure(NamedTuple):
    """A realized figure as a file states it, and the row that does."""

    path: Path
    row: Trade | OptionEvent | CorporateAction
    stated: Decimal

    @property
    def place(self) -> str:
        row = self.row
        return f"{self.path.relative_to(DATA)}:{row.line} {row.element} {row.symbol} {self.stated}"


def stated_texts() -> Iterator[tuple[Path, Row]]:
    """Every row that bears an attribute for a realized figure, whatever it says."""
    for path in FILES:
        for row in rows_of(path):
            if not {"fifoPnlRealized", "realizedPnl"}.isdisjoint(row.names):
                yield path, row


def figures() -> Iterator[Figure]:
    for path, row in stated_texts():
        assert isinstance(row, (Trade, OptionEvent, CorporateAction)), row.element
        if row.realized_pnl is not None:
            yield Figure(path, row, row.realized_pnl)


FIGURES = list(figures())
PROVABLE = [one for one in FIGURES if not isinstance(one.row, CorporateAction) or one.row.cost is not None]


@cache
def records_of(path: Path) -> dict[int, Stated]:
    """What a file states, by line."""
    return {record.line: record for record in FlexFile(path)}


def disposals(ledger: Ledger) -> list[Disposal]:
    return [disposal for episode in ledger.touched for disposal in episode.disposals]


def realized(parts: list[Disposal]) -> Decimal | None:
    """What these came to: nothing closed is nothing realized, one unknown leaves the sum unknown."""
    amounts = [part.realized_pnl for part in parts]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def test_the_files_state_the_figures_that_are_known_of_them() -> None:
    """So that a change in reading cannot pass by finding less to check."""
    assert len(FILES) == 5
    stated = Counter((one.row.symbol, one.stated) for one in PROVABLE)
    assert stated["CLZ8", Decimal("-34.74")] == 2, "the flip, and its lot"
    assert stated["BP", Decimal(49)] == 1, "the short round trip"
    assert stated["OSTKO", Decimal("0.005818")] == 1, "the fraction that was sold"
    assert stated["EUR.USD", Decimal(0)] == 3, "currency trades"
    assert stated["VXX   110917C00005000", Decimal(0)] == 2, "the assignment, and its lot"
    assert len(PROVABLE) == 16


@pytest.mark.parametrize("figure", PROVABLE, ids=lambda figure: figure.place)
def test_our_realized_figure_is_the_brokers(figure: Figure) -> None:
    ways = dict(ways_of(figure))
    assert ways, "nothing in the file leads to this figure"
    assert ways == dict.fromkeys(ways, figure.stated)


def test_a_figure_whose_cost_no_row_states_is_the_only_one_left_unproven() -> None:
    unproven = [one for one in FIGURES if one not in PROVABLE]
    assert [one.row.symbol for one in unproven] == ["NILSY.TEN"]
    assert "cost" not in unproven[0].row.attributes
    record = records_of(unproven[0].path)[unproven[0].row.line]
    assert isinstance(record, StatedEvent)
    assert record.realized_pnl == unproven[0].stated, "it is told all the same"


def ways_of(figure: Figure) -> Iterator[tuple[str, Decimal | None]]:
    """How ours can be come to, by name; ``None`` is ours being unknown."""
    path, row = figure.path, figure.row
    record = records_of(path)[row.line]
    if isinstance(record, Ignored) and isinstance(row, Trade) and row.asset_category == "CASH":
        yield "kept out", kept_out(record)
    elif isinstance(row, Trade) and row.detail == "lot":
        yield "lot", of_a_lot(path, row)
    elif isinstance(record, StatedEvent):
        yield "booked", of_an_event(record)
    else:
        assert isinstance(record, StatedTrade)
        yield from of_a_trade(path, record)


def kept_out(record: Ignored) -> Decimal | None:
    """A currency trade is in no book, so it adds nothing to what is realized."""
    assert record.reason in {"currency_trade", "no_account", "not_an_execution"}
    return realized([])


def of_a_trade(path: Path, trade: StatedTrade) -> Iterator[tuple[str, Decimal | None]]:
    if trade.opens:
        yield "opened alone", realized(disposals(alone(trade)))
    if trade.exec_id:
        closed = [one for one in disposals(book_of(path, trade)) if one.exec_id == trade.exec_id]
        if closed or not trade.closes:
            yield "opening in the file", realized(closed)
    if trade.closes and trade.cost is not None:
        held = Anchor(trade.executed_at - A_MOMENT, -trade.quantity, per_unit(trade.cost, trade.quantity))
        yield "cost stated", realized(disposals(alone(trade, held)))


def of_an_event(event: StatedEvent) -> Decimal | None:
    """What it realizes when what it closes had cost what the broker says, or when it opens what it cost."""
    point_value = event.instrument.point_value
    after = Anchor(event.at, Decimal(0), None, event.cause, event.price, event.carried)
    assert event.cost is not None
    unit_cost = per_unit(event.cost, event.quantity)
    if event.carried:
        held = Anchor(event.at - A_MOMENT, -event.quantity, unit_cost)
        return realized(disposals(fold_book(event.account, 1, point_value, [], [held, after])))
    nothing = Anchor(event.at - A_MOMENT, Decimal(0), None)
    after = after._replace(quantity=event.quantity, average_cost=unit_cost)
    ledger = fold_book(event.account, 1, point_value, [], [nothing, after])
    assert ledger.episode is not None
    assert ledger.episode.cost == event.cost
    return realized(disposals(ledger))


def book_of(path: Path, trade: StatedTrade) -> Ledger:
    """The book that a trade is in; of one id the first counts."""
    trades: dict[str, StatedTrade] = {}
    for one in records_of(path).values():
        if isinstance(one, StatedTrade) and (one.account, one.instrument.conid) == (
            trade.account,
            trade.instrument.conid,
        ):
            trades.setdefault(one.exec_id, one)
    first = next(iter(trades.values()))
    reports = [report_of(one) for one in trades.values()]
    fills = effective_fills(reports, first.instrument.currency)
    return fold_book(trade.account, trade.instrument.conid, first.instrument.point_value, fills)


def report_of(trade: StatedTrade) -> Report:
    exec_id = trade.exec_id or "booked"
    return Report(
        trade.executed_at,
        *split_exec_id(exec_id),
        exec_id,
        trade.quantity,
        trade.price,
        trade.commission,
        trade.commission_currency,
    )


def alone(trade: StatedTrade, *held: Anchor) -> Ledger:
    """The ledger of one trade."""
    instrument = trade.instrument
    fills = effective_fills([report_of(trade)], instrument.currency)
    return fold_book(trade.account, instrument.conid, instrument.point_value, fills, held)


def of_a_lot(path: Path, row: Trade) -> Decimal | None:
    """A lot tells again what was closed by what happened then: of a trade, the part that it opened."""
    assert row.executed_at is not None
    same = [
        record
        for record in records_of(path).values()
        if isinstance(record, (StatedTrade, StatedEvent))
        and (record.account, record.instrument.conid) == (row.account, row.conid)
        and (record.at if isinstance(record, StatedEvent) else record.executed_at) == row.executed_at.at
    ]
    (record,) = same
    if isinstance(record, StatedEvent):
        return of_an_event(record)
    assert row.opened_at is not None
    times = row.opened_at.at, row.executed_at.at
    found = [one for one in disposals(book_of(path, record)) if (one.opened_at, one.closed_at) == times]
    assert [one.quantity for one in found] == [row.quantity]
    assert [(one.cost or 0) + one.open_commission for one in found] == [row.cost]
    return realized(found)


NOT_COMPUTED = [
    (path, row)
    for path, row in stated_texts()
    if isinstance(row, Trade) and row.stated_realized_pnl == 0 and row.realized_pnl is None
]


def test_a_zero_that_neither_opened_nor_closed_is_unknown() -> None:
    per_file = Counter(path.name for path, _ in NOT_COMPUTED)
    assert per_file == {"TestForCoding.xml": 15, "test_types_elements.xml": 1}
    for path, row in NOT_COMPUTED:
        record = records_of(path)[row.line]
        assert isinstance(record, Ignored) or getattr(record, "realized_pnl", 0) is None


COSTS = [
    trade
    for path in FILES
    for trade in records_of(path).values()
    if isinstance(trade, StatedTrade)
    and trade.cost
    and (trade.opens or trade.realized_pnl is None)
    and trade.instrument.currency != "UNKNOWN"
]


@pytest.mark.parametrize("trade", COSTS, ids=[f"{one.line} {one.instrument.local_symbol}" for one in COSTS])
def test_what_an_opening_cost_is_what_the_broker_says(trade: StatedTrade) -> None:
    """With multipliers from 1 to 62500, and the commission in it."""
    ledger = alone(trade)
    assert ledger.episode is not None
    assert ledger.episode.cost == trade.cost


def test_there_are_costs_to_compare() -> None:
    assert len(COSTS) == 17
