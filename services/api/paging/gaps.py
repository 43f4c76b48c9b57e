"""Places in the list of hours without a snapshot."""

import msgspec

from models.queries.snapshots import GapKey
from services.api.paging.places import Instant, Text, place_of, write


class _GapPlace(msgspec.Struct, tag="g", array_like=True):
    first: Instant
    account: Text


def gap_cursor(key: GapKey) -> str:
    """Where a page of gaps between snapshots ended."""
    return write(_GapPlace(*key))


def gap_key(cursor: str | None) -> GapKey | None:
    """The place a cursor of the list of gaps stands for."""
    place = place_of(cursor, _GapPlace)
    return None if place is None else GapKey(place.first, place.account)
