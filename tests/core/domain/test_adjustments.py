from decimal import Decimal
from typing import get_args

import pytest

from core.domain.lots import CostMethod
from tests.core.domain.making import anchor, at, fill, fold, told

METHODS: tuple[CostMethod, ...] = get_args(CostMethod)
FLAT = anchor(-10, "0")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("after", "sign"), [("30", 1), ("-30", -1), ("3", 1), ("-3", -1), ("7", 1)])
def test_a_split_restates_the_lots_and_keeps_their_cost(method: CostMethod, after: str, sign: int) -> None:
    lots = (fill(0, str(3 * sign), "100", "1"), fill(1, str(7 * sign), "130", "1"))
    split = anchor(5, after, cause="split")
    (episode,) = fold(*lots, anchors=(FLAT, split), method=method).touched
    assert (episode.quantity, episode.cost) == (Decimal(after), sign * 1210 + 2)
    assert (
        sum(lot.remaining for lot in episode.lots)
        == sum(lot.quantity for lot in episode.lots)
        == Decimal(after)
    )
    assert [lot.remaining_cost for lot in episode.lots] == [300 * sign, 910 * sign]
    assert told(episode)[-1] == ("adjusted", Decimal(after) - 10 * sign, None)
    assert episode.events[-1].cause == "split"
    assert not episode.provisional
    assert episode.disposals == []
    out = fill(9, str(-Decimal(after)), "50", "3")
    (episode,) = fold(*lots, out, anchors=(FLAT, split), method=method).touched
    assert episode.realized == Decimal(after) * 50 - sign * 1210 - 5
    assert (episode.cost, episode.quantity, episode.closed_at) == (0, 0, at(9))


def test_the_last_of_a_split_lot_takes_what_its_rounded_unit_cost_left() -> None:
    fills = (fill(0, "1", "100"), fill(9, "-1", "50"), fill(10, "-2", "50"))
    (episode,) = fold(*fills, anchors=(FLAT, anchor(5, "3", cause="split"))).touched
    assert [one.cost for one in episode.disposals] == [Decimal("33.3333333333"), Decimal("66.6666666667")]
    assert episode.lots[0].quantity == 3
    assert episode.max_quantity == 3


def test_after_a_split_what_is_dearest_is_told_by_the_restated_costs() -> None:
    fills = (fill(0, "1", "300"), fill(9, "3", "120"), fill(10, "-3", "130"))
    (episode,) = fold(*fills, anchors=(FLAT, anchor(5, "3", cause="split")), method="hifo").touched
    assert [(one.lot_seq, one.cost) for one in episode.disposals] == [(2, 360)]


def test_a_split_after_a_partial_sale_leaves_the_disposal_as_it_was() -> None:
    fills = (fill(0, "10", "100"), fill(1, "-4", "110"))
    (episode,) = fold(*fills, anchors=(FLAT, anchor(5, "12", cause="split"))).touched
    assert [one.quantity for one in episode.disposals] == [4]
    assert (episode.lots[0].quantity, episode.lots[0].remaining, episode.lots[0].unit_cost) == (16, 12, 50)


@pytest.mark.parametrize(("held", "left"), [("10", "0"), ("-10", "0"), ("-10", "5")])
def test_what_is_called_a_split_but_leaves_nothing_of_a_side_closes_it(held: str, left: str) -> None:
    ledger = fold(fill(0, held, "100"), anchors=(FLAT, anchor(5, left, cause="split")))
    ended = ledger.touched[0]
    assert told(ended)[-1] == ("adjusted", -Decimal(held), None)
    assert {one.cause for episode in ledger.touched for one in episode.events[-1:]} == {"unexplained"}
    assert ended.closed_at == at(5)
    assert ledger.quantity == Decimal(left)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("side", "realized"), [("2", "-301"), ("-2", "299")])
def test_what_expires_worthless_realizes_its_whole_cost(method: CostMethod, side: str, realized: str) -> None:
    expiry = anchor(5, "0", price="0", cause="expiry")
    (episode,) = fold(
        fill(0, side, "1.5", "1"), point_value="100", anchors=(FLAT, expiry), method=method
    ).touched
    assert told(episode)[-1] == ("adjusted", -Decimal(side), Decimal(realized))
    assert episode.realized == Decimal(realized)
    assert not episode.provisional
    assert not episode.disposals[0].provisional


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("price", [None, "0", "7"])
def test_what_is_exercised_or_transferred_takes_its_cost_along_and_realizes_nothing(
    method: CostMethod, price: str | None
) -> None:
    away = anchor(5, "1", price=price, cause="exercise_or_assignment", carried=True)
    (episode,) = fold(
        fill(0, "2", "1.5", "1"),
        fill(1, "1", "1.5", "1"),
        point_value="100",
        anchors=(FLAT, away),
        method=method,
    ).touched
    assert {one.realized_pnl for one in episode.disposals} == {0}
    assert sum(one.cost or 0 for one in episode.disposals) == 300
    assert (episode.realized, episode.quantity) == (0, 1)
    assert episode.cost is not None
    assert episode.cost + sum(one.proceeds or 0 for one in episode.disposals) == 452
    assert not episode.provisional


def test_carrying_an_unknown_cost_along_realizes_nothing_all_the_same() -> None:
    away = anchor(5, "0", cause="transfer", carried=True)
    (episode,) = fold(anchors=(anchor(0, "5"), away)).touched
    (disposal,) = episode.disposals
    assert (disposal.cost, disposal.proceeds, disposal.realized_pnl) == (None, None, 0)
    assert episode.realized == 0


def test_what_is_transferred_in_has_the_cost_that_the_broker_gives_it() -> None:
    in_ = anchor(5, "15", "12", cause="transfer")
    (episode,) = fold(fill(0, "10", "10"), anchors=(FLAT, in_)).touched
    # 15 × 12 − 10 × 10
    assert [(lot.quantity, lot.unit_cost, lot.provisional) for lot in episode.lots] == [
        (10, 10, False),
        (5, 16, False),
    ]
    assert not episode.provisional


def test_where_what_was_held_has_no_known_cost_the_average_of_all_is_no_certain_cost_of_a_part() -> None:
    (episode,) = fold(anchors=(anchor(0, "5"), anchor(5, "15", "12", cause="transfer"))).touched
    assert [(lot.unit_cost, lot.provisional) for lot in episode.lots] == [(None, True), (12, True)]
    assert episode.average_cost is None


@pytest.mark.parametrize(("price", "realized"), [(None, None), ("12", "20")])
def test_missed_executions_are_unknown_unless_their_price_is_given_and_then_concluded(
    price: str | None, realized: str | None
) -> None:
    gone = anchor(5, "0", price=price, cause="missed_executions")
    (episode,) = fold(fill(0, "10", "10"), anchors=(FLAT, gone)).touched
    assert episode.realized == (None if realized is None else Decimal(realized))
    assert episode.provisional
    assert episode.disposals[0].provisional


def test_a_corrected_fill_is_told_after_the_event_that_counts() -> None:
    corrected = fill(0, "10", "10", "1", replaced=(("12", "10"), ("11", "10.5")))
    (episode,) = fold(corrected, fill(1, "-10", "11")).touched
    assert [
        (one.type, one.quantity, one.replaced_quantity, one.price, one.exec_id) for one in episode.events
    ] == [
        ("opened", 10, None, 10, "e0000.03"),
        ("corrected", 0, 12, 10, "e0000.01"),
        ("corrected", 0, 11, Decimal("10.5"), "e0000.02"),
        ("closed", -10, None, 11, "e0001.01"),
    ]
    assert [event.seq for event in episode.events] == [1, 2, 3, 4]
    assert episode.realized == 9


def test_a_cancelled_trade_counts_for_nothing_and_its_left_over_fee_for_what_was_open() -> None:
    bust = fill(1, "0", "10", "0.3", replaced=(("5", "10"),))
    ledger = fold(fill(0, "10", "10"), bust, fill(2, "-10", "11"))
    (episode,) = ledger.touched
    assert told(episode) == [
        ("opened", 10, None),
        ("corrected", 0, Decimal("-0.3")),
        ("closed", -10, 10),
    ]
    assert (episode.realized, episode.commission) == (Decimal("9.7"), Decimal("0.3"))
    assert ledger.booked["e0001.02"].realized_pnl == Decimal("-0.3")


def test_a_cancellation_whose_trade_was_never_seen_still_tells_of_its_fee() -> None:
    bust = fill(1, "0", "10", "0.3")
    (episode,) = fold(fill(0, "10", "10"), bust).touched
    told_of = episode.events[-1]
    assert (told_of.type, told_of.exec_id, told_of.replaced_quantity) == ("corrected", bust.exec_id, 0)
    assert (told_of.realized_pnl, told_of.commission) == (Decimal("-0.3"), Decimal("0.3"))


def test_while_the_commission_of_a_cancellation_is_awaited_the_position_is_provisional() -> None:
    bust = fill(1, "0", "10", "0.3", replaced=(("5", "10"),))._replace(complete=False)
    (episode,) = fold(fill(0, "10", "10"), bust).touched
    assert episode.provisional


def test_a_cancelled_opening_leaves_no_position() -> None:
    ledger = fold(fill(0, "0", "10", "0", replaced=(("5", "10"),)))
    assert (ledger.touched, ledger.booked, ledger.quantity) == ([], {}, 0)


def test_a_split_makes_no_lot_vanish_however_little_it_leaves_of_it() -> None:
    lots = (fill(0, "0.0001", "10"), fill(1, "10000", "10"))
    (episode,) = fold(*lots, anchors=(FLAT, anchor(5, "0.001", cause="split"))).touched
    small, large = episode.lots
    assert 0 < small.remaining < Decimal("1E-10")
    assert small.remaining + large.remaining == episode.quantity == Decimal("0.001")
    assert (small.remaining_cost, large.remaining_cost) == (Decimal("0.001"), 100_000)


@pytest.mark.parametrize(
    ("method", "estimated"), [("fifo", True), ("lifo", True), ("hifo", True), ("average", False)]
)
def test_what_a_part_of_an_opening_balance_cost_is_an_estimate(method: CostMethod, estimated: bool) -> None:
    fills = [fill(10, "-4", "12"), fill(20, "-6", "13")]
    (episode,) = fold(*fills, anchors=(anchor(0, "10", "11"),), method=method).touched
    assert [one.provisional for one in episode.disposals] == [estimated, estimated]
    assert episode.lots[0].provisional is estimated
    assert episode.realized == 4 * (12 - 11) + 6 * (13 - 11)
    assert not episode.provisional


def test_all_of_an_opening_balance_at_once_is_certain() -> None:
    (episode,) = fold(fill(10, "-10", "12"), anchors=(anchor(0, "10", "11"),)).touched
    assert [one.provisional for one in episode.disposals] == [False]
