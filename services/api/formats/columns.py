"""The columns of a list, out of the type of its rows: so that an empty list has them, too."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import inspect

from core.tabular import Kind
from services.api.schemas.common import Amount

_AMOUNT_PATTERN = next(meta.pattern for meta in get_args(Amount) if isinstance(meta, msgspec.Meta))


class Column(NamedTuple):
    """A column: its name, where in a row its value is, and what that is."""

    name: str
    path: tuple[str, ...]
    kind: Kind

    def value(self, row: dict[str, Any]) -> Any:
        """The row's value; none where something around it is none."""
        found: Any = row
        for name in self.path:
            if found is None:
                return None
            found = found.get(name)
        return found


_KINDS: tuple[tuple[type[inspect.Type], Kind], ...] = (
    (inspect.BoolType, Kind.BOOLEAN),
    (inspect.IntType, Kind.INTEGER),
    (inspect.FloatType, Kind.NUMBER),
    (inspect.DateTimeType, Kind.MOMENT),
    (inspect.DateType, Kind.DAY),
    (inspect.UUIDType, Kind.TEXT),
    (inspect.StrType, Kind.TEXT),
    (inspect.EnumType, Kind.TEXT),
    (inspect.LiteralType, Kind.TEXT),
)


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without what is said about it, and without that it may be null."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        others = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return _bare(others[0]) if len(others) == 1 else kind
    return kind


def _kind(kind: inspect.Type) -> Kind:
    if isinstance(kind, inspect.StrType) and kind.pattern == _AMOUNT_PATTERN:
        return Kind.AMOUNT
    if isinstance(kind, inspect.LiteralType) and not all(isinstance(one, str) for one in kind.values):
        return Kind.INTEGER if all(isinstance(one, int) for one in kind.values) else Kind.DOCUMENT
    return next((ours for theirs, ours in _KINDS if isinstance(kind, theirs)), Kind.DOCUMENT)


def _columns(kind: inspect.StructType, path: tuple[str, ...]) -> Iterator[Column]:
    for field in kind.fields:
        inner, place = _bare(field.type), (*path, field.encode_name)
        if isinstance(inner, inspect.StructType):
            yield from _columns(inner, place)
        else:
            yield Column("_".join(place), place, _kind(inner))


def columns_of(row: type[msgspec.Struct]) -> tuple[Column, ...]:
    """The columns for rows of that type. What a row has within a part of it is a column of both names."""
    kind = inspect.type_info(row)
    if not isinstance(kind, inspect.StructType):
        raise TypeError(row)
    return tuple(_columns(kind, ()))


def row_type(page: type[msgspec.Struct]) -> type[msgspec.Struct] | None:
    """The type of the rows of a page; none if it is no page of a list."""
    kind = inspect.type_info(page)
    if not isinstance(kind, inspect.StructType):
        return None
    items = next((field for field in kind.fields if field.name == "items"), None)
    rows = None if items is None else _bare(items.type)
    if isinstance(rows, inspect.VarTupleType | inspect.ListType):
        inner = _bare(rows.item_type)
        if isinstance(inner, inspect.StructType):
            return inner.cls
    return None
