"""Every realized figure that a broker's own statement states is the one that our ledger comes to.

The figures come from the files. Where a file has the opening, the whole book is folded; where the row states
what was sold had cost, that cost is what was held before; where it says both, both ways must lead there.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from core.domain.fills import Fill, effective_fills
from core.domain.lifecycle import Anchor, Ledger, fold_book
from core.domain.lots import Disposal
from core.domain.pnl import per_unit
from services.statements.fills import books_of, carries, opening_of, report_of
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


def ways_of(figure: Figure) -> Iterator[tuple[str, Decimal | None]]:
    """How ours can be come to, by name; ``None`` is ours being unknown."""
    row = figure.row
    if isinstance(row, OptionEvent):
        yield "option event", of_an_option_event(row)
    elif isinstance(row, Trade):
        if row.asset_category == "CASH":
            yield "kept out", kept_out(row)
        elif row.detail == "lot" and "C;O" in row.open_close:
            yield "lot of the book", of_a_lot(figure.path, row)
        else:
            yield from of_a_trade(figure.path, row)


def of_a_trade(path: Path, row: Trade) -> Iterator[tuple[str, Decimal | None]]:
    if row.open_close == "O":
        yield "opened alone", realized(disposals(alone(row)))
    for book in books_of(one for one in rows_of(path) if isinstance(one, Trade)).books.values():
        exec_id = next((key for key, known in book.bookings.items() if known.line == row.line), None)
        if exec_id is None or book.carried:
            continue
        ledger = fold_book(
            book.account, book.conid, book.point_value, effective_fills(book.reports, book.currency)
        )
        closed = [one for one in disposals(ledger) if one.exec_id == exec_id]
        if closed or row.open_close == "O":
            yield "opening in the file", realized(closed)
    assert row.executed_at is not None
    opening = opening_of(row, row.executed_at.at - A_MOMENT)
    if opening is not None:
        yield "cost stated", realized(disposals(alone(row, opening)))


def alone(row: Trade, *held: Anchor) -> Ledger:
    """The ledger of one row; carried options leave by what the broker says is held after."""
    assert row.conid is not None
    assert row.executed_at is not None
    point_value = row.multiplier or Decimal(1)
    if carries(row):
        left = Anchor(row.executed_at.at, Decimal(0), None, cause="exercise_or_assignment", carried=True)
        return fold_book(row.account, row.conid, point_value, [], [*held, left])
    fills = effective_fills([report_of(row, row.exec_id or "a")], row.currency)
    return fold_book(row.account, row.conid, point_value, fills, held)


def of_a_lot(path: Path, row: Trade) -> Decimal | None:
    """A closed lot is the disposal of what was opened then by what happened now."""
    assert row.executed_at is not None
    assert row.opened_at is not None
    books = books_of(one for one in rows_of(path) if isinstance(one, Trade)).books
    book = books[row.account, row.conid or 0]
    ledger = fold_book(
        book.account, book.conid, book.point_value, effective_fills(book.reports, book.currency)
    )
    times = row.opened_at.at, row.executed_at.at
    found = [one for one in disposals(ledger) if (one.opened_at, one.closed_at) == times]
    assert [one.quantity for one in found] == [row.quantity]
    assert [(one.cost or 0) + one.open_commission for one in found] == [row.cost]
    return realized(found)


def kept_out(row: Trade) -> Decimal | None:
    """A currency trade is in no book, so it adds nothing to what is realized."""
    books = books_of([row])
    assert books.books == {}
    assert {one.reason for one in books.aside} <= {"currency_trade", "no_account"}
    return realized([])


def of_an_option_event(row: OptionEvent) -> Decimal | None:
    assert row.quantity is not None
    assert row.cost is not None
    assert row.on_date is not None
    at = datetime.combine(row.on_date, time(), tzinfo=UTC)
    if row.type == "Assignment":
        held = Anchor(at - A_MOMENT, -row.quantity, per_unit(row.cost, row.quantity))
        left = Anchor(at, Decimal(0), None, cause="exercise_or_assignment", carried=True)
        return realized(disposals(fold_book("U1", row.conid or 0, Decimal(100), [], [held, left])))
    assert row.price is not None
    bought = Fill(at, "a", "a.01", row.quantity, row.price, Decimal(0), complete=True)
    ledger = fold_book("U1", row.conid or 0, Decimal(1), [bought])
    assert ledger.episode is not None
    assert ledger.episode.cost == row.cost
    return realized(disposals(ledger))


NOT_COMPUTED = [
    (path, row)
    for path, row in stated_texts()
    if isinstance(row, Trade) and row.stated_realized_pnl == 0 and row.realized_pnl is None
]


def test_a_zero_that_neither_opened_nor_closed_is_unknown() -> None:
    per_file = Counter(path.name for path, _ in NOT_COMPUTED)
    assert per_file == {"TestForCoding.xml": 15, "test_types_elements.xml": 1}


COSTS = [
    (path, row)
    for path in FILES
    for row in rows_of(path)
    if isinstance(row, Trade)
    and row.detail == "execution"
    and row.open_close in {"O", ""}
    and row.cost
    and row.currency != "UNKNOWN"
]


@pytest.mark.parametrize(
    "row", [row for _, row in COSTS], ids=[f"{path.name}:{row.line} {row.symbol}" for path, row in COSTS]
)
def test_what_an_opening_cost_is_what_the_broker_says(row: Trade) -> None:
    """With multipliers from 1 to 62500, and the commission in it."""
    ledger = alone(row)
    assert ledger.episode is not None
    assert ledger.episode.cost == row.cost
