"""From an element's name and attributes to a row: worked out once for each shape, then applied to each row.

A Flex query writes every row of a section with the same attributes in the same order, so that which value
goes where needs to be looked up only once, not for each of a hundred thousand rows.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias, get_args, get_type_hints

from msgspec.structs import fields

from services.statements.attributes import KEPT_RAW, stem
from services.statements.elements import ROWS
from services.statements.rows import KINDS, Other, Row, Statement
from services.statements.values import NOTHING, Calendar, Memo, Numbers, read_codes, read_whole

Pick: TypeAlias = Callable[[Sequence[str]], tuple[str, ...]]


class Shape:
    """How the elements of one name with the same attributes become rows; ``count`` is of those that did.

    ``picks`` take the texts of each kind of field, in the order of ``KINDS``. ``read`` are the attributes
    that are read as something else than text; ``unknown`` those that Flex did not have when this was written.
    ``either`` are the places of attributes of which a field takes the first that says something.
    """

    __slots__ = ("count", "either", "element", "names", "picks", "read", "row_type", "unknown")

    def __init__(
        self,
        element: str,
        names: tuple[str, ...],
        row_type: type[Row],
        picks: tuple[Pick, ...] = (),
        read: tuple[str, ...] = (),
        unknown: tuple[str, ...] = (),
        either: tuple[tuple[int, ...], ...] = (),
    ) -> None:
        self.element = element
        self.names = names
        self.row_type = row_type
        self.picks = picks
        self.read = read
        self.unknown = unknown
        self.either = either
        self.count = 0


class Column(NamedTuple):
    """A field of a row type: its kind, as a place in ``KINDS``, and the attributes that can hold it."""

    kind: int
    names: tuple[str, ...]


@cache
def columns(row_type: type[Row]) -> tuple[Column, ...]:
    """The fields of a row type beyond those of every row, sorted by kind.

    The order within a kind is that of the class, which a keyword-only structure would not need; a positional
    one is built twice as fast.
    """
    hints = get_type_hints(row_type, include_extras=True)
    own = [field.name for field in fields(row_type) if field.name not in Row.__struct_fields__]
    found = []
    for name in own:
        kind, *names = get_args(hints[name])
        found.append(Column(KINDS.index(kind), tuple(names)))
    return tuple(found)


@cache
def _typed_attributes() -> frozenset[str]:
    """Every attribute that a field of some row is read from."""
    return frozenset(
        name for row_type in ROWS.values() for column in columns(row_type) for name in column.names
    )


def is_known(attribute: str) -> bool:
    """Whether Flex is known to have ``attribute`` in one of these rows, typed or not."""
    return any(name in _typed_attributes() or name in KEPT_RAW for name in (attribute, stem(attribute)))


def shape_of(element: str, names: tuple[str, ...]) -> Shape:
    """Work out how to read elements ``element`` with attributes ``names``.

    After the values of a row there stand one for what is absent, then one for each of ``either``.
    """
    row_type = ROWS.get(element)
    if row_type is None:
        return Shape(element, names, Other)
    places = {name: place for place, name in enumerate(names)}
    picked: list[list[int]] = [[] for _ in KINDS]
    read: list[str] = []
    either: list[tuple[int, ...]] = []
    for kind, alternatives in columns(row_type):
        present = [name for name in alternatives if name in places]
        if len(present) > 1:
            either.append(tuple(places[name] for name in present))
            picked[kind].append(len(names) + len(either))
        else:
            picked[kind].append(places[present[0]] if present else len(names))
        if KINDS[kind] is not str:
            read.extend(present)
    unknown = tuple(name for name in names if not is_known(name))
    return Shape(element, names, row_type, tuple(map(_pick, picked)), tuple(read), unknown, tuple(either))


def _pick(places: Sequence[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda _: ()
    (place,) = places
    return lambda values: (values[place],)


class RowBuilder:
    """Builds the rows of one file, whose dates are of one ``calendar``.

    ``unreadable`` collects texts that are not what they should be.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.unreadable: list[str] = []
        self._number = Numbers(self.unreadable).__getitem__
        self._whole = Memo(read_whole, self.unreadable).__getitem__
        self._date = Memo(calendar.read_date, self.unreadable).__getitem__
        self._moment = Memo(calendar.read_moment, self.unreadable).__getitem__
        self._codes = Memo[tuple[str, ...]](read_codes, self.unreadable, nothing=()).__getitem__

    def build(
        self,
        shape: Shape,
        line: int,
        statement: Statement | None,
        values: list[str],
    ) -> Row:
        """The row of one element; takes ``values`` over."""
        if shape.row_type is Other:
            return Other(shape.element, line, statement, shape.names, values)
        values.append("")  # what an attribute that is absent has
        for places in shape.either:
            said = (values[place] for place in places)
            values.append(next((text for text in said if text.strip() not in NOTHING), values[places[0]]))
        texts, numbers, wholes, dates, moments, codes = shape.picks
        return shape.row_type(
            shape.element,
            line,
            statement,
            shape.names,
            values,
            *texts(values),
            *map(self._number, numbers(values)),
            *map(self._whole, wholes(values)),
            *map(self._date, dates(values)),
            *map(self._moment, moments(values)),
            *map(self._codes, codes(values)),
        )
