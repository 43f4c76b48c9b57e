from decimal import Decimal
from typing import get_args

import pytest

from core.domain.lots import CostMethod, Disposal
from tests.core.domain.making import anchor, fill, fold

METHODS: tuple[CostMethod, ...] = get_args(CostMethod)
LADDER = (
    fill(0, "10", "100", "1"),
    fill(1, "10", "130", "1"),
    fill(2, "10", "110", "1"),
)
SHORT_LADDER = tuple(one._replace(quantity=-one.quantity) for one in LADDER)
Row = tuple[int, str, str | None, str, str | None]


def rows(disposals: list[Disposal]) -> list[tuple[int, Decimal, Decimal | None, Decimal, Decimal | None]]:
    """Lot, quantity, cost, both commissions and what it realized, of each disposal."""
    return [
        (one.lot_seq, one.quantity, one.cost, one.open_commission + one.close_commission, one.realized_pnl)
        for one in disposals
    ]


def figures(*told: Row) -> list[tuple[int, Decimal, Decimal | None, Decimal, Decimal | None]]:
    def known(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return [
        (seq, Decimal(units), known(cost), Decimal(fee), known(pnl)) for seq, units, cost, fee, pnl in told
    ]


@pytest.mark.parametrize(
    ("method", "found", "left"),
    [
        # 15 are sold at 120 for a commission of 1.5; a bought unit brought 0.1 of its own.
        ("fifo", [(1, "10", "1000", "2", "198"), (2, "5", "650", "1", "-51")], "1751.5"),
        ("lifo", [(3, "10", "1100", "2", "98"), (2, "5", "650", "1", "-51")], "1651.5"),
        ("hifo", [(2, "10", "1300", "2", "-102"), (3, "5", "550", "1", "49")], "1551.5"),
        # 3400 ÷ 30 a unit; the oldest units count as sold first, but for their price.
        (
            "average",
            [
                (1, "10", "1133.3333333333", "2", "64.6666666667"),
                (2, "5", "566.6666666667", "1", "32.3333333333"),
            ],
            "1701.5",
        ),
    ],
)
def test_each_method_takes_its_own_lots(method: CostMethod, found: list[Row], left: str) -> None:
    (episode,) = fold(*LADDER, fill(3, "-15", "120", "1.5"), method=method).touched
    assert rows(episode.disposals) == figures(*found)
    assert episode.cost == Decimal(left)
    assert episode.open_commission == Decimal("1.5")
    assert episode.realized == sum(Decimal(pnl or 0) for *_, pnl in found)


@pytest.mark.parametrize(
    ("method", "found"),
    [
        # Bought back at 120: what was sold at 130 earned, what was sold at 100 lost.
        ("fifo", [(1, "-10", "-1000", "2", "-202"), (2, "-5", "-650", "1", "49")]),
        ("lifo", [(3, "-10", "-1100", "2", "-102"), (2, "-5", "-650", "1", "49")]),
        ("hifo", [(2, "-10", "-1300", "2", "98"), (3, "-5", "-550", "1", "-51")]),
        (
            "average",
            [
                (1, "-10", "-1133.3333333333", "2", "-68.6666666667"),
                (2, "-5", "-566.6666666667", "1", "-34.3333333333"),
            ],
        ),
    ],
)
def test_a_shorts_cost_is_its_proceeds_and_the_dearest_is_the_one_that_was_sold_highest(
    method: CostMethod, found: list[Row]
) -> None:
    (episode,) = fold(*SHORT_LADDER, fill(3, "15", "120", "1.5"), method=method).touched
    assert rows(episode.disposals) == figures(*found)


@pytest.mark.parametrize(
    ("method", "closing", "opening"), [("lifo", "16", "-12"), ("hifo", "18", "-14"), ("average", "17", "-13")]
)
def test_through_zero_every_lot_is_consumed_in_the_methods_order_and_the_rest_opens(
    method: CostMethod, closing: str, opening: str
) -> None:
    fills = (fill(0, "1", opening.lstrip("-")), fill(1, "1", closing), fill(2, "-5", "20", "5"))
    ended, begun = fold(*fills, method=method).touched
    order = [one.lot_seq for one in ended.disposals]
    assert order == ([1, 2] if method == "average" else [2, 1])
    assert [one.close_commission for one in ended.disposals] == [1, 1]
    assert (begun.quantity, begun.commission, begun.disposals) == (-3, 3, [])
    assert [lot.seq for lot in begun.lots] == [1]


def test_of_equally_dear_lots_the_oldest_goes_first_and_a_commission_has_no_say() -> None:
    fills = (fill(0, "1", "10", "0"), fill(1, "1", "10", "9"), fill(2, "1", "9", "9"))
    (episode,) = fold(*fills, fill(3, "-2", "20"), method="hifo").touched
    assert [one.lot_seq for one in episode.disposals] == [1, 2]


def test_a_lot_of_unknown_cost_goes_last_under_highest_cost_and_spoils_only_its_own_figure() -> None:
    held = anchor(-10, "1")
    fills = (fill(0, "1", "-3"), fill(1, "1", "5"), fill(2, "-2", "8"), fill(3, "-1", "8"))
    (episode,) = fold(*fills, anchors=(held,), method="hifo").touched
    assert [(one.lot_seq, one.realized_pnl) for one in episode.disposals] == [(3, 3), (2, 11), (1, None)]
    assert episode.realized is None


def test_under_average_cost_one_unknown_cost_leaves_every_figure_unknown() -> None:
    (episode,) = fold(
        fill(0, "1", "5"), fill(1, "-1", "8", "2"), anchors=(anchor(-10, "1"),), method="average"
    ).touched
    assert [(one.cost, one.proceeds, one.realized_pnl) for one in episode.disposals] == [(None, 8, None)]
    assert (episode.cost, episode.realized, episode.commission) == (None, None, 2)


@pytest.mark.parametrize("method", METHODS)
def test_a_rebate_adds_to_what_is_realized(method: CostMethod) -> None:
    fills = (fill(0, "2", "10", "-0.5"), fill(1, "2", "10", "-0.5"), fill(2, "-2", "11", "-0.25"))
    (episode,) = fold(*fills, method=method).touched
    assert episode.realized == Decimal("2.75")
    assert (episode.cost, episode.commission) == (Decimal("19.5"), Decimal("-1.25"))


@pytest.mark.parametrize(("method", "provisional"), [("fifo", False), ("lifo", True), ("average", True)])
def test_a_figure_is_provisional_where_a_lot_that_has_a_say_in_it_is(
    method: CostMethod, provisional: bool
) -> None:
    fills = (fill(0, "1", "10"), fill(1, "1", "10", None), fill(2, "-1", "11"))
    (episode,) = fold(*fills, method=method).touched
    assert [one.provisional for one in episode.disposals] == [provisional]


def test_the_average_takes_each_purchase_in_and_a_sale_leaves_it_as_it_is() -> None:
    fills = (fill(0, "10", "10"), fill(1, "10", "20"), fill(2, "-5", "30"), fill(3, "15", "25"))
    (episode,) = fold(*fills, method="average").touched
    assert episode.disposals[0].cost == 75
    assert episode.average_cost == 20
    (episode,) = fold(*fills, fill(4, "-30", "21"), method="average").touched
    assert [one.cost for one in episode.disposals[1:]] == [100, 200, 300]
    assert (episode.cost, episode.realized) == (0, 105)
