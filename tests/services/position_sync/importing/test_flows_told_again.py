"""Money that another statement tells of in other words, or with other columns, is the same money."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import count, permutations
from typing import Any

import pytest

from core.domain.stated import StatedCashFlow
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.attribution.ends import Moment
from models.queries.attribution.moved import moved_between
from models.queries.cash import flows_page
from models.session import Database
from services.position_sync.importing.report import Report, Tally
from services.position_sync.importing.run import undo_import
from tests.services.position_sync.conftest import Hand
from tests.services.position_sync.facts import ACCOUNT, at
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import period

HOUR = 3600.0
Told = Callable[[], Awaitable[list[tuple[str, Decimal]]]]

_lines = count(1)


def flow(amount: str, number: str = "", *, hours: float = 0, **more: Any) -> StatedCashFlow:
    """On the broker's day that began nine and a half hours before the start."""
    told = {"kind": "dividend", "currency": "USD", "conid": 7, "description": "ACME 0.24 a share"} | more
    return StatedCashFlow(
        line=next(_lines),
        section="CashTransaction",
        account=ACCOUNT,
        at=at(hours * HOUR),
        amount=Decimal(amount),
        transaction_id=number,
        **told,
    )


@pytest.fixture
def told(database: Database) -> Told:
    """The flows that count: number and amount, the oldest first."""

    async def run() -> list[tuple[str, Decimal]]:
        async with database.read() as reader:
            page = await flows_page(reader, limit=100)
        return sorted((one.transaction_id, one.amount) for one in page)

    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (flow("7"), flow("7", "1")),
        (flow("7", "1"), flow("7")),
        (flow("7", "1"), flow("7", "2")),
        (flow("7", "1"), flow("7", "1", hours=3, conid=None, description="")),
        (flow("7"), flow("7", hours=3)),
        (flow("7", conid=None), flow("7", "1", hours=-9.5)),
        (flow("7", description=""), flow("7", conid=None, symbol="ACME")),
        (flow("7", "1"), flow("8", "1")),
        (flow("7", "1"), flow("8", "1", hours=30, description="corrected")),
    ],
    ids=[
        *("number only now", "number only before", "another number", "less said", "a time", "more said"),
        *("other columns", "another amount", "everything else"),
    ],
)
@pytest.mark.parametrize("order", ["in order", "later first"])
async def test_it_counts_once_as_the_later_statement_tells_it(
    before: StatedCashFlow, after: StatedCashFlow, order: str, bring: Import, told: Told
) -> None:
    files = [(period(1), before), (period(2), after)]
    for number, said in enumerate(files if order == "in order" else reversed(files)):
        await bring(*said, name=f"{number}.xml")
    assert await told() == [(after.transaction_id, after.amount)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (flow("7", "1"), flow("8", "2")),
        (flow("7"), flow("8")),
        (flow("7"), flow("7", hours=15)),
        (flow("7"), flow("7", currency="EUR")),
        (flow("7", "1"), flow("7", "1", kind="withholding_tax")),
        (flow("7"), flow("7", conid=8)),
        (flow("7", "1"), flow("7", "2", description="")),
        (flow("7"), flow("7", description="OTHER 0.12 a share")),
    ],
    ids=[
        *("number and amount", "amount", "the next day", "currency", "kind", "instrument"),
        *("number and words", "words"),
    ],
)
async def test_what_differs_in_what_tells_flows_apart_is_another(
    before: StatedCashFlow, after: StatedCashFlow, bring: Import, told: Told
) -> None:
    await bring(period(1), before, name="a.xml")
    await bring(period(2), after, name="b.xml")
    assert len(await told()) == 2


@pytest.mark.parametrize("numbers", [("1", "2"), ("", "")])
async def test_twins_are_two_with_numbers_and_without(
    numbers: tuple[str, str], bring: Import, told: Told
) -> None:
    await bring(period(1), *(flow("5", number) for number in ("1", "2")), name="a.xml")
    report = await bring(period(2), *(flow("5", number) for number in numbers), name="b.xml")
    assert report.sections["cash"] == Tally(matched=2)
    assert [amount for _, amount in await told()] == [5, 5]


async def test_two_rows_with_one_number_that_say_the_same_are_one(bring: Import, told: Told) -> None:
    report = await bring(flow("5", "1"), flow("5", "1"))
    assert report.sections["cash"] == Tally(new=1, ignored={"repeated": 1})
    assert await told() == [("1", 5)]


@pytest.mark.parametrize(
    "legs",
    [
        [flow("100", "1", kind="conversion"), flow("-90", "1", kind="conversion", currency="EUR")],
        [flow("100", "1", kind="other"), flow("-100", "1", kind="other")],
    ],
    ids=["currencies", "directions"],
)
async def test_both_legs_under_one_number_stay_and_each_is_corrected_by_its_own(
    legs: list[StatedCashFlow], bring: Import, told: Told
) -> None:
    await bring(period(1), *legs, name="a.xml")
    assert [amount for _, amount in await told()] == sorted(leg.amount for leg in legs)
    corrected = [
        flow(str(leg.amount * 2), "1", kind=leg.kind, currency=leg.currency) for leg in reversed(legs)
    ]
    report = await bring(period(2), *corrected, name="b.xml")
    assert report.sections["cash"] == Tally(corrected=2)
    assert [amount for _, amount in await told()] == sorted(leg.amount * 2 for leg in legs)


# That the one without a number is the corrected one only the first can tell.
@pytest.mark.parametrize("order", [one for one in permutations(range(3)) if one[-1] != 0], ids=str)
async def test_three_tellings_of_two_flows_are_two_in_whatever_order_they_come(
    order: tuple[int, ...], bring: Import, told: Told
) -> None:
    files = [
        (period(1), flow("3", "1"), flow("7", "2")),
        (period(2), flow("3"), flow("7")),
        (period(3), flow("3", "1"), flow("8", "2")),
    ]
    for number in order:
        await bring(*files[number], name=f"{number}.xml")
    assert await told() == [("1", 3), ("2", 8)]


async def test_the_earlier_telling_counts_again_once_the_later_is_taken_back(
    bring: Import, told: Told, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    async def undo(report: Report) -> None:
        assert report.import_id is not None
        await undo_import(database, streams, settings, report.import_id, clock=clock)

    first = await bring(period(1), flow("7", "1"), name="a.xml")
    second = await bring(period(2), flow("8", "1"), name="b.xml")
    await undo(second)
    assert await told() == [("1", 7)]
    second = await bring(period(2), flow("8", "1"), name="b.xml")
    await undo(first)
    assert await told() == [("1", 8)]
    await bring(period(1), flow("7", "1"), name="a.xml")
    assert await told() == [("1", 8)]


async def test_a_gain_counts_money_when_the_later_statement_says_that_it_came(
    bring: Import, database: Database
) -> None:
    """However far that is from what the earlier one says."""
    await bring(period(1), flow("7", "1"), name="a.xml")
    await bring(period(2), flow("7", "1", hours=24 * 20), name="b.xml")

    async def came(first: float, last: float) -> list[Decimal]:
        ends = [
            Moment("snapshot", at(day * 24 * HOUR), Decimal(1), "USD", hour=None) for day in (first, last)
        ]
        async with database.read() as reader:
            moved = await moved_between(reader, [ACCOUNT], "USD", *ends)
        return [one.amount for one in moved.flows]

    assert await came(-1, 2) == []
    assert await came(19, 21) == [7]
    assert await came(-1, 21) == [7]
