from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.domain.fills import Fill
from core.domain.lifecycle import Episode, Ledger, fold_book
from core.domain.money import ZERO
from core.domain.pnl import shares

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
QUANTITIES = st.decimals("-50", "50", places=2).filter(bool)
PRICES = st.decimals("-5", "500", places=4)
COMMISSIONS = st.none() | st.decimals("-2", "5", places=5)


@st.composite
def books(draw: st.DrawFn) -> list[Fill]:
    rows = draw(st.lists(st.tuples(QUANTITIES, PRICES, COMMISSIONS), max_size=25))
    return [
        Fill(START + timedelta(seconds=index), f"e{index:03}", f"e{index:03}.01", *row, row[2] is not None)
        for index, row in enumerate(rows)
    ]


def image(episodes: Sequence[Episode]) -> list[tuple[object, ...]]:
    return [
        (
            episode.id,
            episode.ordinal,
            episode.quantity,
            episode.max_quantity,
            episode.average_cost,
            episode.cost,
            episode.realized,
            episode.commission,
            episode.opened_at,
            episode.closed_at,
            episode.missing_commissions,
            tuple(episode.events),
            tuple(
                (lot.seq, lot.exec_id, lot.quantity, lot.remaining, lot.commission, lot.remaining_commission)
                for lot in sorted(episode.lots, key=lambda lot: lot.seq)
            ),
            tuple(episode.disposals),
        )
        for episode in episodes
    ]


@given(books(), st.lists(st.integers(0, 25), max_size=4))
def test_carrying_on_gives_what_folding_from_the_start_gives(fills: list[Fill], cuts: list[int]) -> None:
    whole = fold_book("DU1", 1, Decimal(100), fills)
    carried = Ledger("DU1", 1, Decimal(100))
    bounds = [0, *sorted(min(cut, len(fills)) for cut in cuts), len(fills)]
    for start, end in pairwise(bounds):
        carried.run(fills[start:end])
    assert image(carried.touched) == image(whole.touched)


@given(books())
def test_quantities_costs_and_commissions_are_conserved(fills: list[Fill]) -> None:
    ledger = fold_book("DU1", 1, Decimal("0.01"), fills)
    assert ledger.quantity == sum((fill.quantity for fill in fills), ZERO)
    assert sum((one.commission for one in ledger.touched), ZERO) == sum(
        (fill.commission or ZERO for fill in fills), ZERO
    )
    # What came in less what went out is what was realized and what is still in the books.
    spent = sum(
        (fill.quantity * fill.price * Decimal("0.01") + (fill.commission or ZERO) for fill in fills), ZERO
    )
    realized = sum((one.realized or ZERO for one in ledger.touched), ZERO)
    held = ledger.episode.cost if ledger.episode else ZERO
    assert held is not None
    assert held - realized == spent
    for episode in ledger.touched:
        assert sum((event.quantity for event in episode.events), ZERO) == episode.quantity
        assert sum((lot.remaining for lot in episode.lots), ZERO) == episode.quantity
        assert all((lot.quantity > 0) is episode.long for lot in episode.lots)
        assert episode.realized == sum((event.realized_pnl or ZERO for event in episode.events), ZERO)


@given(books())
def test_the_disposals_of_a_fill_add_up_to_what_it_did_to_the_last_digit(fills: list[Fill]) -> None:
    ledger = fold_book("DU1", 1, Decimal("0.01"), fills)
    for episode in ledger.touched:
        assert [one.seq for one in episode.disposals] == list(range(1, episode.disposal_count + 1))
        by_fill = {
            exec_id: list(parts) for exec_id, parts in groupby(episode.disposals, key=lambda one: one.exec_id)
        }
        closings = [event for event in episode.events if event.type in {"reduced", "closed", "flipped"}]
        assert [event.exec_id for event in closings] == list(by_fill)
        for event in closings:
            parts = by_fill[event.exec_id]
            assert sum((one.quantity for one in parts), ZERO) == -event.quantity
            assert sum((one.realized_pnl or ZERO for one in parts), ZERO) == event.realized_pnl
            assert sum((one.close_commission for one in parts), ZERO) == (event.commission or ZERO)
            assert [one.close_commission for one in parts] == shares(
                event.commission or ZERO, [one.quantity for one in parts]
            )


@given(books())
def test_what_a_lot_was_is_what_is_left_of_it_and_its_disposals(fills: list[Fill]) -> None:
    for episode in fold_book("DU1", 1, Decimal(100), fills).touched:
        for lot in episode.lots:
            parts = [one for one in episode.disposals if one.lot_seq == lot.seq]
            assert lot.quantity == sum((one.quantity for one in parts), lot.remaining)
            assert lot.commission == sum((one.open_commission for one in parts), lot.remaining_commission)
            for one in parts:
                assert (
                    one.cost == one.quantity * lot.unit_cost
                    if lot.unit_cost is not None
                    else one.cost is None
                )
                assert (one.opened_at, one.open_price) == (lot.opened_at, lot.price)
                assert one.provisional or not lot.provisional


@given(books())
def test_flipping_all_signs_mirrors_the_result(fills: list[Fill]) -> None:
    free = [fill._replace(commission=ZERO, complete=True) for fill in fills]
    mirrored = [fill._replace(quantity=-fill.quantity) for fill in free]
    ours, theirs = (fold_book("DU1", 1, Decimal(1), side) for side in (free, mirrored))
    assert [one.realized for one in ours.touched] == [
        None if one.realized is None else -one.realized for one in theirs.touched
    ]
    assert [one.average_cost for one in ours.touched] == [one.average_cost for one in theirs.touched]


@given(books(), st.integers(0, 24))
def test_splitting_a_fill_changes_nothing_but_the_number_of_rows(fills: list[Fill], which: int) -> None:
    free = [fill._replace(commission=ZERO, complete=True) for fill in fills]
    if which >= len(free):
        return
    half = (free[which].quantity / 2).quantize(Decimal("0.001"))
    first = free[which]._replace(quantity=half)
    second = free[which]._replace(quantity=free[which].quantity - half, base_id=f"{free[which].base_id}x")
    split = [*free[:which], first, second, *free[which + 1 :]]
    whole, parts = (fold_book("DU1", 1, Decimal(1), side) for side in (free, split))
    assert parts.quantity == whole.quantity
    assert sum((one.realized or ZERO for one in parts.touched), ZERO) == sum(
        (one.realized or ZERO for one in whole.touched), ZERO
    )
