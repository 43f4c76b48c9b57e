from collections import Counter
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.anchors import Anchor
from core.domain.comparison import Closed, History, as_matched, rematch, totals
from core.domain.episodes import Episode
from core.domain.lifecycle import Ledger
from core.domain.lots import CostMethod, Disposal
from core.errors import LedgerUnfoldedError
from tests.core.domain.facts import POINT_VALUE, Charged, Executed, Fact, Kept, facts
from tests.core.domain.making import anchor, at, fill, fold

METHODS: tuple[CostMethod, ...] = get_args(CostMethod)
ANY = st.sampled_from(METHODS)
FLAT = anchor(-10, "0")


def stored(episode: Episode, point_value: Decimal = Decimal(1)) -> History:
    lots = sorted(episode.lots, key=lambda lot: lot.seq)
    complete = episode.missing_commissions == 0
    return History(point_value, complete, lots, episode.events, episode.disposals)


def folded(told: list[Fact], method: CostMethod) -> Ledger:
    kept = Kept(method)
    kept.take(told)
    return kept.from_scratch()


def disposals(matched: list[Closed]) -> list[Disposal]:
    return [one for closed in matched for one in closed.disposals]


@given(ANY, facts(stated=True))
def test_matching_again_under_its_own_method_gives_what_is_stored(
    method: CostMethod, told: list[Fact]
) -> None:
    for episode in folded(told, method).touched:
        history = stored(episode, POINT_VALUE)
        assert rematch(history, method) == as_matched(history)
        assert disposals(as_matched(history)) == episode.disposals


def _in_parts(history: History) -> set[int]:
    """The lots of adjustments that a method took in parts: their rows say provisional for that, too."""
    taken = Counter(one.lot_seq for one in history.disposals)
    return {
        lot.seq
        for lot in history.lots
        if lot.exec_id is None and lot.carried_at is None and taken[lot.seq] > (not lot.remaining)
    }


CENT = Decimal("0.01")
IN_PARTS: list[Fact] = [
    *(
        Executed(f"e{number:03}.01", at(10 * number), f"e{number:03}", 1, size, Decimal(0))
        for number, size in enumerate((CENT, CENT, CENT, -CENT))
    ),
    *(Charged(f"e{number:03}.01", Decimal(0), "USD", None) for number in range(4)),
    *(Anchor(at(seconds), size, None) for seconds, size in ((5, 0 * CENT), (15, -CENT), (25, CENT))),
    Anchor(at(23), Decimal(5), None, "expiry", relative=True, cost=Decimal(0)),
]


def _but_provisional(one: Disposal) -> tuple[object, ...]:
    return tuple(getattr(one, name) for name in Disposal.__struct_fields__[:-1])


@given(ANY, ANY, facts(stated=True))
@example("fifo", "average", IN_PARTS)
def test_matching_again_under_another_method_gives_what_a_fold_with_it_gives(
    own: CostMethod, other: CostMethod, told: list[Fact]
) -> None:
    # A cost concluded from the broker's average of all depends on what is left, and so on the method.
    unpriced = [one._replace(average_cost=None) if isinstance(one, Anchor) else one for one in told]
    ours, theirs = (folded(unpriced, method).touched for method in (own, other))
    for episode, expected in zip(ours, theirs, strict=True):
        history = stored(episode, POINT_VALUE)
        in_parts = set() if own == "average" else _in_parts(history)
        found = disposals(rematch(history, other))
        assert [_but_provisional(one) for one in found] == [
            _but_provisional(one) for one in expected.disposals
        ]
        for one, like in zip(found, expected.disposals, strict=True):
            assert one.provisional >= like.provisional
            is_estimate = bool(in_parts) if other == "average" else one.lot_seq in in_parts
            assert one.provisional == like.provisional or not history.complete or is_estimate


@given(ANY, ANY, facts(), st.integers(0, 30))
def test_matching_again_as_far_as_an_event_gives_the_beginning_of_all(
    own: CostMethod, other: CostMethod, told: list[Fact], upto: int
) -> None:
    for episode in folded(told, own).touched:
        history = stored(episode, POINT_VALUE)
        part = history._replace(events=history.events[:upto])
        whole = rematch(history, other)
        assert rematch(part, other) == [one for one in whole if one.event.seq <= upto]


def test_what_an_adjustment_cost_stays_as_it_was_concluded_under_the_own_method() -> None:
    fills = (fill(0, "1", "10"), fill(1, "1", "20"), fill(2, "-1", "15"), fill(9, "-2", "30"))
    concluded = anchor(5, "2", "17", cause="transfer")
    (episode,) = fold(*fills, anchors=(FLAT, concluded)).touched
    # Ours held what had cost 20; two at 17 are 34.
    assert [one.cost for one in episode.disposals] == [10, 20, 14]
    assert [one.cost for one in disposals(rematch(stored(episode), "lifo"))] == [20, 14, 10]


@pytest.mark.parametrize(
    ("method", "realized"), [("fifo", "15"), ("lifo", "0"), ("hifo", "0"), ("average", "5")]
)
def test_the_total_of_a_closing_differs_with_the_method(method: CostMethod, realized: str) -> None:
    fills = (fill(0, "1", "10"), fill(1, "2", "25"), fill(2, "-1", "25"))
    (episode,) = fold(*fills).touched
    (closed,) = rematch(stored(episode), method)
    assert totals(closed.disposals).realized_pnl == Decimal(realized)


def test_totals_of_what_is_partly_unknown_are_unknown_and_counted() -> None:
    fills = (fill(0, "1", "5", "1"), fill(1, "-2", "8", None))
    (episode,) = fold(*fills, anchors=(anchor(-10, "1"),)).touched
    (closed,) = as_matched(stored(episode))
    assert totals(closed.disposals) == (None, 1, 2, 1, True)
    assert totals(()) == (0, 0, 0, 0, False)


def test_rows_that_do_not_belong_together_are_refused_and_not_summed() -> None:
    (episode,) = fold(fill(0, "2", "5"), fill(1, "-2", "8")).touched
    whole = stored(episode)
    for torn in (whole._replace(disposals=()), whole._replace(disposals=(), lots=())):
        for matching in (as_matched, lambda history: rematch(history, "lifo")):
            with pytest.raises(LedgerUnfoldedError, match="ask again"):
                matching(torn)
    with pytest.raises(LedgerUnfoldedError):
        rematch(whole._replace(lots=()), "lifo")
