"""Places in lists of what statements state, and of the statements themselves."""

from datetime import date
from uuid import UUID

import msgspec

from models.queries.disputes.compare import DifferenceKey
from models.queries.statements import StatementKey
from services.api.paging.places import Instant, Number, Text, place_of, write


class _DifferencePlace(msgspec.Struct, tag="s", array_like=True):
    day: date
    id: UUID


class _StatementPlace(msgspec.Struct, tag="b", array_like=True):
    ends_at: Instant
    import_id: Number
    account: Text
    starts_at: Instant


def difference_cursor(key: DifferenceKey) -> str:
    """Where a page of differences from statements ended."""
    return write(_DifferencePlace(*key))


def difference_key(cursor: str | None) -> DifferenceKey | None:
    """The place a cursor of the list of differences from statements stands for."""
    place = place_of(cursor, _DifferencePlace)
    return None if place is None else DifferenceKey(place.day, place.id)


def statement_cursor(key: StatementKey) -> str:
    """Where a page of statements ended."""
    return write(_StatementPlace(*key))


def statement_key(cursor: str | None) -> StatementKey | None:
    """The place a cursor of the list of statements stands for."""
    place = place_of(cursor, _StatementPlace)
    return None if place is None else StatementKey(*msgspec.structs.astuple(place))
