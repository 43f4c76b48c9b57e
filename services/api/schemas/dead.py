from msgspec import Struct

from core.errors import ErrorCategory
from models.queries.dead_facts import DeadStatus
from services.api.schemas.common import Freshness, Moment


class DeadFact(Struct, frozen=True, kw_only=True):
    """Something that could not be read or applied and was set aside whole.

    ``status``: ``open`` waits for somebody, ``retried`` was applied after all, ``dropped`` was let rest.
    ``source`` is the ``gateway``, of a frame of its, or ``facts``, of an entry of the stream; ``epoch`` is
    the session and ``seq`` the fact in it, where they are known. It came ``occurrences`` times.
    """

    id: int
    status: DeadStatus
    category: ErrorCategory
    reason: str
    source: str
    account: str | None
    epoch: int | None
    seq: int | None
    occurrences: int
    first_seen_at: Moment
    last_seen_at: Moment
    resolved_at: Moment | None
    retries: int


class DeadFactPage(Struct, frozen=True, kw_only=True):
    """What was set aside, the one that came last first; never its content."""

    items: tuple[DeadFact, ...]
    next_cursor: str | None
    freshness: Freshness


class DeadFactDetail(DeadFact, frozen=True, kw_only=True):
    """One of them with its whole content, which may tell amounts and accounts."""

    payload: str
    freshness: Freshness
