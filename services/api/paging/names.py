"""Places in lists of what has a name: accounts, groups of them, benchmarks."""

from typing import Literal, TypeAlias

import msgspec

from services.api.paging.places import Text, place_of, write

Named: TypeAlias = Literal["accounts", "groups", "benchmarks", "coverage", "tags"]
"""Lists whose rows stand in the order of their names."""


class _NamePlace(msgspec.Struct, tag="m", array_like=True):
    list: Named
    name: Text


def name_cursor(of: Named, name: str) -> str:
    """Where a page of named rows ended."""
    return write(_NamePlace(of, name))


def last_name(cursor: str | None, of: Named) -> str | None:
    """The name that a cursor of that list stands for."""
    place = place_of(cursor, _NamePlace, list=of)
    return None if place is None else place.name
