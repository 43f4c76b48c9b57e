"""From an element's name and attributes to a row: worked out once for each shape, then applied to each row.

A Flex query writes every row of a section with the same attributes in the same order, so that which value
goes where needs to be looked up only once, not for each of a hundred thousand rows.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias, get_args, get_type_hints

from msgspec.structs import fields

from services.statements.attributes import KEPT_RAW
from services.statements.rows import (
    KINDS,
    ConversionRate,
    CorporateAction,
    OpenPosition,
    OptionEvent,
    Other,
    Query,
    Row,
    Statement,
    Trade,
    Transfer,
)
from services.statements.values import Calendar, Memo, read_codes, read_number, read_whole

ROWS: Final[dict[str, type[Row]]] = {
    "FlexQueryResponse": Query,
    "FlexStatement": Statement,
    "Trade": Trade,
    "TradeConfirm": Trade,
    "TradeTransfer": Trade,
    "Order": Trade,
    "SymbolSummary": Trade,
    "AssetSummary": Trade,
    "Lot": Trade,
    "OpenPosition": OpenPosition,
    "OptionEAE": OptionEvent,
    "CorporateAction": CorporateAction,
    "Transfer": Transfer,
    "TransferLot": Transfer,
    "ConversionRate": ConversionRate,
}
"""Which row an element becomes; every other element becomes an ``Other``."""

Pick: TypeAlias = Callable[[Sequence[str]], tuple[str, ...]]


class Shape:
    """How the elements of one name with the same attributes become rows; ``count`` is of those that did.

    ``picks`` take the texts of each kind of field, in the order of ``KINDS``. ``read`` are the attributes
    that are read as something else than text; ``unknown`` those that Flex did not have when this was written.
    """

    __slots__ = ("count", "element", "names", "picks", "read", "row_type", "unknown")

    def __init__(
        self,
        element: str,
        names: tuple[str, ...],
        row_type: type[Row],
        picks: tuple[Pick, ...] = (),
        read: tuple[str, ...] = (),
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.element = element
        self.names = names
        self.row_type = row_type
        self.picks = picks
        self.read = read
        self.unknown = unknown
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
def known_attributes() -> frozenset[str]:
    """Every attribute that Flex is known to have in one of these rows, typed or not."""
    typed = (name for row_type in ROWS.values() for column in columns(row_type) for name in column.names)
    return KEPT_RAW.union(typed)


def shape_of(element: str, names: tuple[str, ...]) -> Shape:
    """Work out how to read elements ``element`` with attributes ``names``; one more value stands for none."""
    row_type = ROWS.get(element)
    if row_type is None:
        return Shape(element, names, Other)
    places = {name: place for place, name in enumerate(names)}
    picked: list[list[int]] = [[] for _ in KINDS]
    read: list[str] = []
    for kind, alternatives in columns(row_type):
        name = next((one for one in alternatives if one in places), None)
        picked[kind].append(len(names) if name is None else places[name])
        if name is not None and KINDS[kind] is not str:
            read.append(name)
    known = known_attributes()
    unknown = tuple(name for name in names if name not in known)
    return Shape(element, names, row_type, tuple(map(_pick, picked)), tuple(read), unknown)


def _pick(places: Sequence[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


class RowBuilder:
    """Builds the rows of one file. ``unreadable`` collects texts that are not what they should be."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []
        calendar = Calendar()
        self._number = Memo(read_number, self.unreadable).__getitem__
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
