from datetime import datetime
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from core.domain.anchors import Anchor
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.domain.pnl import EXACT, QUANTUM, shares
from tests.core.domain.facts import POINT_VALUE, Effected, Fact, Kept, facts, fills
from tests.core.domain.making import at

METHODS = st.sampled_from(get_args(CostMethod))
EXACT_METHODS = st.sampled_from(("fifo", "lifo", "hifo"))


def folded(method: CostMethod, told: list[Fill]) -> Ledger:
    return fold_book("DU1", 1, POINT_VALUE, told, method=method)


def total(ledger: Ledger) -> Decimal:
    return sum((one.realized or ZERO for one in ledger.touched), ZERO)


def all_at_once(method: CostMethod, told: list[Fact]) -> Kept:
    kept = Kept(method)
    kept.take(told)
    return kept


@given(METHODS, facts(stated=True), st.data())
def test_any_order_and_any_repetition_of_the_facts_gives_the_same_rows(
    method: CostMethod, told: list[Fact], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    shuffled = data.draw(st.permutations(told + again))
    assert all_at_once(method, shuffled).rows == all_at_once(method, told).rows


@given(METHODS, facts(stated=True), st.data())
def test_any_batching_of_the_facts_gives_the_rows_of_a_fold_from_scratch(
    method: CostMethod, told: list[Fact], data: st.DataObject
) -> None:
    # Often nearly in order, as facts come, so that much is carried on and some is late.
    ordered = data.draw(st.sampled_from((sorted(told, key=_moment), data.draw(st.permutations(told)))))
    cuts = data.draw(st.lists(st.integers(0, len(told)), max_size=5))
    kept = Kept(method)
    for start, end in pairwise([0, *sorted(cuts), len(told)]):
        kept.take(ordered[start:end])
    assert kept.rows == all_at_once(method, told).rows


def _moment(fact: Fact) -> datetime:
    if isinstance(fact, Anchor):
        return fact.as_of
    if isinstance(fact, Effected):
        return at(1_000)
    return at(10 * int(fact.exec_id[1:4]))


@given(METHODS, fills(), st.lists(st.integers(0, 20), max_size=4))
def test_carrying_on_fill_by_fill_gives_the_rows_of_a_fold_from_scratch(
    method: CostMethod, told: list[Fill], cuts: list[int]
) -> None:
    carried = Ledger("DU1", 1, POINT_VALUE, method=method)
    for start, end in pairwise([0, *sorted(min(cut, len(told)) for cut in cuts), len(told)]):
        carried.run(told[start:end])
    for ours, theirs in zip(carried.touched, folded(method, told).touched, strict=True):
        assert ours.events == theirs.events
        assert ours.disposals == theirs.disposals
        assert [astuple(lot) for lot in ours.lots] == [astuple(lot) for lot in theirs.lots]


@given(METHODS, facts(stated=True))
def test_what_an_episode_did_is_the_sum_of_its_events_its_lots_and_its_disposals(
    method: CostMethod, told: list[Fact]
) -> None:
    for episode in all_at_once(method, told).from_scratch().touched:
        assert sum((event.quantity for event in episode.events), ZERO) == episode.quantity
        assert sum((lot.remaining for lot in episode.lots), ZERO) == episode.quantity
        assert (episode.closed_at is None) is bool(episode.quantity)
        assert [one.seq for one in episode.events] == list(range(1, episode.event_count + 1))
        assert [one.seq for one in episode.disposals] == list(range(1, episode.disposal_count + 1))
        assert episode.commission == sum((event.commission or ZERO for event in episode.events), ZERO)
        changes = [event.realized_pnl for event in episode.events if event.realized_pnl is not None]
        if episode.realized is not None:
            assert sum(changes, ZERO) == episode.realized


@given(METHODS, facts(stated=True))
def test_the_disposals_of_a_close_add_up_to_it_to_the_last_digit(
    method: CostMethod, told: list[Fact]
) -> None:
    for episode in all_at_once(method, told).from_scratch().touched:
        parts = iter(episode.disposals)
        sign = 1 if episode.long else -1
        for event in episode.events:
            if event.quantity * sign >= 0 or (event.cause == "split" and event.position_after):
                continue
            taken = []
            while sum((one.quantity for one in taken), ZERO) != -event.quantity:
                taken.append(next(parts))
            assert {(one.exec_id, one.closed_at) for one in taken} == {(event.exec_id, event.executed_at)}
            fees = event.commission or ZERO
            assert [one.close_commission for one in taken] == shares(fees, [one.quantity for one in taken])
            realized = [one.realized_pnl for one in taken]
            known = [one for one in realized if one is not None]
            with localcontext(EXACT):
                assert event.realized_pnl == (sum(known, ZERO) if len(known) == len(realized) else None)
        assert not list(parts)


@given(METHODS, fills())
def test_cost_in_is_cost_out_and_cost_held_to_the_last_digit(method: CostMethod, told: list[Fill]) -> None:
    ledger = folded(method, told)
    assert ledger.quantity == sum((fill.quantity for fill in told), ZERO)
    fees = sum((fill.commission or ZERO for fill in told), ZERO)
    assert sum((one.commission for one in ledger.touched), ZERO) == fees
    spent = sum((fill.quantity * fill.price * POINT_VALUE for fill in told), ZERO) + fees
    held = ledger.episode.cost if ledger.episode else ZERO
    assert held is not None
    assert held - total(ledger) == spent
    for episode in ledger.touched:
        bought = sum((lot.cost or ZERO for lot in episode.lots), ZERO)
        gone = sum((one.cost or ZERO for one in episode.disposals), ZERO)
        assert episode.cost is not None
        assert bought == gone + episode.cost - episode.open_commission
        if method != "average":
            assert episode.cost - episode.open_commission == sum(
                (lot.remaining_cost or ZERO for lot in episode.lots), ZERO
            )


@given(EXACT_METHODS, facts(stated=True))
def test_a_lot_is_what_is_left_of_it_and_its_disposals_also_after_splits(
    method: CostMethod, told: list[Fact]
) -> None:
    for episode in all_at_once(method, told).from_scratch().touched:
        for lot in episode.lots:
            parts = [one for one in episode.disposals if one.lot_seq == lot.seq]
            assert lot.quantity == sum((one.quantity for one in parts), lot.remaining)
            assert lot.commission == sum((one.open_commission for one in parts), lot.remaining_commission)
            if lot.cost is not None:
                assert lot.cost == sum((one.cost or ZERO for one in parts), lot.remaining_cost)
            for one in parts:
                assert (one.opened_at, one.open_price) == (lot.opened_at, lot.price)
                assert (one.cost is None) is (lot.cost is None)
                assert one.provisional or not lot.provisional


@given(METHODS, fills(commission=False))
def test_flipping_all_signs_mirrors_the_result(method: CostMethod, told: list[Fill]) -> None:
    ours = folded(method, told)
    theirs = folded(method, [fill._replace(quantity=-fill.quantity) for fill in told])
    assert [one.realized for one in ours.touched] == [-(one.realized or ZERO) for one in theirs.touched]
    assert [one.average_cost for one in ours.touched] == [one.average_cost for one in theirs.touched]


def _halved(told: list[Fill], which: int) -> list[Fill]:
    if which >= len(told):
        return told
    whole = told[which]
    half = (whole.quantity / 2).quantize(Decimal("0.001"))
    second = whole._replace(quantity=whole.quantity - half, base_id=f"{whole.base_id}x")
    return [*told[:which], whole._replace(quantity=half), second, *told[which + 1 :]]


@given(METHODS, fills(commission=False), st.integers(0, 19))
def test_splitting_a_fill_in_two_changes_nothing_but_the_number_of_rows(
    method: CostMethod, told: list[Fill], which: int
) -> None:
    whole, parts = folded(method, told), folded(method, _halved(told, which))
    assert parts.quantity == whole.quantity
    # Under average cost a share of the sum is rounded, and two shares are rounded twice.
    rounded = sum(one.disposal_count for one in parts.touched) * QUANTUM if method == "average" else ZERO
    assert abs(total(parts) - total(whole)) <= rounded
    ended = [(one.opened_at, one.closed_at, one.max_quantity) for one in whole.touched]
    assert [(one.opened_at, one.closed_at, one.max_quantity) for one in parts.touched] == ended


@given(fills())
def test_what_ends_flat_realizes_the_same_under_every_method(told: list[Fill]) -> None:
    left = sum((fill.quantity for fill in told), ZERO)
    last = [fill._replace(executed_at=fill.executed_at.replace(minute=59), base_id="z") for fill in told[:1]]
    closing = [fill._replace(exec_id="z.01", quantity=-left) for fill in last if left]
    ledgers = [folded(method, told + closing) for method in get_args(CostMethod)]
    first = [(one.id, one.realized, one.commission, one.closed_at) for one in ledgers[0].touched]
    for ledger in ledgers:
        assert ledger.quantity == 0
        assert [(one.id, one.realized, one.commission, one.closed_at) for one in ledger.touched] == first
