"""What a file held: counted while it is read, told in the report of an import."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from services.statements.elements import KEPT_RAW_ELEMENTS, ROWS
from services.statements.shapes import Shape, shape_of

MOST_SHAPES: Final = 512
"""How many shapes are remembered: a query has some dozens, a file out of order could have one a row."""


class Census:
    """How many rows a file held, and what of them was not understood (all of which stays in the rows).

    ``statements_announced`` is how many statements the file says it has, ``None`` where it does not.
    ``month_first_assumed``: dates have slashes, and not one of them says whether day or month comes first.
    """

    def __init__(self) -> None:
        self.shapes: dict[tuple[str, tuple[str, ...]], Shape] = {}
        self.texts: Counter[str] = Counter()
        self.unreadable: Counter[tuple[str, str]] = Counter()
        self.statements_announced: int | None = None
        self.month_first_assumed = False
        self._forgotten_rows: Counter[str] = Counter()
        self._forgotten_unknown: Counter[tuple[str, str]] = Counter()

    def shape(self, element: str, names: tuple[str, ...]) -> Shape:
        """A shape that is not among ``shapes`` yet, put there."""
        if len(self.shapes) >= MOST_SHAPES:
            self._forgotten_rows, self._forgotten_unknown = self.rows - self.texts, self.unknown_attributes
            self.shapes.clear()
        shape = self.shapes[element, names] = shape_of(element, names)
        return shape

    @property
    def rows(self) -> Counter[str]:
        """Rows by element."""
        found = self.texts + self._forgotten_rows
        for shape in self.shapes.values():
            found[shape.element] += shape.count
        return found

    @property
    def unknown_elements(self) -> Counter[str]:
        """Rows of elements that Flex did not have when this was written."""
        return _only(self.rows, lambda element: element not in ROWS and element not in KEPT_RAW_ELEMENTS)

    @property
    def kept_raw(self) -> Counter[str]:
        """Rows of elements that are known, and kept as they came because the ledger has no use for them."""
        return _only(self.rows, lambda element: element not in ROWS and element in KEPT_RAW_ELEMENTS)

    @property
    def unknown_attributes(self) -> Counter[tuple[str, str]]:
        """How often elements that are known had attributes that are not, by element and attribute."""
        found = self._forgotten_unknown.copy()
        for shape in self.shapes.values():
            for name in shape.unknown:
                found[shape.element, name] += shape.count
        return found


def _only(rows: Counter[str], wanted: Callable[[str], bool]) -> Counter[str]:
    return Counter({element: count for element, count in rows.items() if wanted(element)})
