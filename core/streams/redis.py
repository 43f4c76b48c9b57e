"""The stream port on Redis (6.2 or newer) and Valkey."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from core import logs
from core.errors import StreamUnavailableError
from core.settings import Settings
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
from core.streams.scripts import APPEND_AFTER, LEAVE_LEAD, SEEK_LEAD
from core.tasks import heeding_cancellation

log = logs.get_logger(__name__)

FIELD = b"d"
"""The one field of an entry: the encoded batch."""

_ENTRY_LIMIT = 1000
_MARK_SECONDS = 86_400


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    try:
        with heeding_cancellation():
            yield
    except ResponseError as error:
        # The server answered, and said no: a fault of ours, unless it cannot take writes at the moment.
        if not _has_no_room(error):
            raise
        raise StreamUnavailableError(
            f"Redis takes no writes ({error}). Give it more memory or disk; nothing is lost meanwhile."
        ) from error
    except (TimeoutError, RedisError, OSError) as error:
        raise StreamUnavailableError(
            f"Redis cannot be reached ({error.__class__.__name__}). Check LOTKEEPER_REDIS_URL and that the "
            "server runs."
        ) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _entries(raw: Any) -> list[Entry]:
    # An entry deleted while pending comes back with no fields: there is nothing left to deal with.
    return [Entry(_text(entry_id), fields[FIELD]) for entry_id, fields in raw if fields and FIELD in fields]


class RedisStreams:
    """Streams on a Redis server."""

    def __init__(self, client: "Redis") -> None:
        self._redis = client
        self._told_policy_hidden = False
        self._append_after = client.register_script(APPEND_AFTER)
        self._seek_lead = client.register_script(SEEK_LEAD)
        self._leave_lead = client.register_script(LEAVE_LEAD)

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """A client for the configured server; it connects when first used.

        Raises:
            SettingsError: ``LOTKEEPER_REDIS_URL`` is missing or wrong.
        """
        # The socket timeout must exceed the longest blocking read. Retrying is the caller's: it knows
        # whether a fact may wait or a tick is shed.
        client = Redis.from_url(
            settings.require_redis_url(),
            socket_connect_timeout=3,
            socket_timeout=15,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(client)

    async def append(
        self, stream: str, payloads: Sequence[bytes], *, keep_entries: int | None = None
    ) -> None:
        """See ``StreamPort.append``."""
        if not payloads:
            return
        async with _available():
            if len(payloads) == 1:
                await self._redis.xadd(stream, {FIELD: payloads[0]}, maxlen=keep_entries, approximate=True)
                return
            pipeline = self._redis.pipeline(transaction=False)
            for payload in payloads:
                pipeline.xadd(stream, {FIELD: payload}, maxlen=keep_entries, approximate=True)
            await pipeline.execute()

    async def append_marked(
        self, stream: str, payloads: Sequence[bytes], *, writer: str, mark: int, confirmed: int
    ) -> Appended:
        """See ``StreamPort.append_marked``."""
        marks = f"{stream}:marks:{writer}"
        async with _available():
            pipeline = self._redis.pipeline(transaction=True)
            for payload in payloads:
                pipeline.xadd(stream, {FIELD: payload})
            pipeline.zadd(marks, {str(mark): mark})
            pipeline.zremrangebyscore(marks, "-inf", f"({confirmed}")
            pipeline.expire(marks, _MARK_SECONDS)
            pipeline.zscore(marks, str(confirmed))
            pipeline.xlen(stream)
            *_, score, length = await pipeline.execute()
        return Appended(score is not None, length)

    async def append_after(
        self, stream: str, payloads: Sequence[bytes], *, after: str, keep_entries: int, keep_ms: int
    ) -> str | None:
        """See ``StreamPort.append_after``."""
        async with _available():
            last = await self._append_after([stream], [after, keep_entries, keep_ms, FIELD, *payloads])
        return None if last is None else _text(last)

    async def seek_lead(self, stream: str, candidate: str, *, ttl_ms: int, keep_ms: int) -> Lead:
        """See ``StreamPort.seek_lead``."""
        async with _available():
            leader, *candidates = await self._seek_lead(
                [*_lead_keys(stream), stream], [candidate, ttl_ms, keep_ms]
            )
        return Lead(_text(leader), frozenset(_text(one) for one in candidates))

    async def leave_lead(self, stream: str, candidate: str) -> None:
        """See ``StreamPort.leave_lead``."""
        async with _available():
            await self._leave_lead(_lead_keys(stream), [candidate])

    async def tail(self, stream: str, after: str, *, count: int, block_ms: int) -> list[Entry]:
        """See ``StreamPort.tail``."""
        async with _available():
            raw = await self._redis.xread({stream: after}, count=count, block=block_ms or None)
        if not raw:
            require_not_lost(stream, after, await self.last_id(stream))
            return []
        return _entries(raw[0][1])

    async def last_id(self, stream: str) -> str:
        """See ``StreamPort.last_id``."""
        async with _available():
            try:
                info = await self._redis.xinfo_stream(stream)
            except ResponseError:
                return START
        return _text(info["last-generated-id"])

    async def ensure_group(self, stream: str, group: str) -> None:
        """See ``StreamPort.ensure_group``."""
        async with _available():
            try:
                await self._redis.xgroup_create(stream, group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def read_group(
        self, stream: str, group: str, consumer: str, *, count: int, block_ms: int
    ) -> list[Entry]:
        """See ``StreamPort.read_group``."""
        async with _available():
            try:
                raw = await self._redis.xreadgroup(
                    group, consumer, {stream: ">"}, count=count, block=block_ms or None
                )
            except ResponseError as error:
                if not _group_is_lost(error):
                    raise
                await self.ensure_group(stream, group)
                return []
        return _entries(raw[0][1]) if raw else []

    async def claim_stale(
        self, stream: str, group: str, consumer: str, *, idle_ms: int, count: int
    ) -> list[Entry]:
        """See ``StreamPort.claim_stale``."""
        async with _available():
            try:
                while True:
                    left = await self._redis.xpending_range(
                        stream, group, min="-", max="+", count=count, idle=idle_ms or None
                    )
                    if not left:
                        return []
                    deliveries = {_text(one["message_id"]): one["times_delivered"] + 1 for one in left}
                    taken: list[Any] = list(deliveries)[: share(count, left[0]["times_delivered"])]
                    entries = _entries(await self._redis.xclaim(stream, group, consumer, idle_ms, taken))
                    if len(entries) == len(taken):
                        break
                    # From 7 on Redis itself forgets them, but tells nothing of those that come after them.
                    gone = await self._gone(stream, set(taken) - {entry.id for entry in entries})
                    if gone:
                        await self._redis.xack(stream, group, *gone)
                    if entries or not gone:
                        break
            except ResponseError as error:
                if not _group_is_lost(error):
                    raise
                await self.ensure_group(stream, group)
                return []
        return [entry._replace(deliveries=deliveries[entry.id]) for entry in entries]

    async def _gone(self, stream: str, ids: set[str]) -> list[str]:
        """Those that are not in the stream: others could not be claimed because somebody else just did."""
        asked = sorted(ids)
        pipeline = self._redis.pipeline(transaction=False)
        for entry_id in asked:
            pipeline.xrange(stream, min=entry_id, max=entry_id, count=1)
        found = await pipeline.execute()
        return [entry_id for entry_id, there in zip(asked, found, strict=True) if not there]

    async def acknowledge(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """See ``StreamPort.acknowledge``."""
        if ids:
            async with _available():
                await self._redis.xack(stream, group, *ids)

    async def trim_acknowledged(self, stream: str) -> int:
        """See ``StreamPort.trim_acknowledged``."""
        async with _available():
            floor = await self._first_needed(stream)
            if floor is None:
                return 0
            return cast("int", await self._redis.xtrim(stream, minid=floor, approximate=False))

    async def _first_needed(self, stream: str) -> str | None:
        """The oldest id that some group has not acknowledged; ``None`` when nothing may go."""
        try:
            groups = await self._redis.xinfo_groups(stream)
        except ResponseError:
            return None
        if not groups:
            return None
        needed: list[tuple[int, int]] = []
        for group in groups:
            pending = await self._redis.xpending(stream, group["name"])
            if pending["pending"]:
                needed.append(parse_id(_text(pending["min"])))
            else:
                milliseconds, sequence = parse_id(_text(group["last-delivered-id"]))
                needed.append((milliseconds, sequence + 1))
        milliseconds, sequence = min(needed)
        return f"{milliseconds}-{sequence}"

    async def oldest_unacknowledged(self, stream: str) -> str | None:
        """See ``StreamPort.oldest_unacknowledged``."""
        async with _available():
            floor = await self._first_needed(stream)
            entries = await self._redis.xrange(stream, min=floor or "-", count=1)
        return _text(entries[0][0]) if entries else None

    async def info(self, stream: str) -> StreamInfo:
        """See ``StreamPort.info``."""
        async with _available():
            try:
                about = await self._redis.xinfo_stream(stream)
                groups = await self._redis.xinfo_groups(stream)
            except ResponseError:
                return StreamInfo(0, START, ())
            described = [await self._describe(stream, group) for group in groups]
        return StreamInfo(about["length"], _text(about["last-generated-id"]), tuple(described))

    async def _describe(self, stream: str, group: dict[str, Any]) -> GroupInfo:
        lag = group.get("lag")
        if lag is None:
            # Redis before 7 does not say, and 7 loses count after a trim: count what lies ahead.
            after = f"({_text(group['last-delivered-id'])}"
            lag = len(await self._redis.xrange(stream, min=after, count=_ENTRY_LIMIT))
        return GroupInfo(_text(group["name"]), group["pending"], lag)

    async def eviction_policy(self) -> str | None:
        """See ``StreamPort.eviction_policy``."""
        # Managed servers forbid CONFIG, but not this.
        async with _available():
            try:
                about = await self._redis.info("memory")
            except ResponseError:
                about = {}
        policy = about.get("maxmemory_policy")
        if policy is None and not self._told_policy_hidden:
            self._told_policy_hidden = True
            log.warning(
                "redis_policy_hidden",
                explanation="INFO does not tell maxmemory_policy; make sure that it is noeviction",
            )
        return None if policy is None else str(policy)

    async def ping(self) -> None:
        """See ``StreamPort.ping``."""
        async with _available():
            await self._redis.ping()

    async def close(self) -> None:
        """See ``StreamPort.close``."""
        try:
            await self._redis.aclose()
        except (RedisConnectionError, OSError):
            return


def _lead_keys(stream: str) -> list[str]:
    return [f"{stream}:leader", f"{stream}:candidates"]


def _has_no_room(error: ResponseError) -> bool:
    """A full memory or disk, or a replica: it will pass, and is no reason to give up what waits."""
    return isinstance(error, OutOfMemoryError | ReadOnlyError) or str(error).startswith("MISCONF")


def _group_is_lost(error: ResponseError) -> bool:
    return "NOGROUP" in str(error)
