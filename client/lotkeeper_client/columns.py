"""Rows as columns, for data frames: amounts stay decimal, times aware."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

LEFT_OUT: Final = "freshness"
"""The frame has it; a column of it would say the same in each row."""
PRECISION: Final = 38


class Column(NamedTuple):
    """A field of the rows: its name, its type (``None``: several, or something nested), and its values."""

    name: str
    kind: type | None
    values: list[Any]


def columns_of(row_type: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> list[Column]:
    """A column for each field of the rows, as the server calls it."""
    hints = get_type_hints(row_type)
    found = []
    for field in msgspec.structs.fields(row_type):
        if field.name == LEFT_OUT:
            continue
        kind = _kind(hints[field.name])
        values = [getattr(row, field.name) for row in rows]
        if kind is None:
            values = [msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date)) for value in values]
        found.append(Column(field.encode_name, kind, values))
    return found


def _kind(hint: Any) -> type | None:
    kinds = [hint]
    if get_origin(hint) in {Union, UnionType}:
        kinds = [one for one in get_args(hint) if one is not NoneType]
    if len(kinds) == 1 and kinds[0] in {str, int, float, bool, Decimal, datetime, date}:
        kind: type = kinds[0]
        return kind
    return None


def scale_of(values: Sequence[Decimal | None]) -> int:
    """How many digits behind the point the longest of them has."""
    digits = 0
    for value in values:
        if value is not None:
            exponent = value.as_tuple().exponent
            digits = max(digits, -exponent if isinstance(exponent, int) else 0)
    return digits
