"""What statements have lots go round in a circle ends, and is of unknown cost."""

import random
from itertools import pairwise, permutations
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.domain.instruments import Instrument
from core.domain.stated import StatedEvent
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.cost_methods import set_cost_method
from services.position_sync import handing
from services.position_sync.rebuild import rebuild
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from tests.services.position_sync.facts import ACCOUNT, ACME, Link, commission, execution
from tests.services.position_sync.importing.conftest import Import, LotsOf, Undo
from tests.services.position_sync.importing.legs import (
    BOUGHT,
    CHAIN,
    FIRST,
    LATER,
    NEWCO,
    OLD,
    gone,
    held,
    leg,
    sound,
)
from tests.services.position_sync.importing.statements import trade
from tests.services.position_sync.ledger_rows import ledger_rows

FOURTH = Instrument(conid=80, symbol="FOURTH", sec_type="STK", currency="USD", exchange="SMART")
THREE = (ACME, FIRST, NEWCO)


def around(*books: Instrument, **more: Any) -> list[tuple[StatedEvent, StatedEvent]]:
    """Each goes to the next at one moment, and the last to the first."""
    return [
        (
            gone(old, "-10", group=f"g{number}", line=2 * number + 1, **more),
            leg(new, "10", group=f"g{number}", line=2 * number + 2, **more),
        )
        for number, (old, new) in enumerate(pairwise([*books, books[0]]))
    ]


async def test_what_goes_to_and_fro_at_one_moment_hands_no_cost_round(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(
        *BOUGHT,
        gone(ACME, "-10", "tender"),
        leg(FIRST, "10", "tender"),
        gone(FIRST, "-10", "tender", group="back"),
        leg(ACME, "10", "tender", group="back"),
    )
    assert [lot[1:3] for lot in await lots_of(ACME)] == [(10, None)]
    assert await sound(database)


@pytest.mark.parametrize("books", [THREE, (*THREE, FOURTH)], ids=["three", "four"])
async def test_what_goes_round_at_one_moment_is_of_unknown_cost_and_told(
    books: tuple[Instrument, ...],
    bring: Import,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    lots_of: LotsOf,
) -> None:
    with capture_logs() as logs:
        report = await bring(*BOUGHT, *(one for pair in around(*books) for one in pair))
    assert report.circular == len(books)
    assert [line["event"] for line in logs].count("corporate_actions_in_a_circle") == 1
    first, *others = [[lot[1:3] for lot in await lots_of(one)] for one in books]
    assert (first, others) == ([(10, None)], [[]] * len(others))
    assert await sound(database)
    before = await ledger_rows(database)
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == before


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_circle_that_several_imports_close_ends_and_opens_again_without_one_of_them(
    order: tuple[int, ...], bring: Import, undo: Undo, database: Database, lots_of: LotsOf
) -> None:
    pairs = around(*THREE)
    await bring(*BOUGHT)
    reports = {number: await bring(*pairs[number], name=f"{number}.xml") for number in order}
    assert reports[order[-1]].circular == 3
    assert await sound(database)
    await undo(reports[2])
    assert await lots_of(NEWCO) == OLD
    assert await sound(database)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_goes_wherever_at_few_moments_it_ends_and_is_what_a_fold_from_scratch_gives(
    seed: int, bring: Import, undo: Undo, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable script, not a secret
    books = (*THREE, FOURTH)
    await bring(*(trade(f"{one.conid}.01", "10", instrument=one, seconds=one.conid % 90) for one in books))
    reports = []
    for number in range(6):
        legs: list[StatedEvent] = []
        for twin in "ab":
            old, new = chance.sample(books, 2)
            more: dict[str, Any] = {"seconds": LATER * chance.randint(1, 2), "group": f"{number}{twin}"}
            line = len(legs)
            legs += [gone(old, "-4", line=line, **more), leg(new, "4", line=line + 1, **more)]
        reports.append(await bring(*legs, name=f"{number}.xml"))
        assert await sound(database)
    assert any(report.circular for report in reports)
    await undo(reports[chance.randrange(6)])
    assert await sound(database)
    before = await ledger_rows(database)
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == before


async def test_facts_of_a_circle_that_come_live_are_folded_once(
    bring: Import, relay: Relay, database: Database, lots_of: LotsOf
) -> None:
    await bring(BOUGHT[0], *(one for pair in around(*THREE) for one in pair))
    link = Link()
    await relay.handle([link.entry(execution("b.01", "4", "20", seconds=20), commission("b.01", "2"))])
    assert [lot[1:3] for lot in await lots_of(ACME)] == [(10, None)]
    assert await sound(database)


async def test_what_leaves_for_itself_hands_on_nothing(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    report = await bring(*BOUGHT, gone(ACME, "-10"), leg(ACME, "10"))
    assert report.circular == 0
    assert [lot[1:3] for lot in await lots_of(ACME)] == [(10, None)]
    assert await sound(database)


async def test_what_comes_round_at_a_later_moment_keeps_its_cost(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    first, second, _ = around(*THREE)
    _, _, last = around(*THREE, seconds=LATER + 3600)
    report = await bring(*BOUGHT, *first, *second, *last)
    assert report.circular == 0
    assert await lots_of(ACME) == OLD
    assert await sound(database)


@pytest.mark.parametrize("method", ["lifo", "average"])
async def test_what_was_held_before_does_not_depend_on_what_came_back_of_it(
    method: Any,
    bring: Import,
    undo: Undo,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
) -> None:
    """Else it would be handed on with another cost each time it comes back."""
    # The other book hands something on before it is told that it goes on with lots.
    await bring(
        trade("n.01", "50", "3", "0", seconds=5, instrument=NEWCO, opens=True),
        gone(NEWCO, "-50", seconds=LATER + 3600, group="back"),
        leg(ACME, "50", seconds=LATER + 3600, group="back"),
        held(ACME, "100", "1000", seconds=LATER + 7200),
    )
    async with database.write() as connection:
        await set_cost_method(connection, ACCOUNT, method)
    await Sweep(database, streams, settings).run()
    second = await bring(gone(ACME, "-50", cost="-400"), leg(NEWCO, "50"), name="b.xml")
    assert await sound(database)
    before = await ledger_rows(database)
    await rebuild(database, streams, settings)
    await Sweep(database, streams, settings).run()
    assert await ledger_rows(database) == before
    await undo(second)
    assert await sound(database)


async def test_what_does_not_settle_is_given_up_and_told(
    bring: Import, lots_of: LotsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing, "MOST_ROUNDS", 1)
    with capture_logs() as logs:
        await bring(*BOUGHT, *CHAIN)
    assert "carried_lots_unsettled" in [line["event"] for line in logs]
    assert [lot[1] for lot in await lots_of(FIRST)] == [5]
