"""What each topic shows: the type of its rows, and what of a row moves on with the clock alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from services.api.freshness import whole_age
from services.api.schemas.accounts import Summary
from services.api.schemas.common import Freshness
from services.api.schemas.executions import Execution
from services.api.schemas.positions import Position
from services.api.schemas.stream import SyncPart
from services.api.schemas.sync import JobRecord

POSITIONS, SUMMARY, EXECUTIONS, SYNC, JOBS = "positions", "summary", "executions", "sync", "jobs"

Row: TypeAlias = Struct
"""A row of REST."""


class Shown(NamedTuple):
    """A topic's rows. ``aged`` gives a row as it reads at a later moment at which nothing else changed."""

    row: type[Struct]
    aged: Callable[[Any, datetime], Struct]


def _aged_block(block: Freshness, now: datetime) -> Freshness:
    return block if block.as_of is None else replace(block, age_seconds=whole_age(block.as_of, now))


def _position(row: Position, now: datetime) -> Position:
    return replace(
        row,
        freshness=_aged_block(row.freshness, now),
        holding_seconds=whole_age(row.opened_at, row.closed_at or now),
    )


def _summary(row: Summary, now: datetime) -> Summary:
    return replace(row, freshness=_aged_block(row.freshness, now))


def _sync(row: SyncPart, now: datetime) -> SyncPart:
    if row.dataset is None:
        return row
    return replace(row, dataset=replace(row.dataset, age_seconds=whole_age(row.dataset.as_of, now)))


def _as_it_is(row: Struct, _now: datetime) -> Struct:
    return row


SHOWN: dict[str, Shown] = {
    POSITIONS: Shown(Position, _position),
    SUMMARY: Shown(Summary, _summary),
    EXECUTIONS: Shown(Execution, _as_it_is),
    SYNC: Shown(SyncPart, _sync),
    JOBS: Shown(JobRecord, _as_it_is),
}
"""By topic, in the order in which they are offered."""
