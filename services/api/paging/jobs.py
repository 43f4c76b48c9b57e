"""Places in the list of jobs."""

from uuid import UUID

import msgspec

from models.queries.jobs_listed import JobKey
from services.api.paging.places import Instant, place_of, write


class _JobPlace(msgspec.Struct, tag="j", array_like=True):
    created_at: Instant
    id: UUID


def job_cursor(key: JobKey) -> str:
    """Where a page of jobs ended."""
    return write(_JobPlace(*key))


def job_key(cursor: str | None) -> JobKey | None:
    """The place a cursor of the list of jobs stands for."""
    place = place_of(cursor, _JobPlace)
    return None if place is None else JobKey(place.created_at, place.id)
