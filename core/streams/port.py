"""The stream port: what Lotkeeper asks of a stream server. Redis implements it, and an in-memory twin.

Both pass one contract suite (``tests/contracts``).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from core.errors import StreamLostError


class Entry(NamedTuple):
    """One stream entry. ``id`` orders it within its stream.

    ``deliveries`` is how often the group was given it, this time included.
    """

    id: str
    data: bytes
    deliveries: int = 1


class GroupInfo(NamedTuple):
    """A consumer group: entries delivered and not acknowledged, entries not delivered yet (None: unknown)."""

    name: str
    pending_entries: int
    lag_entries: int | None


class StreamInfo(NamedTuple):
    """A stream's length and groups; an absent stream is empty."""

    length_entries: int
    last_id: str
    groups: tuple[GroupInfo, ...]


class Appended(NamedTuple):
    """What an append found: whether the writer's confirmed mark was still there, and the stream's length."""

    is_remembered: bool
    length_entries: int


class Lead(NamedTuple):
    """Who leads, and everybody who sought to within the last ``ttl_ms``, the leader among them."""

    leader: str
    candidates: frozenset[str]


START = "0-0"
"""The id before the first entry."""


def parse_id(entry_id: str) -> tuple[int, int]:
    """Milliseconds and the count within them, which order entries."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def require_not_lost(stream: str, after: str, last_id: str) -> None:
    """What a reader who finds nothing after ``after`` must know: see ``StreamPort.tail``."""
    if parse_id(last_id) < parse_id(after):
        raise StreamLostError(f"What Redis kept of {stream} is gone; following it from its new beginning.")


def share(count: int, deliveries: int) -> int:
    """How many of ``count`` entries to take over when the oldest was given to someone so often.

    Whoever had them died, or was too slow for all of them: ever fewer are dealt with in ever less time, so
    that something is, however often members are killed; and what they die of is soon alone.
    """
    return max(1, count >> 2 * deliveries)


class StreamPort(Protocol):
    """Streams of byte strings. Every method raises ``StreamUnavailableError`` when the server is away."""

    async def append(
        self, stream: str, payloads: Sequence[bytes], *, keep_entries: int | None = None
    ) -> None:
        """Add entries in order, in one round trip.

        ``keep_entries`` bounds the stream to about that many newest entries; facts are never bounded so.
        """
        ...

    async def append_marked(
        self, stream: str, payloads: Sequence[bytes], *, writer: str, mark: int, confirmed: int
    ) -> Appended:
        """Add entries in order and ``writer``'s mark beside the stream: both, or neither.

        ``confirmed`` is the last mark for which the writer had an answer. A server that comes back without
        its newest entries comes back without it, so a writer whose marks count up finds out with the next
        append that it gets an answer to, which may be of no entries. Marks after ``confirmed`` prove nothing:
        their appends had no answer. Those before it are forgotten, and all of a writer that is silent for a
        day.
        """
        ...

    async def append_after(
        self, stream: str, payloads: Sequence[bytes], *, after: str, keep_entries: int, keep_ms: int
    ) -> str | None:
        """Add entries in order if ``after`` is still the last that was added: all of them, or none.

        That it was trimmed meanwhile changes nothing. The stream lives for ``keep_ms`` from then on.

        Returns the id of the last one; ``None`` where somebody else has added to the stream, or the server
        lost what it had: then the writer does not know what it continues.
        """
        ...

    async def seek_lead(self, stream: str, candidate: str, *, ttl_ms: int, keep_ms: int) -> Lead:
        """Lead the writing of the stream for ``ttl_ms`` from now, unless another does.

        The stream, if it is there, lives for ``keep_ms`` from now: nothing of it stays for ever where nobody
        seeks its lead any more.

        Whoever leads goes on by seeking it again in time. That two never believe to lead at once cannot be
        had this way (one may stand still meanwhile): what they write is kept apart by ``append_after``.
        """
        ...

    async def leave_lead(self, stream: str, candidate: str) -> None:
        """Be a candidate no more, and lead no more."""
        ...

    async def tail(self, stream: str, after: str, *, count: int, block_ms: int) -> list[Entry]:
        """Entries after ``after``, oldest first; waits up to ``block_ms`` when there are none yet.

        Raises:
            StreamLostError: there are none, and the stream's newest id is before ``after``: the server lost
                its memory, and its ids may begin anew below ``after``.
        """
        ...

    async def last_id(self, stream: str) -> str:
        """The id of the newest entry ever added, ``START`` for an absent stream."""
        ...

    async def ensure_group(self, stream: str, group: str) -> None:
        """Create the group at the stream's start, and the stream, where they do not exist."""
        ...

    async def read_group(
        self, stream: str, group: str, consumer: str, *, count: int, block_ms: int
    ) -> list[Entry]:
        """Take entries that nobody in the group was given yet; waits up to ``block_ms``.

        A group lost with its server's memory is created anew at the start.
        """
        ...

    async def claim_stale(
        self, stream: str, group: str, consumer: str, *, idle_ms: int, count: int
    ) -> list[Entry]:
        """Take over entries that were given to someone at least ``idle_ms`` ago and never acknowledged.

        With ``idle_ms=0`` these are also the consumer's own, from before its restart. The oftener the oldest
        was given to someone, the fewer are taken (``share``). What is no longer in the stream is
        acknowledged: there is nothing left to deal with, and it keeps nobody from what comes after it.
        """
        ...

    async def acknowledge(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """Say that entries are dealt with. Only ever after the commit of their effect."""
        ...

    async def trim_acknowledged(self, stream: str) -> int:
        """Remove the entries that every group has acknowledged; returns how many."""
        ...

    async def oldest_unacknowledged(self, stream: str) -> str | None:
        """The id of the oldest entry that some group has not acknowledged; ``None``: there is none."""
        ...

    async def info(self, stream: str) -> StreamInfo:
        """Length, newest id and groups."""
        ...

    async def eviction_policy(self) -> str | None:
        """What the server does when its memory is full, by Redis's names; ``None`` where it does not say."""
        ...

    async def ping(self) -> None:
        """Whether the server answers."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
