"""Places in lists of rows that have a number and stand in order of a time."""

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from services.api.paging.places import Instant, Number, place_of, write

Dated: TypeAlias = Literal["snapshots", "issues"]
"""Lists whose rows are numbered and stand in order of a time."""


class _MomentPlace(msgspec.Struct, tag="t", array_like=True):
    list: Dated
    at: Instant
    id: Number


def moment_cursor(of: Dated, at: datetime, number: int) -> str:
    """Where a page of that list ended."""
    return write(_MomentPlace(of, at, number))


def moment_place(cursor: str | None, of: Dated) -> tuple[datetime, int] | None:
    """The place a cursor of that list stands for."""
    place = place_of(cursor, _MomentPlace, list=of)
    return None if place is None else (place.at, place.id)
