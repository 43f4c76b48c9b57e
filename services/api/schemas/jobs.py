from msgspec import Struct

from services.api.schemas.common import Freshness
from services.api.schemas.sync import JobRecord


class JobPage(Struct, frozen=True, kw_only=True):
    """Jobs, the one that was asked for last first."""

    items: tuple[JobRecord, ...]
    next_cursor: str | None
    freshness: Freshness
