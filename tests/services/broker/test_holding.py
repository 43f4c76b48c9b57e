"""What is traded while an answer is told is told after it, and never kept for long."""

import asyncio

import pytest

from core.events.facts import CommissionReported, ExecutionReported
from services.broker import holding as module
from services.broker.holding import Holding
from tests.services.position_sync.facts import commission, execution


class Order:
    """What was told, in its order, by ids."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.holding = Holding(self._put)

    def _put(self, fact: ExecutionReported | CommissionReported) -> None:
        self.told.append(f"{type(fact).__name__[0]} {fact.exec_id}")

    def trade(self, exec_id: str, *, is_answer: bool = False) -> None:
        self.holding.tell(execution(exec_id, "1"), is_answer=is_answer)
        self.holding.tell_commission(commission(exec_id, "1"))


@pytest.fixture
def order() -> Order:
    return Order()


async def test_live_trades_wait_for_the_end_of_the_answer_with_their_commissions(order: Order) -> None:
    order.trade("early")
    order.holding.begin()
    order.trade("live")
    order.trade("past", is_answer=True)
    assert order.told == ["E early", "C early", "E past", "C past"]
    order.holding.end()
    assert order.told[4:] == ["E live", "C live"]
    order.trade("later")
    assert order.told[6:] == ["E later", "C later"]


async def test_nothing_is_kept_back_once_there_is_too_much_of_it(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FACTS", 3)
    order.holding.begin()
    for exec_id in ("a", "b", "c"):
        order.trade(exec_id)
    assert order.told == ["E a", "C a", "E b", "C b", "E c", "C c"]


async def test_nothing_is_kept_back_for_long(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 0.0)
    order.holding.begin()
    order.trade("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order.told == ["E a", "C a"]


async def test_an_answer_that_begins_anew_ends_the_one_before(order: Order) -> None:
    order.holding.begin()
    order.trade("a")
    order.holding.begin()
    order.trade("b")
    assert order.told == ["E a", "C a"]
    order.holding.end()
    assert order.told[2:] == ["E b", "C b"]


async def test_nothing_is_kept_back_where_there_is_no_time_for_it(order: Order) -> None:
    for seconds in (0.0, -3.0):
        order.holding.begin(seconds)
        order.trade("a")
    assert order.told == ["E a", "C a"] * 2
