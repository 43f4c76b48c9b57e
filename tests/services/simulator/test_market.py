import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.simulator.book import Book
from services.simulator.executions import MANUAL_ORDER_IDS
from services.simulator.market import Market
from services.simulator.scenario import load_scenario, new_book

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


def market(seed: int, fewest: int = 42) -> tuple[Book, Market]:
    fresh = new_book(load_scenario("default"), NOW, tag=1)
    book = new_book(load_scenario("default"), NOW, tag=1)
    targets = {key: held.quantity for key, held in fresh.positions.items()}
    return book, Market(book, targets, fresh.marks, rng=random.Random(seed), fewest_positions=fewest)  # noqa: S311 - a market


def trade(book: Book, of: Market, count: int) -> set[str]:
    """Run ``count`` fills; say what kinds of changes there were."""
    kinds: set[str] = set()
    for second in range(count):
        of.move()
        intent = of.next_fill()
        before = book.position((intent.account, intent.conid)).quantity
        book.fill(
            intent.account,
            intent.conid,
            intent.side,
            intent.quantity,
            intent.price,
            NOW + timedelta(seconds=second),
            order=intent.order,
            filled=intent.filled,
            average_price=intent.average_price,
        )
        after = book.position((intent.account, intent.conid)).quantity
        kinds.add(kind(before, after))
    return kinds


def kind(before: Decimal, after: Decimal) -> str:
    if not before:
        return "open"
    if not after:
        return "close"
    if before * after < 0:
        return "flip"
    return "increase" if abs(after) > abs(before) else "reduce"


def test_over_a_long_run_quantities_stay_sane_and_everything_happens() -> None:
    book, of = market(seed=5)
    opening = book.positions
    kinds = trade(book, of, 6_000)
    assert kinds == {"open", "increase", "reduce", "close", "flip"}
    assert len(book.positions) >= 40
    for key, held in opening.items():
        assert (
            abs(book.position(key).quantity) <= 3 * abs(held.quantity) + 2 * book.instruments[key[1]].lot_size
        )
    for conid, mark in book.marks.items():
        start = next(table.mark for table in load_scenario("default").instruments if table.conid == conid)
        assert start / 2 < mark < start * 2
        assert mark % book.instruments[conid].min_tick == 0
    for key, held in book.positions.items():
        assert held.quantity % book.instruments[key[1]].lot_size == 0
        assert held.average_cost > 0


def test_orders_are_manual_or_other_clients_and_their_parts_add_up() -> None:
    book, of = market(seed=6)
    trade(book, of, 1_000)
    orders = {one.order.perm_id: one.order for one in book.executions.values()}
    assert {order.order_id for order in orders.values()} >= set(MANUAL_ORDER_IDS)
    assert {order.client_id for order in orders.values()} == {0, 7, 12}
    split = 0
    for perm_id, order in list(orders.items())[:-1]:
        parts = [one for one in book.executions.values() if one.order.perm_id == perm_id]
        assert sum((one.quantity for one in parts), Decimal(0)) == order.total == parts[-1].filled
        spent = sum((one.quantity * one.price for one in parts), Decimal(0))
        assert abs(parts[-1].average_price - spent / order.total) < Decimal("1e-9")
        split += len(parts) > 1
    assert split > 50


def test_the_same_seed_does_the_same_and_another_does_not() -> None:
    runs = []
    for seed in (1, 1, 2):
        book, of = market(seed)
        trade(book, of, 200)
        runs.append([(one.exec_id, one.conid, one.quantity, one.price) for one in book.executions.values()])
    assert runs[0] == runs[1] != runs[2]


def test_the_number_of_positions_does_not_fall_below_what_the_scenario_says() -> None:
    book, of = market(seed=8, fewest=46)
    for _ in range(1_000):
        trade(book, of, 1)
        assert len(book.positions) >= 46
