"""Three years of statements that end where a book begins."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from services.simulator.book import Book
from services.simulator.history.account import past_of
from services.simulator.history.building import builds_of, pins_of
from services.simulator.history.days import business_day_before, business_days, years_until
from services.simulator.history.statement import StatementOf
from services.simulator.history.world import World
from services.simulator.history.year import Year

YEARS: Final = 3
_NUMBERS_AN_ACCOUNT = 100_000


class StatementFile(NamedTuple):
    """An Activity Flex statement of all accounts of a book for one year."""

    name: str
    content: bytes


def statements(book: Book, first_day: date, *, seed: int = 0, years: int = YEARS) -> Iterator[StatementFile]:
    """Statements of the ``years`` before ``first_day``, the newest first; the same for the same arguments.

    They end on the last business day before with just what is in ``book``: its holdings at what they cost,
    its cash, and what its accounts are worth.
    """
    last = business_day_before(first_day)
    spans = years_until(last, years)
    days = list(business_days(spans[0][0], last))
    world = World(book, days, random.Random(seed))  # noqa: S311 - a market, not a secret
    builds = builds_of(world)
    world.draw(pins_of(builds))
    places = [-1, *(bisect_right(days, end) - 1 for _, end in spans)]
    ends = [
        Year(first, end, places[number] + 1, places[number + 1]) for number, (first, end) in enumerate(spans)
    ]
    pasts = [past_of(world, account, builds, places[1:]) for account in book.accounts.values()]
    for year in reversed(ends):
        told = "".join(
            StatementOf(world, past, year, (number + 1) * _NUMBERS_AN_ACCOUNT).text()
            for number, past in enumerate(pasts)
        )
        yield StatementFile(
            f"activity-{year.last:%Y%m%d}.xml",
            (
                '<FlexQueryResponse queryName="demo" type="AF">\n'
                f'<FlexStatements count="{len(pasts)}">\n{told}</FlexStatements>\n</FlexQueryResponse>\n'
            ).encode(),
        )
