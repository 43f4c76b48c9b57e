"""Places in the list of performance."""

import msgspec

from core.domain.performance import Resolution
from models.queries.performance import PerformanceKey
from services.api.paging.places import Instant, Text, place_of, write


class _PerformancePlace(msgspec.Struct, tag="h", array_like=True):
    resolution: Resolution
    ts: Instant
    account: Text
    source: Text


def performance_cursor(resolution: Resolution, key: PerformanceKey) -> str:
    """Where a page of performance ended."""
    return write(_PerformancePlace(resolution, *key))


def performance_key(cursor: str | None, resolution: Resolution) -> PerformanceKey | None:
    """The place a cursor of the performance list, at the same resolution, stands for."""
    place = place_of(cursor, _PerformancePlace, resolution=resolution)
    return None if place is None else PerformanceKey(place.ts, place.account, place.source)
