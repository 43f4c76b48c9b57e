"""A fill that comes late costs what was traded after it, and books what it would have booked in its turn."""

import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, get_args

import pytest
from sqlalchemy import text

from core.domain.lots import CostMethod
from core.events.facts import Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores import rewinding
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, commission, execution, position
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.services.position_sync.test_replay import begin, fold_all_from_scratch

METHODS = get_args(CostMethod)
Scratch = Callable[[], Awaitable[dict[str, list[tuple[str, ...]]]]]


@pytest.fixture
def taken_back(monkeypatch: pytest.MonkeyPatch) -> list[rewinding.Point]:
    """To where books were taken back, instead of being folded from the beginning of an episode."""
    points: list[rewinding.Point] = []
    original = rewinding.rewind

    async def rewind(connection: Any, back_to: Any) -> None:
        back_to = list(back_to)
        points.extend(back_to)
        await original(connection, back_to)

    monkeypatch.setattr(rewinding, "rewind", rewind)
    return points


@pytest.fixture
def from_scratch(database: Database, streams: RedisStreams, settings: Settings) -> Scratch:
    async def fold() -> dict[str, list[tuple[str, ...]]]:
        await fold_all_from_scratch(database, streams, settings)
        return await ledger_rows(database)

    return fold


def trades(chance: random.Random, number: int) -> list[list[Fact]]:
    """Fills of one book with their commissions, if they have one: mostly up, then mostly down, twice."""
    told: list[list[Fact]] = []
    for second in range(number):
        up = chance.random() < (0.75 if (second * 4 // number) % 2 == 0 else 0.3)
        size = chance.choice(("1", "2", "3.5", "4.25"))
        price = str(Decimal(chance.randrange(9000, 11000)) / 100)
        exec_id = f"e{second:04}.01"
        facts: list[Fact] = [execution(exec_id, size if up else f"-{size}", price, seconds=second)]
        if chance.random() < 0.8:
            facts.append(commission(exec_id, str(Decimal(chance.randrange(-50, 500)) / 100)))
        if chance.random() < 0.05:
            facts.append(execution(f"e{second:04}.02", size if up else f"-{size}", "99", seconds=second + 1))
        told.append(facts)
    return told


def delayed(told: list[list[Fact]], chance: random.Random) -> list[list[Fact]]:
    """The same, some of them by so much later; and some commissions, too."""
    order: list[tuple[float, list[Fact]]] = []
    for place, facts in enumerate(told):
        late = place + chance.choice((0, 0, 0, 3, 12)) + 0.5
        first, rest = facts[:1], facts[1:]
        if chance.random() < 0.3:
            order.append((late + chance.randrange(9), rest))
        else:
            first = facts
        order.append((late, first))
    order.sort(key=lambda one: one[0])
    return [facts for _, facts in order if facts]


async def hold_to_it(database: Database) -> None:
    """As a comparison would, were it run."""
    async with database.write() as connection:
        await connection.execute(
            text("UPDATE position_statements SET anchor = 'settled', anchored_at = as_of")
        )
        await connection.execute(
            text(
                "UPDATE ledger_books SET first_anchor_at = broker_as_of, last_anchor_at = broker_as_of, "
                "dirty = true"
            )
        )


@pytest.mark.parametrize("held", ["", "7", "-3"])
@pytest.mark.parametrize("method", METHODS)
async def test_fills_that_come_late_are_booked_as_from_scratch(
    method: str,
    held: str,
    relay: Relay,
    database: Database,
    from_scratch: Scratch,
    taken_back: list[rewinding.Point],
) -> None:
    chance = random.Random(f"{method} {held}")  # noqa: S311 - a repeatable script, not a secret
    await begin(database, method)
    link = Link()
    if held:
        await relay.handle([link.entry(position(held, "95.5", seconds=-100))])
        await hold_to_it(database)
    for facts in delayed(trades(chance, 80), chance):
        await relay.handle([link.entry(*facts)])
    told = await ledger_rows(database)
    assert await from_scratch() == told
    within = [point for point in taken_back if not point.is_flat]
    assert bool(within) is (method != "average")


async def test_what_stands_before_a_late_fill_is_not_written_again(
    relay: Relay, rows: Rows, from_scratch: Scratch, database: Database
) -> None:
    link = Link()
    facts = [
        *(execution(f"{n:02}.01", "5", seconds=n) for n in range(40)),
        *(execution(f"{n:02}.01", "-2", seconds=n) for n in range(40, 50)),
    ]
    await relay.handle([link.entry(*facts)])
    query = (
        "SELECT 'event', seq, xmin::text FROM position_events WHERE seq <= 45 UNION ALL "
        "SELECT 'disposal', seq, xmin::text FROM lot_disposals WHERE seq <= 5 UNION ALL "
        "SELECT 'lot', seq, xmin::text FROM lots WHERE seq <= 1 OR seq BETWEEN 6 AND 40 ORDER BY 1, 2"
    )
    before = await rows(query)
    assert len(before) > 80
    await relay.handle([link.entry(execution("late.01", "-1", seconds=45))])
    assert await rows(query) == before
    told = await ledger_rows(database)
    assert await from_scratch() == told


async def test_what_only_a_sale_of_a_part_made_an_estimate_is_none_when_all_of_it_was_sold_before(
    relay: Relay, database: Database, from_scratch: Scratch, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(position("7", "95.5", seconds=-100))])
    await hold_to_it(database)
    await relay.handle([link.entry(execution("part.01", "-3", seconds=10))])
    assert [one["provisional"] for one in await rows("SELECT provisional FROM lots")] == [True]
    await relay.handle([link.entry(execution("all.01", "-7", seconds=5))])
    told = await ledger_rows(database)
    assert await from_scratch() == told
    assert [
        one["provisional"] for one in await rows("SELECT provisional FROM lots WHERE exec_id IS NULL")
    ] == [False]
