"""Places in the list of what wants attention."""

from typing import Annotated

import msgspec

from services.api.paging.places import Text, place_of, write


class _AlertPlace(msgspec.Struct, tag="w", array_like=True):
    rank: Annotated[int, msgspec.Meta(ge=0, le=9)]
    before_us: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    id: Text


AlertKey = tuple[int, int, str]
"""How grave it is, how long ago it came, which it is: what sorts first stands first."""


def alert_cursor(key: AlertKey) -> str:
    """Where a page of alerts ended."""
    return write(_AlertPlace(*key))


def alert_key(cursor: str | None) -> AlertKey | None:
    """The place a cursor of the list of alerts stands for."""
    place = place_of(cursor, _AlertPlace)
    return None if place is None else (place.rank, place.before_us, place.id)
