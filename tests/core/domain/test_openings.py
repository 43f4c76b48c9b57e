"""What was held before a statement begins, by what its trades say that they did."""

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.anchors import Anchor
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.domain.openings import Effect

START = datetime(2025, 3, 3, 14, 30, tzinfo=UTC)
OPENS, CLOSES = Effect(opens=True, closes=False, cost=None), Effect(opens=False, closes=True, cost=None)


def fill(number: int, quantity: str | int, price: str | int = 10, commission: str | int = 0) -> Fill:
    at = START + timedelta(minutes=number)
    amounts = (Decimal(quantity), Decimal(price), Decimal(commission))
    return Fill(at, f"{number:03}", f"{number:03}.01", *amounts, complete=True)


def closed(cost: int | str) -> Effect:
    """``cost`` is signed like the trade."""
    return CLOSES._replace(cost=Decimal(cost))


def split(number: int, quantity: int) -> Anchor:
    at = START + timedelta(minutes=number, seconds=30)
    return Anchor(at, Decimal(quantity), None, cause="split", relative=True)


def word(number: int, quantity: str | int, cost: str | int | None = None) -> Anchor:
    total = None if cost is None else Decimal(cost)
    return Anchor(START + timedelta(minutes=number, seconds=45), Decimal(quantity), None, cost=total)


def fold(
    fills: list[Fill], effects: dict[int, Effect], *anchors: Anchor, method: CostMethod = "fifo"
) -> Ledger:
    named = {f"{number:03}.01": effect for number, effect in effects.items()}
    return fold_book("U1", 1, Decimal(1), fills, anchors, effects=named, method=method)


def realized(ledger: Ledger) -> list[Decimal | None]:
    return [booked.realized_pnl for booked in ledger.booked.values()]


def openings(ledger: Ledger) -> list[tuple[Decimal, Decimal | None, bool]]:
    """Quantity, cost and whether it may still change, of each lot from before."""
    return [
        (lot.quantity, lot.cost, lot.provisional)
        for episode in ledger.touched[:1]
        for lot in episode.lots
        if lot.exec_id is None
    ]


def test_what_only_closes_closed_something_at_the_cost_it_states() -> None:
    ledger = fold([fill(1, -10, 12)], {1: closed(-100)})
    assert realized(ledger) == [20]
    assert ledger.quantity == 0
    (episode,) = ledger.touched
    assert not episode.provisional
    assert not episode.disposals[0].provisional


def test_a_short_that_is_covered_was_sold_for_what_it_states() -> None:
    ledger = fold([fill(1, 10, 8)], {1: closed(100)})
    assert realized(ledger) == [20]
    assert ledger.quantity == 0


def test_what_was_bought_below_nothing_keeps_its_sign() -> None:
    """Oil at −37.63: the cost of what is sold is a gain by itself."""
    assert realized(fold([fill(1, -1, 10)], {1: closed(37)})) == [47]


def test_a_cost_that_does_not_divide_is_right_to_the_last_digit() -> None:
    ledger = fold([fill(1, -3, 40)], {1: closed("-100.000001")})
    assert realized(ledger) == [Decimal("19.999999")]


def test_without_a_stated_cost_it_is_unknown_and_never_free() -> None:
    ledger = fold([fill(1, -10, 12)], {1: CLOSES})
    assert realized(ledger) == [None]
    assert ledger.touched[0].estimated


def test_one_unstated_cost_leaves_the_others_known() -> None:
    fills = [fill(1, -1, 12), fill(2, -2, 12), fill(3, -3, 12)]
    ledger = fold(fills, {1: closed(-10), 2: CLOSES, 3: closed(-33)})
    assert openings(ledger) == [(1, 10, False), (2, None, True), (3, 33, False)]
    assert realized(ledger) == [2, None, 3]


def test_what_opened_in_the_statement_needs_nothing_from_before() -> None:
    ledger = fold([fill(1, 10), fill(2, -10, 12)], {1: OPENS, 2: closed(-100)})
    assert [event.cause for event in ledger.touched[0].events] == [None, None]


def test_a_sale_that_opens_a_short_is_no_sign_of_anything_held() -> None:
    assert fold([fill(1, -10)], {}).quantity == fold([fill(1, -10)], {1: OPENS}).quantity == -10


def test_a_closing_takes_from_before_first_and_the_rest_from_what_came_since() -> None:
    ledger = fold([fill(1, 5, 20, 1), fill(2, -8, 12)], {2: closed(-131)})
    assert openings(ledger) == [(3, 30, False)]
    assert realized(ledger) == [None, 96 - 131]


def test_with_the_holding_at_the_end_the_rest_has_its_cost_too() -> None:
    fills = [fill(1, 5, 20), fill(2, -4, 12)]
    ledger = fold(fills, {2: closed(-40)}, word(9, 11, "199.99"))
    assert openings(ledger) == [(4, 40, False), (6, Decimal("99.99"), False)]
    assert realized(ledger)[1] == 8


def test_without_a_cost_of_the_holding_the_rest_has_none() -> None:
    ledger = fold([fill(2, -4, 12)], {2: closed(-40)}, word(9, 6))
    assert openings(ledger) == [(4, 40, False), (6, None, True)]


def test_a_trade_that_only_opened_leaves_what_is_missing_later_for_later() -> None:
    """Bought, and gone without a trade that anybody told of: it was no short that the purchase covered."""
    ledger = fold([fill(1, 5, 20)], {1: OPENS}, word(9, 0))
    assert [event.cause for episode in ledger.touched for event in episode.events] == [None, "unexplained"]


def test_what_closed_more_than_the_holding_leaves_was_held_all_the_same() -> None:
    """What came in between is what is missing, and stands where the broker tells of it."""
    ledger = fold([fill(1, -10, 12)], {1: closed(-100)}, word(9, -4))
    assert realized(ledger) == [20]
    assert [event.cause for episode in ledger.touched for event in episode.events] == [
        "opening_balance",
        None,
        "unexplained",
    ]


def test_of_two_trades_that_contradict_each_other_the_earlier_tells_what_was_held() -> None:
    ledger = fold([fill(1, 5, 20), fill(2, -8, 12)], {1: OPENS, 2: closed(-131)})
    assert openings(ledger)[0][0] == 3
    ledger = fold([fill(1, -5, 20), fill(2, -8, 12)], {1: OPENS, 2: closed(-131)})
    assert openings(ledger) == []


def test_a_split_in_between_restates_what_was_held_before() -> None:
    fills = [fill(1, -2, 30), fill(3, -9, 11)]
    ledger = fold(fills, {1: closed(-40), 3: closed(-72)}, split(2, 16), word(9, 15, 120))
    # 10, of which 2 are sold; the other 8 become 24, of which 9 are sold.
    assert openings(ledger) == [(2, 40, False), (9, 72, False), (15, 120, False)]
    assert realized(ledger) == [20, 27]
    assert ledger.quantity == 15


def test_a_split_is_no_purchase_for_what_came_since_either() -> None:
    fills = [fill(1, 4, 30), fill(3, -26, 11)]
    ledger = fold(fills, {3: closed(-260)}, split(2, 28), word(9, 16))
    # 10 and 4 became 42: of what was held before, 26 are sold and 4 are left.
    assert openings(ledger) == [(26, 260, False), (4, None, True)]
    assert ledger.quantity == 16


def test_what_expired_or_was_carried_off_had_been_held() -> None:
    at = START + timedelta(minutes=2)
    expiry = Anchor(at, Decimal(1), None, cause="expiry", price=ZERO, relative=True, cost=Decimal(250))
    (episode,) = fold([], {}, expiry).touched
    assert (episode.realized, episode.closed_at) == (250, at)
    away = Anchor(at, Decimal(-5), None, cause="transfer", carried=True, relative=True)
    (episode,) = fold([], {}, away).touched
    assert (episode.realized, episode.closed_at) == (0, at)


def test_a_sale_that_no_statement_tells_of_is_taken_to_have_cost_the_average() -> None:
    fills = [fill(1, -4, 12), fill(2, -2, 12)]
    ledger = fold(fills, {1: closed(-40)}, word(9, 5, 60))
    assert openings(ledger) == [(4, 40, False), (2, 24, True), (5, 60, False)]


QUANTITIES = st.integers(min_value=1, max_value=9)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Fill], int]:
    """Trades of one side, splits in between them (``base_id``), and at which of them the statement begins."""
    side = draw(st.sampled_from([1, -1]))
    steps = draw(st.lists(st.tuples(st.sampled_from("bbss23"), QUANTITIES, st.integers(1, 50)), max_size=25))
    fills: list[Fill] = []
    held = 0
    for number, (kind, quantity, price) in enumerate(steps):
        if kind.isdigit():
            if held:
                fills.append(fill(number, held * (int(kind) - 1) * side)._replace(base_id="split"))
                held *= int(kind)
            continue
        size = quantity if kind == "b" or not held else -min(quantity, held)
        held += size
        fills.append(fill(number, size * side, price, "0.37"))
    return fills, draw(st.integers(0, 25))


def _with_broker_costs(steps: list[Fill], side: int) -> dict[str, Effect]:
    """A broker's own books, by a queue and nothing else: what each closing closed had cost."""
    lots: deque[list[Decimal]] = deque()
    effects: dict[str, Effect] = {}
    for step in steps:
        size = step.quantity * side
        if step.base_id == "split":
            held = sum((lot[0] for lot in lots), ZERO)
            for lot in lots:
                lot[0] *= (held + size) / held
        elif size > 0:
            lots.append([size, step.quantity * step.price + (step.commission or ZERO)])
            effects[step.exec_id] = OPENS
        else:
            cost, left = ZERO, -size
            while left:
                lot = lots[0]
                part = min(left, lot[0])
                taken = lot[1] * part / lot[0]
                cost, left = cost + taken, left - part
                lot[0] -= part
                lot[1] -= taken
                if not lot[0]:
                    lots.popleft()
            effects[step.exec_id] = CLOSES._replace(cost=-cost)
    rest = sum((lot[1] for lot in lots), ZERO)
    return {**effects, "rest": Effect(opens=False, closes=False, cost=rest)}


@given(histories())
def test_a_history_that_is_cut_realizes_what_the_whole_did(
    history: tuple[list[Fill], int],
) -> None:
    """The broker states what each closing had cost, and what is held in the end: nothing else is needed."""
    steps, cut = history
    if not steps:
        return
    side = 1 if steps[0].quantity > 0 else -1
    effects = _with_broker_costs(steps, side)
    rest = effects.pop("rest").cost
    fills = [one for one in steps if one.base_id != "split"]
    splits = [
        Anchor(one.executed_at, one.quantity, None, cause="split", relative=True)
        for one in steps
        if one.base_id == "split"
    ]
    whole = fold_book("U1", 1, Decimal(1), fills, splits)
    from_cut = [one for one in steps[cut:] if one.base_id != "split"]
    begins = START + timedelta(minutes=int(steps[cut].exec_id[:3])) if cut < len(steps) else None
    later = [one for one in splits if begins is not None and one.as_of >= begins]
    end = Anchor(START + timedelta(days=1), whole.quantity, None, cost=rest)
    part = fold_book("U1", 1, Decimal(1), from_cut, [*later, end], effects=effects)
    assert part.quantity == whole.quantity
    for one in from_cut:
        ours, theirs = part.booked[one.exec_id].realized_pnl, whole.booked[one.exec_id].realized_pnl
        assert (ours is None) is (theirs is None)
        assert ours is None or theirs is None or abs(ours - theirs) < Decimal("1e-7")
    if part.episode is not None:
        assert part.episode.cost is not None
        assert abs(part.episode.cost - (rest or ZERO)) < Decimal("1e-7")
        assert not part.episode.estimated


@pytest.mark.parametrize("method", get_args(CostMethod))
@given(histories())
def test_a_cut_history_can_be_folded_with_any_method(
    method: CostMethod, history: tuple[list[Fill], int]
) -> None:
    steps, cut = history
    if not steps:
        return
    effects = _with_broker_costs(steps, 1 if steps[0].quantity > 0 else -1)
    fills = [one for one in steps[cut:] if one.base_id != "split"]
    ledger = fold_book("U1", 1, Decimal(1), fills, method=method, effects=effects)
    total = sum((one.quantity for one in fills), ZERO)
    begun = [event.quantity for one in ledger.touched for event in one.events if event.exec_id is None]
    assert ledger.quantity == total + sum(begun, ZERO)
