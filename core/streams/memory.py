"""The stream port in memory: for tests, and the proof that the port says all that callers rely on."""

import asyncio
import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from core.errors import StreamUnavailableError
from core.streams.port import (
    START,
    Appended,
    Entry,
    GroupInfo,
    Lead,
    StreamInfo,
    parse_id,
    require_not_lost,
    share,
)

_Id = tuple[int, int]


def _spell(entry_id: _Id) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


@dataclass
class _Pending:
    consumer: str
    delivered_at: float
    deliveries: int = 1


@dataclass
class _Group:
    delivered: _Id = (0, 0)
    pending: dict[_Id, _Pending] = field(default_factory=dict)


@dataclass
class _Stream:
    ids: list[_Id] = field(default_factory=list)
    data: dict[_Id, bytes] = field(default_factory=dict)
    last: _Id = (0, 0)
    groups: dict[str, _Group] = field(default_factory=dict)
    marks: dict[str, set[int]] = field(default_factory=dict)
    leader: str = ""
    candidates: dict[str, float] = field(default_factory=dict)
    until: float = math.inf

    def after(self, entry_id: _Id, count: int) -> list[_Id]:
        start = bisect_right(self.ids, entry_id)
        return self.ids[start : start + count]

    def first_needed(self) -> _Id:
        """The lowest id that some group may still want."""
        return min(
            (
                min(group.pending) if group.pending else (group.delivered[0], group.delivered[1] + 1)
                for group in self.groups.values()
            ),
            default=(0, 0),
        )

    def drop_below(self, floor: _Id) -> int:
        gone = [entry_id for entry_id in self.ids if entry_id < floor]
        del self.ids[: len(gone)]
        for entry_id in gone:
            del self.data[entry_id]
        return len(gone)

    def entries(self, ids: Sequence[_Id]) -> list[Entry]:
        return [Entry(_spell(entry_id), self.data[entry_id]) for entry_id in ids if entry_id in self.data]


class MemoryStreams:
    """Streams that live and die with the process, and can have the misfortunes of a server.

    While ``down`` is set every call fails. The next ``outcomes_unknown`` appends are made, and fail all the
    same, as when the connection breaks before the answer. ``lose`` and ``lose_tail`` take away what a server
    can lose; ``lose_tail`` can go back over the last ``undoable_appends``.
    """

    def __init__(self, *, undoable_appends: int = 0) -> None:
        self._streams: dict[str, _Stream] = {}
        self._added = asyncio.Condition()
        self._earlier: deque[dict[str, _Stream]] = deque(maxlen=undoable_appends)
        self.down = False
        self.outcomes_unknown = 0

    def lose(self) -> None:
        """Forget everything, as by FLUSHALL or a restart without persistence."""
        self._streams = {}
        self._earlier.clear()

    def lose_tail(self, appends: int) -> None:
        """Be as before the last ``appends``, as after a restart from an append-only file that was cut off.

        What else was done since (reads, acknowledgements, trims) is undone with them.
        """
        for _ in range(min(appends, len(self._earlier))):
            self._streams = self._earlier.pop()

    def _require_up(self) -> None:
        if self.down:
            raise StreamUnavailableError("Redis cannot be reached (it was told to be away).")

    def _stream(self, name: str) -> _Stream:
        self._require_up()
        kept = self._streams.setdefault(name, _Stream())
        if kept.until < time.monotonic():
            # Who leads, and who seeks to, stands beside it.
            kept = _Stream(leader=kept.leader, candidates=kept.candidates)
            self._streams[name] = kept
        return kept

    def _group(self, stream: str, group: str) -> _Group:
        return self._stream(stream).groups.setdefault(group, _Group())

    async def append(
        self, stream: str, payloads: Sequence[bytes], *, keep_entries: int | None = None
    ) -> None:
        """See ``StreamPort.append``."""
        kept = self._add(stream, payloads)
        if keep_entries is not None and len(kept.ids) > keep_entries:
            kept.drop_below(kept.ids[-keep_entries])
        await self._tell()

    async def append_marked(
        self, stream: str, payloads: Sequence[bytes], *, writer: str, mark: int, confirmed: int
    ) -> Appended:
        """See ``StreamPort.append_marked``."""
        kept = self._add(stream, payloads)
        before = kept.marks.get(writer, set())
        appended = Appended(confirmed in before, len(kept.ids))
        kept.marks[writer] = {mark, *(one for one in before if one >= confirmed)}
        await self._tell()
        return appended

    async def append_after(
        self, stream: str, payloads: Sequence[bytes], *, after: str, keep_entries: int, keep_ms: int
    ) -> str | None:
        """See ``StreamPort.append_after``."""
        kept = self._stream(stream)
        if kept.last != parse_id(after):
            return None
        kept = self._add(stream, payloads)
        if len(kept.ids) > keep_entries:
            kept.drop_below(kept.ids[-keep_entries])
        kept.until = time.monotonic() + keep_ms / 1000
        await self._tell()
        return _spell(kept.last)

    async def seek_lead(self, stream: str, candidate: str, *, ttl_ms: int, keep_ms: int) -> Lead:
        """See ``StreamPort.seek_lead``."""
        kept, now = self._stream(stream), time.monotonic()
        kept.until = now + keep_ms / 1000
        kept.candidates = {
            one: until for one, until in kept.candidates.items() if until > now and one != candidate
        } | {candidate: now + ttl_ms / 1000}
        if kept.leader not in kept.candidates:
            kept.leader = candidate
        return Lead(kept.leader, frozenset(kept.candidates))

    async def leave_lead(self, stream: str, candidate: str) -> None:
        """See ``StreamPort.leave_lead``."""
        self._stream(stream).candidates.pop(candidate, None)

    def _add(self, stream: str, payloads: Sequence[bytes]) -> _Stream:
        self._require_up()
        if self._earlier.maxlen:
            self._earlier.append(deepcopy(self._streams))
        kept = self._stream(stream)
        for payload in payloads:
            now = time.time_ns() // 1_000_000
            kept.last = max((now, 0), (kept.last[0], kept.last[1] + 1))
            kept.ids.append(kept.last)
            kept.data[kept.last] = payload
        return kept

    async def _tell(self) -> None:
        async with self._added:
            self._added.notify_all()
        if self.outcomes_unknown:
            self.outcomes_unknown -= 1
            raise StreamUnavailableError("Redis cannot be reached (the answer was lost).")

    async def _wait_for(self, stream: str, after: _Id, block_ms: int) -> None:
        if not block_ms or self._stream(stream).after(after, 1):
            return
        try:
            async with asyncio.timeout(block_ms / 1000), self._added:
                await self._added.wait_for(lambda: bool(self._stream(stream).after(after, 1)))
        except TimeoutError:
            return

    async def tail(self, stream: str, after: str, *, count: int, block_ms: int) -> list[Entry]:
        """See ``StreamPort.tail``."""
        start = parse_id(after)
        await self._wait_for(stream, start, block_ms)
        kept = self._stream(stream)
        entries = kept.entries(kept.after(start, count))
        if not entries:
            require_not_lost(stream, after, _spell(kept.last))
        return entries

    async def last_id(self, stream: str) -> str:
        """See ``StreamPort.last_id``."""
        return _spell(self._stream(stream).last)

    async def ensure_group(self, stream: str, group: str) -> None:
        """See ``StreamPort.ensure_group``."""
        self._group(stream, group)

    async def read_group(
        self, stream: str, group: str, consumer: str, *, count: int, block_ms: int
    ) -> list[Entry]:
        """See ``StreamPort.read_group``."""
        await self._wait_for(stream, self._group(stream, group).delivered, block_ms)
        kept, state = self._stream(stream), self._group(stream, group)
        ids = kept.after(state.delivered, count)
        for entry_id in ids:
            state.delivered = entry_id
            state.pending[entry_id] = _Pending(consumer, time.monotonic())
        return kept.entries(ids)

    async def claim_stale(
        self, stream: str, group: str, consumer: str, *, idle_ms: int, count: int
    ) -> list[Entry]:
        """See ``StreamPort.claim_stale``."""
        state, data = self._group(stream, group), self._stream(stream).data
        before = time.monotonic() - idle_ms / 1000
        for entry_id in [one for one in state.pending if one not in data]:
            del state.pending[entry_id]  # there is nothing left to deal with
        stale = [
            entry_id for entry_id, given in sorted(state.pending.items()) if given.delivered_at <= before
        ]
        if stale:
            stale = stale[: share(count, state.pending[stale[0]].deliveries)]
        for entry_id in stale:
            deliveries = state.pending[entry_id].deliveries + 1
            state.pending[entry_id] = _Pending(consumer, time.monotonic(), deliveries)
        return [
            entry._replace(deliveries=state.pending[parse_id(entry.id)].deliveries)
            for entry in self._stream(stream).entries(stale)
        ]

    async def acknowledge(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """See ``StreamPort.acknowledge``."""
        state = self._group(stream, group)
        for entry_id in ids:
            state.pending.pop(parse_id(entry_id), None)

    async def trim_acknowledged(self, stream: str) -> int:
        """See ``StreamPort.trim_acknowledged``."""
        kept = self._stream(stream)
        return kept.drop_below(kept.first_needed()) if kept.groups else 0

    async def oldest_unacknowledged(self, stream: str) -> str | None:
        """See ``StreamPort.oldest_unacknowledged``."""
        kept = self._stream(stream)
        needed = kept.first_needed()
        return next((_spell(entry_id) for entry_id in kept.ids if entry_id >= needed), None)

    async def info(self, stream: str) -> StreamInfo:
        """See ``StreamPort.info``."""
        kept = self._stream(stream)
        groups = tuple(
            GroupInfo(name, len(group.pending), len(kept.after(group.delivered, len(kept.ids))))
            for name, group in kept.groups.items()
        )
        last = _spell(kept.last) if kept.ids or kept.last != (0, 0) else START
        return StreamInfo(len(kept.ids), last, groups)

    async def eviction_policy(self) -> str | None:
        """See ``StreamPort.eviction_policy``."""
        self._require_up()
        return "noeviction"

    async def ping(self) -> None:
        """See ``StreamPort.ping``."""
        self._require_up()

    async def close(self) -> None:
        """See ``StreamPort.close``."""
