"""Two worlds for one state machine: everything in memory, and the same on real servers.

Both run the link's ``Publisher`` and the one ``Consumer`` loop; they differ in the streams and in the store.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Protocol

from core.errors import StreamUnavailableError
from core.events.facts import ExecutionReported, FactBatch, PositionReported, decode_facts, encode
from core.settings import Settings
from core.streams.memory import MemoryStreams
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import GROUP, Relay

Word = tuple[int, int, Decimal]
"""Epoch, sequence and quantity of what the broker last said of a book."""
Hook = Callable[[str], None]


class Killed(BaseException):
    """The worker died here. No handler of errors may see it: none would run in a process that was killed."""


class Streams:
    """A stream port that can be away. Everything else is the real thing's business."""

    def __init__(self, port: Any, hook: Hook) -> None:
        self._port = port
        self._hook = hook
        self.away = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        async def called(*arguments: Any, **options: Any) -> Any:
            if self.away:
                raise StreamUnavailableError("Redis is away.")
            if name == "acknowledge":
                self._hook("before_ack")
            result = await method(*arguments, **options)
            if name == "acknowledge":
                self._hook("after_ack")
            return result

        return called


class Store(Protocol):
    """Where facts end up."""

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Apply entries in one transaction."""

    async def executions(self) -> set[str]:
        """The ids of what was booked."""

    async def words(self) -> dict[int, Word]:
        """What the broker last said, by conid."""

    async def doubled(self) -> list[tuple[int, int]]:
        """Entries that had an effect more than once."""


class World(Protocol):
    """Streams, a store, and what can be done to the streams that the port does not offer."""

    streams: Streams
    store: Store
    stream: str

    async def flush(self) -> None:
        """Forget everything, groups included."""

    async def lose_tail(self, count: int) -> None:
        """Forget the newest entries, as an append-only file that was cut off does."""


class MemoryStore:
    """A store with an inbox: the effect of an entry and its key are one."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._inbox: set[tuple[int, int]] = set()
        self._effects: Counter[tuple[int, int]] = Counter()
        self._executions: set[str] = set()
        self._words: dict[int, Word] = {}

    async def handle(self, entries: Sequence[Entry]) -> None:
        """See ``Store``."""
        batches = [decode_facts(entry.data) for entry in entries]
        self._hook("before_commit")
        for batch in batches:
            key = batch.epoch, batch.first_seq
            if key not in self._inbox:
                self._inbox.add(key)
                self._effects[key] += 1
                self._apply(batch)
        self._hook("after_commit")

    def _apply(self, batch: FactBatch) -> None:
        for place, fact in enumerate(batch.facts):
            if isinstance(fact, ExecutionReported):
                self._executions.add(fact.exec_id)
            elif isinstance(fact, PositionReported):
                word = batch.epoch, batch.first_seq + place, fact.quantity
                conid = fact.instrument.conid
                self._words[conid] = max(word, self._words.get(conid, word))

    async def executions(self) -> set[str]:
        """See ``Store``."""
        return self._executions

    async def words(self) -> dict[int, Word]:
        """See ``Store``."""
        return self._words

    async def doubled(self) -> list[tuple[int, int]]:
        """See ``Store``."""
        return [key for key, count in self._effects.items() if count > 1]


class MemoryWorld:
    """Everything in this process."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self.stream = settings.facts_stream
        self._port = MemoryStreams()
        self.streams = Streams(self._port, hook)
        self.store: Store = MemoryStore(hook)

    async def flush(self) -> None:
        """See ``World``."""
        self._port._streams.clear()

    async def lose_tail(self, count: int) -> None:
        """See ``World``."""
        kept = self._port._stream(self.stream)
        gone = kept.ids[len(kept.ids) - count :]
        del kept.ids[len(kept.ids) - count :]
        for entry_id in gone:
            del kept.data[entry_id]
            for group in kept.groups.values():
                group.pending.pop(entry_id, None)


class _HookedDatabase(Database):
    def __init__(self, url: str, hook: Hook) -> None:
        super().__init__(url, application="machine", pool_size=2)
        self._hook = hook

    @asynccontextmanager
    async def write(self) -> Any:
        async with super().write() as connection:
            yield connection
            self._hook("before_commit")
        self._hook("after_commit")


class RealStore:
    """The relay on PostgreSQL."""

    def __init__(self, settings: Settings, streams: Any, hook: Hook) -> None:
        self.database = _HookedDatabase(settings.require_database_url(), hook)
        self._relay = Relay(
            self.database, streams, settings, ask_for_comparison=_nobody, sweep_wait_seconds=0.01
        )

    async def handle(self, entries: Sequence[Entry]) -> None:
        """See ``Store``."""
        await self._relay.handle(entries)

    async def _rows(self, query: str) -> list[Any]:
        async with self.database.read() as reader:
            return list(await reader.exec_driver_sql(query))

    async def executions(self) -> set[str]:
        """See ``Store``."""
        return {row.exec_id for row in await self._rows("SELECT exec_id FROM executions")}

    async def words(self) -> dict[int, Word]:
        """See ``Store``."""
        rows = await self._rows(
            "SELECT conid, broker_epoch, broker_seq, broker_quantity FROM ledger_books "
            "WHERE broker_epoch IS NOT NULL"
        )
        return {row.conid: (row.broker_epoch, row.broker_seq, row.broker_quantity) for row in rows}

    async def doubled(self) -> list[tuple[int, int]]:
        """See ``Store``: what was booked twice is one row with one key, and would show as quantities."""
        rows = await self._rows(
            "SELECT b.conid, count(*) AS n FROM ledger_books b WHERE b.quantity <> (SELECT coalesce(sum("
            "CASE side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END), 0) FROM executions e "
            "WHERE e.account = b.account AND e.conid = b.conid) GROUP BY b.conid"
        )
        return [(row.conid, row.n) for row in rows]


async def _nobody(_account: str, _trigger: str) -> None: ...


class RealWorld:
    """The same on PostgreSQL and Redis."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self.stream = settings.facts_stream
        self._port = RedisStreams.connect(settings)
        self.streams = Streams(self._port, hook)
        self.store: RealStore = RealStore(settings, self.streams, hook)

    async def flush(self) -> None:
        """See ``World``."""
        await self._port._redis.delete(self.stream)

    async def lose_tail(self, count: int) -> None:
        """See ``World``."""
        redis = self._port._redis
        newest = [entry_id for entry_id, _ in await redis.xrevrange(self.stream, count=count)]
        if newest:
            await redis.xdel(self.stream, *newest)
            await redis.xack(self.stream, GROUP, *newest)

    async def close(self) -> None:
        """Close what it opened."""
        await self._port.close()
        await self.store.database.close()


__all__ = ["GROUP", "Killed", "MemoryWorld", "RealWorld", "Word", "World", "encode"]
