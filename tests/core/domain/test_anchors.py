"""Where a statement's changes belong among the broker's words, and what a change of cost alone does."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given

from core.domain.anchors import SEEN_WITHIN, Anchor, placed
from core.domain.lifecycle import Ledger
from core.domain.lots import CostMethod
from tests.core.domain.facts import Executed, Kept, facts
from tests.core.domain.making import anchor, at, fill, fold

HOUR = 3600
DAY = int(SEEN_WITHIN.total_seconds())


def change(seconds: int, quantity: str, cause: str = "transfer", **more: object) -> Anchor:
    told = {name: Decimal(value) if isinstance(value, str) else value for name, value in more.items()}
    return Anchor(at(seconds), Decimal(quantity), None, cause=cause, relative=True, **told)  # type: ignore[arg-type] - one of the causes


def holding(seconds: int, quantity: str, cost: str) -> Anchor:
    return Anchor(at(seconds), Decimal(quantity), None, cost=Decimal(cost))


def told(ledger: Ledger) -> list[tuple[Decimal, str | None]]:
    return [(event.quantity, event.cause) for one in ledger.touched for event in one.events]


def test_a_change_that_explains_what_the_words_around_it_tell_stays_where_it_is() -> None:
    anchors = [anchor(0, "0"), change(HOUR, "10"), anchor(2 * HOUR, "10")]
    assert placed(anchors, []) == anchors


def test_what_the_broker_showed_before_the_statements_time_happened_by_then() -> None:
    """A transfer out is booked at the end of its day, and was gone in the morning."""
    anchors = (anchor(0, "0"), anchor(2 * HOUR, "0"), change(9 * HOUR, "-10", carried=True))
    ledger = fold(fill(1, "10", "5"), anchors=anchors)
    assert told(ledger) == [(10, None), (-10, "transfer")]
    assert ledger.quantity == 0
    assert ledger.touched[0].closed_at == at(2 * HOUR)


def test_what_the_broker_did_not_show_yet_at_the_statements_time_came_later() -> None:
    """A transfer in is booked at the beginning of its day, and came in the afternoon."""
    anchors = (change(0, "10", cost="80"), anchor(5 * HOUR, "0"), anchor(6 * HOUR, "10", "8.5"))
    ledger = fold(anchors=anchors)
    assert told(ledger) == [(10, "transfer")]
    assert ledger.touched[0].opened_at == at(6 * HOUR)
    assert ledger.touched[0].cost == 80


def test_the_fills_in_between_are_no_reason_to_move_a_change() -> None:
    anchors = (anchor(0, "0"), anchor(2 * HOUR, "7"), change(3 * HOUR, "10"), anchor(5 * HOUR, "17"))
    assert told(fold(fill(1, "7", "5"), anchors=anchors)) == [(7, None), (10, "transfer")]


def test_changes_of_one_time_are_shown_together() -> None:
    """An old and a new holding: what is shown is the difference."""
    anchors = (
        anchor(0, "0"),
        anchor(2 * HOUR, "4"),
        change(3 * HOUR, "-10", "merger", carried=True),
        change(3 * HOUR, "4", "merger", cost="50"),
    )
    ledger = fold(fill(1, "10", "5"), anchors=anchors)
    assert told(ledger) == [(10, None), (-10, "merger"), (4, "merger")]
    assert [episode.quantity for episode in ledger.touched] == [0, 4]


def test_two_changes_of_one_time_that_were_shown_apart_are_placed_apart() -> None:
    anchors = (
        anchor(0, "0"),
        change(1, "3", cost="3"),
        change(1, "5", cost="5"),
        anchor(2 * HOUR, "0"),
        anchor(3 * HOUR, "5"),
        anchor(4 * HOUR, "8"),
    )
    assert told(fold(anchors=anchors)) == [(5, "transfer"), (3, "transfer")]


@pytest.mark.parametrize("seconds", [2 * HOUR + DAY + 1, 2 * HOUR - DAY - 1])
def test_what_was_shown_more_than_a_day_away_was_something_else(seconds: int) -> None:
    words = [anchor(-3 * DAY, "0"), anchor(2 * HOUR - 60, "0"), anchor(2 * HOUR, "10")]
    ordered = sorted([*words, change(seconds, "10")], key=lambda one: one.as_of)
    assert placed(ordered, []) == ordered


def test_of_two_times_that_would_fit_the_nearer_counts() -> None:
    anchors = (
        anchor(0, "0"),
        anchor(2 * HOUR, "10"),
        anchor(9 * HOUR, "10"),
        change(10 * HOUR, "10", cost="1"),
        anchor(11 * HOUR, "10"),
        anchor(12 * HOUR, "20"),
    )
    ledger = fold(anchors=anchors)
    assert told(ledger) == [(10, "unexplained"), (10, "transfer")]
    assert ledger.touched[0].events[1].executed_at == at(12 * HOUR)


@given(facts(stated=True))
def test_no_change_gets_lost_and_none_goes_further_than_a_day(told_of: list[object]) -> None:
    kept = Kept("fifo")
    kept.take(told_of)  # type: ignore[arg-type] - facts
    held = sorted(kept.anchors.values())
    found = placed(held, kept._fills(one for one in told_of if isinstance(one, Executed)))
    told_ones, found_ones = (
        sorted(repr(one._replace(as_of=at(0))) for one in some if one.relative) for some in (held, found)
    )
    assert found_ones == told_ones
    assert [one for one in found if not one.relative] == [one for one in held if not one.relative]
    assert [one.as_of for one in found] == sorted(one.as_of for one in found)


def test_what_came_without_a_cost_had_cost_what_the_next_word_leaves_for_it() -> None:
    anchors = (
        anchor(0, "0"),
        change(HOUR, "3", "merger"),
        Anchor(at(9 * HOUR), Decimal(7), None, cost=Decimal(100)),
    )
    ledger = fold(fill(1, "2", "10", "1"), fill(2 * HOUR, "2", "20", "1"), anchors=anchors)
    (episode,) = ledger.touched
    assert [lot.cost for lot in episode.lots] == [20, 100 - 62, 40]
    assert episode.cost == 100
    assert not episode.provisional
    assert told(ledger)[1] == (3, "merger")


@pytest.mark.parametrize(
    ("in_between", "word"),
    [
        (fill(2 * HOUR, "-1", "20"), Anchor(at(9 * HOUR), Decimal(4), None, cost=Decimal(100))),
        (fill(2 * HOUR, "1", "20", None), Anchor(at(9 * HOUR), Decimal(6), None, cost=Decimal(100))),
        (fill(2 * HOUR, "1", "20"), Anchor(at(9 * HOUR), Decimal(7), None, cost=Decimal(100))),
        (fill(2 * HOUR, "1", "20"), Anchor(at(9 * HOUR), Decimal(6), None)),
    ],
    ids=["sold in between", "a commission is awaited", "another quantity", "no cost told"],
)
def test_where_the_next_word_does_not_tell_it_is_not_guessed(in_between: object, word: Anchor) -> None:
    anchors = (anchor(0, "0"), change(HOUR, "3", "merger"), word)
    (episode,) = fold(fill(1, "2", "10"), in_between, anchors=anchors).touched  # type: ignore[arg-type] - a fill
    assert episode.lots[1].cost is None
    assert episode.estimated


def test_a_cost_that_does_not_divide_is_kept_to_the_last_digit() -> None:
    ledger = fold(fill(9, "-3", "50"), anchors=(change(1, "3", cost="100"),))
    assert ledger.touched[0].realized == 50
    end = Anchor(at(9), Decimal(7), None, cost=Decimal("100.01"))
    (episode,) = fold(fill(1, "3", "10", "1"), anchors=(anchor(0, "0"), end)).touched
    assert episode.cost == Decimal("100.01")
    assert fold(anchors=(end,)).touched[0].cost == Decimal("100.01")


def test_a_change_through_zero_gives_the_rest_its_share_of_the_cost() -> None:
    ended, begun = fold(fill(1, "1", "10"), anchors=(change(2, "-4", cost="-40", price="9"),)).touched
    assert ended.realized == -1
    assert (begun.quantity, begun.cost) == (-3, -30)


@pytest.mark.parametrize("method", get_args(CostMethod))
def test_a_cost_that_is_paid_back_is_taken_from_each_unit_alike(method: CostMethod) -> None:
    fills = (fill(1, "10", "10", "1"), fill(2, "30", "20"), fill(9, "-40", "30"))
    paid_back = change(5, "0", "corporate_action", cost="-40")
    (episode,) = fold(*fills, anchors=(paid_back,), method=method).touched
    assert [lot.cost for lot in episode.lots] == [90, 570]
    assert episode.realized == 1200 - 701 + 40
    assert [event.cause for event in episode.events] == [None, None, "corporate_action", None]
    assert episode.events[2].quantity == 0
    assert not episode.provisional


def test_what_was_spun_off_took_its_share_of_each_lots_cost() -> None:
    fills = (fill(1, "10", "10"), fill(2, "10", "30"))
    (episode,) = fold(*fills, anchors=(change(5, "0", "spin_off", cost="-40"),)).touched
    assert [lot.remaining_cost for lot in episode.lots] == [90, 270]
    assert episode.cost == 360


def test_a_changed_cost_says_which_lot_is_the_dearest() -> None:
    fills = (fill(1, "1", "10"), fill(2, "1", "9"), fill(7, "1", "7"), fill(9, "-1", "30"))
    paid_back = change(5, "0", "corporate_action", cost="-10")
    (episode,) = fold(*fills, anchors=(paid_back,), method="hifo").touched
    assert [one.cost for one in episode.disposals] == [7]


def test_a_changed_cost_of_what_nobody_holds_or_knows_changes_nothing() -> None:
    paid_back = change(5, "0", "corporate_action", cost="-40")
    assert fold(anchors=(paid_back,)).touched == []
    (episode,) = fold(anchors=(anchor(0, "5"), paid_back)).touched
    assert (episode.cost, episode.lots[0].cost) == (None, None)


def test_changes_that_move_cost_between_books_keep_their_order() -> None:
    """What left before something came had no part of its cost, wherever the words would have both."""
    left = change(2 * HOUR, "-10", "merger", carried=True)._replace(key="left")
    came = change(3 * HOUR, "4", "merger")._replace(key="came")
    anchors = [anchor(0, "10"), anchor(HOUR, "14"), left, came, anchor(4 * HOUR, "4")]
    assert placed(anchors, []) == anchors
    assert came._replace(as_of=at(HOUR)) in placed([one for one in anchors if one != left], [])
