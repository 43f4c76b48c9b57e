"""An event that another statement tells of in other words is the same event: the later statement counts."""

from datetime import timedelta
from decimal import Decimal
from itertools import count, permutations
from typing import Any

import pytest

from core.domain.stated import StatedEvent
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.run import undo_import
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, at
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period

HELD = "SELECT coalesce(sum(quantity), 0) AS held FROM positions WHERE status = 'open'"
HOUR = 3600.0

_lines = count(1)


def transfer(quantity: str, event_id: str = "", *, hours: float = 0, cause: Any = "transfer") -> StatedEvent:
    """On the broker's day that began nine and a half hours before the start."""
    return StatedEvent(
        line=next(_lines),
        section="Transfer",
        account=ACCOUNT,
        instrument=ACME,
        at=at(hours * HOUR),
        cause=cause,
        quantity=Decimal(quantity),
        cost=Decimal(quantity) * 10,
        event_id=event_id,
    )


async def held(rows: Rows) -> Decimal:
    [row] = await rows(HELD)
    return Decimal(row["held"])


@pytest.mark.parametrize(
    ("before", "after", "quantity"),
    [
        (transfer("7", hours=-9.5), transfer("7", hours=3), 7),
        (transfer("7", "1", hours=-9.5), transfer("7", "", hours=3), 7),
        (transfer("7", "1"), transfer("7", "2"), 7),
        (transfer("7", "1"), transfer("8", "1"), 8),
        (transfer("7", "1", hours=-9.5), transfer("8", "1", hours=3), 8),
    ],
    ids=["at a time", "without a number", "another number", "another quantity", "quantity and time"],
)
@pytest.mark.parametrize("order", ["in order", "later first"])
async def test_it_counts_once_as_the_later_statement_tells_it(
    before: StatedEvent, after: StatedEvent, quantity: int, order: str, bring: Import, rows: Rows
) -> None:
    files = [(period(1), before), (period(2), after)]
    for number, told in enumerate(files if order == "in order" else reversed(files)):
        await bring(*told, name=f"{number}.xml")
    assert await held(rows) == quantity
    [at_] = await rows("SELECT executed_at FROM position_events")
    assert at_["executed_at"] == after.at


@pytest.mark.parametrize(
    ("before", "after", "quantity"),
    [
        (transfer("7", "1"), transfer("8", "2"), 15),
        (transfer("7"), transfer("8"), 15),
        (transfer("7", "1"), transfer("7", "1", hours=15), 14),
        (transfer("7", "1"), transfer("8", "1", hours=15), 15),
        (transfer("7", "1"), transfer("7", "1", cause="merger"), 14),
    ],
    ids=["number and quantity", "quantity", "the next day", "the next day, more", "cause"],
)
async def test_what_differs_in_what_tells_events_apart_is_another(
    before: StatedEvent, after: StatedEvent, quantity: int, bring: Import, rows: Rows
) -> None:
    await bring(period(1), before, name="a.xml")
    await bring(period(2), after, name="b.xml")
    assert await held(rows) == quantity


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_three_tellings_of_two_lots_are_two_lots_in_whatever_order_they_come(
    order: tuple[int, ...], bring: Import, database: Database, rows: Rows
) -> None:
    files = [
        (period(1), transfer("3", "1"), transfer("7", "1")),
        (period(2), transfer("3", "1"), transfer("8", "1", hours=2)),
        (period(3), transfer("3", "1"), transfer("8", "1", hours=1)),
    ]
    for number in order:
        await bring(*files[number], name=f"{number}.xml")
    assert await held(rows) == 11
    assert (await validate_ledger(database)).differences == {}


async def test_two_alike_of_one_statement_are_two_and_stay_two(bring: Import, rows: Rows) -> None:
    for number in (1, 2):
        twins = [transfer("5", "1", hours=number), transfer("5", "2", hours=number + 1)]
        await bring(period(number), *twins, name=f"{number}.xml")
    assert await held(rows) == 10


async def test_the_earlier_telling_counts_again_once_the_later_is_taken_back(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, clock: Hand, rows: Rows
) -> None:
    await bring(period(1), transfer("7", "1"), name="a.xml")
    report = await bring(period(2), transfer("8", "1", hours=2), name="b.xml")
    assert report.sections["events"].corrected == 1
    assert report.import_id is not None
    clock.forward(timedelta(hours=1).total_seconds())
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert await held(rows) == 7
    await bring(period(2), transfer("8", "1", hours=2), name="b.xml")
    assert await held(rows) == 8
