"""Places in lists of positions, and of what a position is made of."""

from datetime import datetime
from uuid import UUID

import msgspec

from models.queries.positions import PositionKey
from services.api.paging.places import Instant, Seq, place_of, write


class _PositionPlace(msgspec.Struct, tag="p", array_like=True):
    opened_at: Instant
    id: UUID


class _PastPlace(msgspec.Struct, tag="a", array_like=True):
    opened_at: Instant
    id: UUID
    as_of: Instant
    known_by: Instant | None


class _EventPlace(msgspec.Struct, tag="v", array_like=True):
    seq: Seq


class _LotPlace(msgspec.Struct, tag="l", array_like=True):
    seq: Seq


def position_cursor(key: PositionKey) -> str:
    """Where a page of positions ended."""
    return write(_PositionPlace(key.opened_at, key.id))


def position_key(cursor: str | None) -> PositionKey | None:
    """The place a cursor of the positions list stands for."""
    place = place_of(cursor, _PositionPlace)
    return None if place is None else PositionKey(place.opened_at, place.id)


def past_cursor(key: PositionKey, as_of: datetime, known_by: datetime | None) -> str:
    """Where a page of positions as of a moment ended."""
    return write(_PastPlace(key.opened_at, key.id, as_of, known_by))


def past_key(cursor: str | None, as_of: datetime, known_by: datetime | None) -> PositionKey | None:
    """The place a cursor of the positions list, asked for the same moments, stands for."""
    place = place_of(cursor, _PastPlace, as_of=as_of, known_by=known_by)
    return None if place is None else PositionKey(place.opened_at, place.id)


def event_cursor(seq: int) -> str:
    """Where a page of events ended."""
    return write(_EventPlace(seq))


def event_seq(cursor: str | None) -> int | None:
    """The place a cursor of an events list stands for."""
    place = place_of(cursor, _EventPlace)
    return None if place is None else place.seq


def lot_cursor(seq: int) -> str:
    """Where a page of lots ended."""
    return write(_LotPlace(seq))


def lot_seq(cursor: str | None) -> int | None:
    """The place a cursor of a lots list stands for."""
    place = place_of(cursor, _LotPlace)
    return None if place is None else place.seq
