from decimal import Decimal

import pytest

from core.domain.anchors import Anchor
from tests.core.domain.making import anchor, at, fill, fold, told


def test_average_cost_has_the_multiplier_and_the_commission_in_it_as_ibkrs_has() -> None:
    ledger = fold(fill(0, "1", "1477.3", "2.37"), point_value="100")
    assert ledger.episode is not None
    assert ledger.episode.average_cost == Decimal("147732.37")


def test_a_fill_through_zero_ends_one_episode_and_begins_the_next_with_the_commission_split_pro_rata() -> (
    None
):
    ledger = fold(fill(0, "1", "1477.3", "2.37"), fill(1, "-2", "1477.0", "4.74"), point_value="100")
    ended, begun = ledger.touched
    assert told(ended) == [("opened", 1, None), ("flipped", -1, Decimal("-34.74"))]
    assert told(begun) == [("opened", -1, None)]
    assert [event.commission for event in (ended.events[1], begun.events[0])] == [Decimal("2.37")] * 2
    assert ended.closed_at == begun.opened_at == at(1)
    assert (ended.quantity, begun.quantity, begun.ordinal) == (0, -1, 2)
    assert ledger.booked["e0001.01"].episode is ended
    assert ended.realized == Decimal("-34.74")


def test_a_shorts_cost_is_its_net_proceeds() -> None:
    ledger = fold(fill(0, "-10", "50", "1"))
    assert ledger.episode is not None
    assert ledger.episode.cost == -499
    assert ledger.episode.average_cost == Decimal("49.9")
    ledger = fold(fill(0, "-10", "50", "1"), fill(1, "10", "45", "1"))
    (episode,) = ledger.touched
    assert episode.realized == 48
    assert (episode.closed_at, ledger.quantity) == (at(1), 0)


def test_the_oldest_lot_is_consumed_first_and_takes_its_commission_with_it() -> None:
    ledger = fold(fill(0, "10", "1", "1"), fill(1, "10", "2", "1"), fill(2, "-15", "3", "3"))
    (episode,) = ledger.touched
    # 10 × (3 − 1) + 5 × (3 − 2) − 1 − 0.5 − 3
    assert told(episode)[-1] == ("reduced", -15, Decimal("20.5"))
    assert [(lot.remaining, lot.remaining_commission) for lot in episode.lots] == [
        (0, 0),
        (5, Decimal("0.5")),
    ]
    assert episode.average_cost == Decimal("2.1")


def test_each_disposal_has_its_part_of_both_commissions_and_the_last_takes_what_remains() -> None:
    ledger = fold(fill(0, "1", "10", "0.5"), fill(1, "3", "11", "0.9"), fill(2, "-3", "12", "1"))
    (episode,) = ledger.touched
    first, second = episode.disposals
    assert (first.lot_seq, first.quantity, first.cost, first.proceeds) == (1, 1, 10, 12)
    assert (second.lot_seq, second.quantity, second.cost, second.proceeds) == (2, 2, 22, 24)
    assert [one.open_commission for one in episode.disposals] == [Decimal("0.5"), Decimal("0.6")]
    assert [one.close_commission for one in episode.disposals] == [
        Decimal("0.3333333333"),
        Decimal("0.6666666667"),
    ]
    assert (first.opened_at, first.closed_at, first.open_price, first.close_price) == (at(0), at(2), 10, 12)
    assert sum(one.realized_pnl or 0 for one in episode.disposals) == episode.realized == Decimal("1.9")
    assert not first.provisional


@pytest.mark.parametrize(
    ("opening", "closing", "provisional"), [("1", "1", False), (None, "1", True), ("1", None, True)]
)
def test_a_disposal_is_provisional_while_a_commission_of_either_end_is_awaited(
    opening: str | None, closing: str | None, provisional: bool
) -> None:
    (episode,) = fold(fill(0, "1", "10", opening), fill(1, "-1", "12", closing)).touched
    assert [one.provisional for one in episode.disposals] == [provisional]


def test_parts_of_a_commission_that_does_not_divide_still_add_up() -> None:
    sales = [fill(seconds, "-1", "1") for seconds in (1, 2, 3)]
    ledger = fold(fill(0, "3", "1", "1"), *sales)
    (episode,) = ledger.touched
    realized = [event.realized_pnl for event in episode.events[1:]]
    assert sum(amount for amount in realized if amount is not None) == -1 == episode.realized
    assert realized == [Decimal("-0.3333333333"), Decimal("-0.3333333334"), Decimal("-0.3333333333")]


def test_prices_in_minor_units_are_divided_by_the_magnifier() -> None:
    ledger = fold(fill(0, "100", "250", "1"), fill(1, "-100", "260", "1"), point_value="0.01")
    assert ledger.touched[0].realized == 8


def test_fractions_of_a_share_add_up_exactly() -> None:
    ledger = fold(fill(0, "0.1", "3"), fill(1, "0.2", "3"), fill(2, "-0.3", "4"))
    assert ledger.quantity == 0
    assert ledger.touched[0].realized == Decimal("0.3")


def test_a_fill_without_a_commission_leaves_its_position_provisional() -> None:
    ledger = fold(fill(0, "1", "10", None))
    assert ledger.touched[0].provisional
    assert ledger.touched[0].events[0].commission is None


def test_a_flip_without_a_commission_leaves_both_positions_provisional() -> None:
    ended, begun = fold(fill(0, "1", "10"), fill(1, "-3", "10", None)).touched
    assert ended.provisional
    assert begun.provisional


def test_what_was_held_before_the_first_fill_enters_as_an_opening_balance_at_the_brokers_cost() -> None:
    ledger = fold(anchors=(anchor(0, "10", "12.5"),))
    (episode,) = ledger.touched
    assert [(event.type, event.cause, event.quantity) for event in episode.events] == [
        ("adjusted", "opening_balance", 10)
    ]
    assert episode.average_cost == Decimal("12.5")
    assert not episode.provisional


def test_the_opening_balance_precedes_the_fills_and_its_cost_is_what_they_leave_of_the_brokers() -> None:
    ledger = fold(fill(0, "5", "20", "1"), anchors=(anchor(10, "10", "15.1"),))
    (episode,) = ledger.touched
    assert [event.type for event in episode.events] == ["adjusted", "increased"]
    assert episode.events[0].quantity == 5
    assert episode.opened_at == at(0)
    # 10 × 15.1 − (5 × 20 + 1) = 50
    assert episode.lots[0].unit_cost == 10
    assert episode.average_cost == Decimal("15.1")
    assert not episode.provisional


def test_an_opening_balance_that_was_sold_from_before_we_looked_has_an_estimated_cost() -> None:
    ledger = fold(fill(0, "-5", "20"), anchors=(anchor(10, "10", "15"),))
    (episode,) = ledger.touched
    assert episode.events[0].quantity == 15
    assert episode.provisional
    assert episode.realized == 25


def test_what_was_sold_off_before_we_looked_realized_nobody_knows_what() -> None:
    ledger = fold(fill(0, "-5", "20"), anchors=(anchor(10, "0"),))
    (episode,) = ledger.touched
    assert [event.quantity for event in episode.events] == [5, -5]
    assert episode.closed_at == at(0)
    assert episode.realized is None
    assert episode.cost is None
    assert episode.provisional


def test_a_later_difference_is_an_unexplained_adjustment_and_vanishes_once_it_is_explained() -> None:
    anchors = (anchor(0, "0"), anchor(10, "12", "11"))
    ledger = fold(fill(1, "10", "10"), anchors=anchors)
    (episode,) = ledger.touched
    assert [(event.type, event.cause, event.quantity) for event in episode.events] == [
        ("opened", None, 10),
        ("adjusted", "unexplained", 2),
    ]
    assert episode.average_cost == 11
    assert episode.provisional
    explained = fold(fill(1, "10", "10"), fill(5, "2", "16"), anchors=anchors)
    assert [event.type for event in explained.touched[0].events] == ["opened", "increased"]
    assert not explained.touched[0].provisional


def test_an_adjustment_can_close_a_position_and_then_what_it_realized_is_unknown() -> None:
    ledger = fold(fill(1, "10", "10"), anchors=(anchor(0, "0"), anchor(10, "0")))
    (episode,) = ledger.touched
    assert episode.closed_at == at(10)
    assert episode.realized is None
    assert (episode.quantity, episode.cost) == (0, 0)
    (disposal,) = episode.disposals
    assert (disposal.exec_id, disposal.proceeds, disposal.realized_pnl) == (None, None, None)
    assert (disposal.cost, disposal.provisional) == (100, True)


@pytest.mark.parametrize("cost", ["7", None])
def test_an_adjustment_can_turn_a_position_round(cost: str | None) -> None:
    ledger = fold(fill(1, "10", "10"), anchors=(anchor(0, "0"), anchor(10, "-3", cost)))
    ended, begun = ledger.touched
    assert [event.quantity for event in ended.events] == [10, -10]
    assert [event.quantity for event in begun.events] == [-3]
    assert begun.average_cost == (None if cost is None else 7)
    assert begun.id != ended.id


def test_ids_are_named_by_what_opened_the_position_so_that_a_replay_gives_the_same() -> None:
    fills = (fill(0, "1", "1"), fill(1, "-1", "1"), fill(2, "1", "1"))
    first, again = ([episode.id for episode in fold(*fills).touched] for _ in range(2))
    assert first == again
    assert len(set(first)) == 2


def test_two_words_of_one_moment_that_each_begin_an_episode_begin_two() -> None:
    ledger = fold(anchors=(anchor(0, "0"), anchor(1, "5"), anchor(1, "-5"), anchor(1, "5")))
    assert [episode.events[-1].position_after for episode in ledger.touched] == [0, 0, 5]
    assert len({episode.id for episode in ledger.touched}) == 3


def test_an_opening_balance_stands_before_a_trade_that_was_cancelled_too() -> None:
    bust = fill(0, "0", "10", "0.5", replaced=(("3", "10"),))
    (episode,) = fold(bust, fill(5, "2", "10"), anchors=(anchor(9, "5", "10"),)).touched
    assert episode.opened_at == at(0)
    assert told(episode) == [
        ("adjusted", 3, None),
        ("corrected", 0, Decimal("-0.5")),
        ("increased", 2, None),
    ]
    # 5 × 10 − 2 × 10: what the cancelled one cost is no cost of what is held
    assert (episode.lots[0].unit_cost, episode.lots[0].provisional) == (10, False)


@pytest.mark.parametrize("first", [anchor(-1, "0"), None])
def test_what_the_average_of_all_leaves_is_provisional_while_a_commission_in_it_is_unknown(
    first: Anchor | None,
) -> None:
    word = anchor(9, "5", "10", cause="transfer")
    anchors = (word,) if first is None else (first, word)
    for commission, awaited in ((None, True), ("1", False)):
        (episode,) = fold(fill(0, "2", "10", commission), anchors=anchors).touched
        (adjusted,) = (lot for lot in episode.lots if lot.exec_id is None)
        assert adjusted.provisional is awaited
