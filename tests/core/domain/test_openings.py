"""What was held before a statement begins, by what its closing trades say that they closed had cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.domain.fills import Fill
from core.domain.lifecycle import Anchor, Ledger, fold_book
from core.domain.openings import held_before

START = datetime(2025, 3, 3, 14, 30, tzinfo=UTC)


def fill(number: int, quantity: str | int, price: str | int = 10, commission: str | int = 0) -> Fill:
    at = START + timedelta(minutes=number)
    amounts = (Decimal(quantity), Decimal(price), Decimal(commission))
    return Fill(at, f"{number:03}", f"{number:03}.01", *amounts, complete=True)


def fold(fills: list[Fill], closings: dict[str, Decimal | None], *anchors: Anchor) -> Ledger:
    return fold_book("U1", 1, Decimal(1), fills, anchors, closings=closings)


def realized(ledger: Ledger) -> dict[str, Decimal | None]:
    return {exec_id: booked.realized_pnl for exec_id, booked in ledger.booked.items()}


def test_what_only_closes_closed_something_at_the_cost_it_states() -> None:
    ledger = fold([fill(1, -10, 12)], {"001.01": Decimal(100)})
    assert realized(ledger) == {"001.01": Decimal(20)}
    assert ledger.quantity == 0
    assert not ledger.touched[0].estimated


def test_a_short_that_is_covered_was_sold_for_what_it_states() -> None:
    ledger = fold([fill(1, 10, 8)], {"001.01": Decimal(100)})
    assert realized(ledger) == {"001.01": Decimal(20)}
    assert ledger.quantity == 0


def test_without_a_stated_cost_it_is_unknown_and_never_free() -> None:
    ledger = fold([fill(1, -10, 12)], {"001.01": None})
    assert realized(ledger) == {"001.01": None}
    assert ledger.touched[0].estimated


def test_what_opened_in_the_statement_needs_nothing_from_before() -> None:
    ledger = fold([fill(1, 10), fill(2, -10, 12)], {"002.01": Decimal(100)})
    assert [event.cause for event in ledger.touched[0].events] == [None, None]


def test_a_sale_that_opens_a_short_is_no_sign_of_anything_held() -> None:
    assert fold([fill(1, -10)], {}).quantity == -10


def test_a_closing_takes_from_before_first_and_the_rest_from_what_came_since() -> None:
    ledger = fold([fill(1, 5, 20), fill(2, -8, 12)], {"002.01": Decimal(30 + 100)})
    assert held_before(*([fill(1, 5, 20), fill(2, -8, 12)], {"002.01": None})) == 3
    assert [lot.quantity for lot in ledger.touched[0].lots] == [3, 5]
    assert realized(ledger)["002.01"] == Decimal(96 - 130)


def test_with_the_holding_at_the_end_the_rest_has_its_cost_too() -> None:
    end = Anchor(START + timedelta(days=1), Decimal(11), Decimal(200) / 11)
    ledger = fold([fill(1, 5, 20), fill(2, -4, 12)], {"002.01": Decimal(40)}, end)
    lots = [(lot.quantity, lot.remaining, lot.remaining_cost) for lot in ledger.touched[0].lots]
    assert [lot[:2] for lot in lots] == [(4, 0), (6, 6), (5, 5)]
    assert lots[1][2] is not None
    assert abs(lots[1][2] - 100) < Decimal("1e-8")
    assert realized(ledger)["002.01"] == Decimal(8)


quantities = st.integers(min_value=1, max_value=9)


@given(
    st.lists(st.tuples(st.booleans(), quantities, st.integers(min_value=1, max_value=50)), max_size=25),
    st.integers(min_value=0, max_value=25),
    st.sampled_from([1, -1]),
)
def test_a_history_that_is_cut_realizes_what_the_whole_did(
    steps: list[tuple[bool, int, int]], cut: int, side: int
) -> None:
    """The broker states what each closing had cost; with it, what comes after the cut needs nothing else."""
    fills: list[Fill] = []
    held = 0
    for number, (opens, quantity, price) in enumerate(steps):
        size = quantity if opens or not held else -min(quantity, held)
        held += size
        fills.append(fill(number, size * side, price, 1))
    whole = fold(fills, {})
    closings: dict[str, Decimal | None] = {}
    for one in fills:
        if one.quantity * side < 0:
            parts = [
                part for episode in whole.touched for part in episode.disposals if part.exec_id == one.exec_id
            ]
            costs = [abs((part.cost or Decimal(0)) + part.open_commission) for part in parts]
            closings[one.exec_id] = (
                sum(costs, Decimal(0))
                if side > 0
                else sum((abs(part.cost or Decimal(0)) - part.open_commission for part in parts), Decimal(0))
            )
    after = fills[cut:]
    held_at_cut = sum((one.quantity for one in fills[:cut]), Decimal(0))
    part = fold(after, closings)
    expected = {one.exec_id: whole.booked[one.exec_id].realized_pnl for one in after}
    if abs(held_before(after, closings)) < abs(held_at_cut):
        return  # more was held than was closed: only the broker's word at the end tells how much
    found = realized(part)
    assert found.keys() == expected.keys()
    for exec_id, amount in expected.items():
        got = found[exec_id]
        assert (got is None) is (amount is None)
        assert got is None or amount is None or abs(got - amount) < Decimal("1e-6")
