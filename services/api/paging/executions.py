"""Places in lists of executions, and of what they closed."""

from typing import Literal

import msgspec

from models.queries.executions import ExecutionKey
from models.queries.grouping import GroupKey, is_period, period_end
from models.queries.realized_differences import FillKey
from services.api.paging.places import Instant, Text, cursor_foreign, place_of, write


class _ExecutionPlace(msgspec.Struct, tag="e", array_like=True):
    executed_at: Instant
    exec_id: Text


class _GroupPlace(msgspec.Struct, tag="r", array_like=True):
    list: Literal["realized", "statistics"]
    grouping: str
    key: Text
    account: Text
    currency: Text


class _FillPlace(msgspec.Struct, tag="f", array_like=True):
    executed_at: Instant
    exec_id: Text


def execution_cursor(key: ExecutionKey) -> str:
    """Where a page of executions ended."""
    return write(_ExecutionPlace(key.executed_at, key.exec_id))


def execution_key(cursor: str | None) -> ExecutionKey | None:
    """The place a cursor of the executions list stands for."""
    place = place_of(cursor, _ExecutionPlace)
    return None if place is None else ExecutionKey(place.executed_at, place.exec_id)


def group_cursor(of: Literal["realized", "statistics"], grouping: str, key: GroupKey) -> str:
    """Where a page of groups ended."""
    return write(_GroupPlace(of, grouping, *key))


def group_key(cursor: str | None, of: Literal["realized", "statistics"], grouping: str) -> GroupKey | None:
    """The place a cursor of that list, grouped in the same way, stands for."""
    place = place_of(cursor, _GroupPlace, list=of, grouping=grouping)
    if place is None:
        return None
    if is_period(grouping):
        try:
            period_end(place.key)
        except ValueError:
            raise cursor_foreign() from None
    return GroupKey(place.key, place.account, place.currency)


def fill_cursor(key: FillKey) -> str:
    """Where a page of closing fills ended."""
    return write(_FillPlace(key.executed_at, key.exec_id))


def fill_key(cursor: str | None) -> FillKey | None:
    """The place a cursor of a list of closing fills stands for."""
    place = place_of(cursor, _FillPlace)
    return None if place is None else FillKey(place.executed_at, place.exec_id)
