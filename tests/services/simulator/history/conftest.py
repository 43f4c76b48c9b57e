from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from core.domain.stated import Statement
from services.simulator.book import ACCOUNT_ZONE, Book
from services.simulator.history.past import StatementFile, statements
from services.simulator.scenario import load_scenario, new_book
from services.simulator.simulator import ScenarioSource
from services.statements.flex import FlexFile

FIRST_DAY = date(2026, 11, 28)


def book_of(first_day: date, scenario: ScenarioSource = "default") -> Book:
    return new_book(load_scenario(scenario), datetime.combine(first_day, time(12), ACCOUNT_ZONE), 0)


class Past(NamedTuple):
    """The statements of a book, as they come and as they are read; oldest first."""

    book: Book
    first_day: date
    files: Sequence[StatementFile]
    records: Sequence[Statement]

    def rows(self, element: str) -> list[dict[str, str]]:
        """The attributes of every row of a kind, in the order of the files."""
        trees = (ET.fromstring(file.content) for file in self.files)  # noqa: S314 - our own
        return [dict(row.attrib) for tree in trees for row in tree.iter(element)]


Telling = Callable[..., Past]


def tell(seed: int = 0, first_day: date = FIRST_DAY, scenario: ScenarioSource = "default") -> Past:
    book = book_of(first_day, scenario)
    files = [*statements(book, first_day, seed=seed)][::-1]
    return Past(book, first_day, files, [one for file in files for one in FlexFile(file.content)])


SEEDS = (0, 1, 20, 333)


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed {seed}")
def past(request: pytest.FixtureRequest) -> Past:
    """A past of three accounts, four kinds of instruments and three currencies."""
    return tell(request.param)
