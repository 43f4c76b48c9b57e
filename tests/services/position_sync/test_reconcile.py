from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.reconcile import Compared, reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    Link,
    commission,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.ledger_rows import count

EVENTS = (
    "SELECT e.type, e.cause, e.quantity FROM position_events e JOIN positions p ON p.id = e.position_id "
    "ORDER BY p.ordinal, e.seq"
)
Compare = Callable[[], Awaitable[Compared]]


@pytest.fixture
def compare(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Compare:
    async def run() -> Compared:
        return await reconcile(database, streams, settings, ACCOUNT, "test", clock=clock)

    return run


async def bought(relay: Relay, link: Link) -> None:
    """Ten bought, and the broker says so."""
    await relay.handle(
        [link.entry(execution("a.01", "10", "9.9"), commission("a.01", "1"), position("10", "10", seconds=1))]
    )


async def test_a_book_that_agrees_is_anchored_so_that_a_later_difference_is_not_taken_for_an_opening_balance(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    assert await compare() == Compared(1, 0, False)
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    assert (await compare()).differences == 1
    events = await rows(EVENTS)
    assert [(row["type"], row["cause"], row["quantity"]) for row in events] == [
        ("opened", None, 10),
        ("adjusted", "unexplained", 2),
    ]
    (found,) = await rows("SELECT * FROM reconciliation_differences")
    assert (found["kind"], found["ours"], found["brokers"]) == ("quantity_mismatch", 10, 12)
    assert found["resolved_at"] is None
    (book,) = await rows("SELECT quantity, reconciled_at FROM ledger_books")
    assert (book["quantity"], book["reconciled_at"]) == (12, clock.now)


async def test_a_difference_vanishes_when_the_executions_that_explain_it_arrive(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("12", "11", seconds=100))])
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(execution("b.01", "2", "15.5", seconds=50), commission("b.01"))])
    clock.forward(1)
    assert (await compare()).differences == 0
    assert [row["type"] for row in await rows(EVENTS)] == ["opened", "increased"]
    (stored,) = await rows("SELECT average_cost, provisional FROM positions")
    assert (stored["average_cost"], stored["provisional"]) == (11, False)
    (found,) = await rows("SELECT resolved_at FROM reconciliation_differences")
    assert found["resolved_at"] == clock.now


async def test_nothing_counts_as_a_difference_before_things_have_been_quiet_for_a_while(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    assert (await compare()).unsettled
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(execution("b.01", "2", seconds=200), commission("b.01"))])
    assert (await compare()).unsettled
    clock.forward(1)
    compared = await compare()
    assert (compared.unsettled, compared.differences) == (False, 0), "the broker has not spoken since"
    assert [row["type"] for row in await rows(EVENTS)] == ["opened", "increased"]


async def test_an_opening_balance_that_proves_premature_is_taken_from_a_later_word_instead(
    relay: Relay, rows: Rows, clock: Hand, database: Database, compare: Compare
) -> None:
    # The answer was on its way while a fill of the same second was done.
    link = Link()
    await relay.handle([link.entry(position("5", sweep="s", seconds=0.5), positions_completed("s", 1))])
    await relay.handle([link.entry(execution("a.01", "2", "10"), commission("a.01", "0"))])
    await relay.handle([link.entry(position("7", seconds=1))])
    clock.forward(1)
    assert (await compare()).differences == 0
    events = await rows(EVENTS)
    assert [(row["cause"], row["quantity"]) for row in events] == [("opening_balance", 5), (None, 2)]
    assert await count(database, "reconciliation_differences") == 0
    assert await count(database, "position_statements", "anchor = 'settled'") == 1


async def test_the_same_difference_twice_is_one_row(
    relay: Relay, clock: Hand, database: Database, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    for quantity, second in (("12", 100), ("13", 200)):
        await relay.handle([link.entry(position(quantity, "11", seconds=second))])
        clock.forward(1)
        await compare()
    assert await count(database, "reconciliation_differences") == 1
    assert await count(database, "position_events", "cause = 'unexplained'") == 2


async def test_a_position_the_broker_no_longer_has_is_closed_with_what_it_realized_unknown(
    relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(position("0", None, seconds=100))])
    clock.forward(1)
    await compare()
    (stored,) = await rows("SELECT status, realized_pnl, cost_basis FROM positions")
    assert (stored["status"], stored["realized_pnl"], stored["cost_basis"]) == ("closed", None, Decimal(0))
    (found,) = await rows("SELECT kind FROM reconciliation_differences")
    assert found["kind"] == "missing_broker"


@pytest.mark.parametrize("already", [True, False])
async def test_a_commission_that_comes_after_an_adjustment_leaves_the_cost_the_broker_told(
    already: bool, relay: Relay, rows: Rows, clock: Hand, compare: Compare
) -> None:
    """Whether the commission came before or after: what the broker says all of it had cost has it in it."""
    link = Link()
    await bought(relay, link)
    clock.forward(1)
    await compare()
    late = commission("b.01", "3")
    told = [execution("b.01", "2", "15", seconds=50), position("14", "11", seconds=100)]
    await relay.handle([link.entry(*told, *([late] if already else []))])
    clock.forward(1)
    await compare()
    await relay.handle([link.entry(late)])
    (stored,) = await rows("SELECT quantity, cost_basis, average_cost, commission FROM positions")
    assert [str(stored[name].normalize()) for name in stored] == ["14", "154", "11", "4"]
