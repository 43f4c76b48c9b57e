"""The state machine's world on real servers: PostgreSQL, with the relay, and Redis."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from core.errors import StreamUnavailableError
from core.settings import Settings
from core.streams.port import Appended, Entry
from core.streams.redis import FIELD, RedisStreams, _available
from models.session import Database
from models.stores.broker_sessions import open_broker_session
from services.position_sync.relay import Relay
from tests.faults.worlds import NO_MARK, UNDOABLE_APPENDS, Hook, Loss, Store, Word, forgotten


class RealServer:
    """Redis, with the misfortunes of ``MemoryStreams``."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self._port = RedisStreams.connect(settings)
        self._redis = self._port._redis
        self._facts = settings.facts_stream
        self._hook = hook
        self._earlier: deque[dict[bytes, bytes]] = deque(maxlen=UNDOABLE_APPENDS)
        self._changing = asyncio.Lock()
        self.arrived: set[bytes] = set()
        self.marks: list[tuple[str, int]] = []
        self.down = False
        self.outcomes_unknown = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        async def called(*arguments: Any, **options: Any) -> Any:
            self._require_up()
            return await method(*arguments, **options)

        return called

    def _require_up(self) -> None:
        if self.down:
            raise StreamUnavailableError("Redis cannot be reached (it was told to be away).")

    async def append_marked(self, stream: str, payloads: Sequence[bytes], **options: Any) -> Appended:
        """See ``StreamPort``."""
        async with self._changing:
            self._require_up()
            earlier = await self._everything()
            appended = await self._port.append_marked(stream, payloads, **options)
            self._earlier.append(earlier)
            self.arrived.update(payloads)
            self.marks.append((options["writer"], int(options["mark"])))
        if self.outcomes_unknown:
            self.outcomes_unknown -= 1
            raise StreamUnavailableError("Redis cannot be reached (the answer was lost).")
        return appended

    async def append(self, stream: str, payloads: Sequence[bytes], **options: Any) -> None:
        """See ``StreamPort``. Facts come so from a link that was replaced; it hears, and marks, nothing."""
        self._require_up()
        if stream != self._facts:
            await self._port.append(stream, payloads, **options)
            return
        async with self._changing:
            earlier = await self._everything()
            await self._port.append(stream, payloads, **options)
            self._earlier.append(earlier)
            self.arrived.update(payloads)
            self.marks.append(NO_MARK)

    async def acknowledge(self, stream: str, group: str, ids: Sequence[str]) -> None:
        """See ``StreamPort``."""
        self._require_up()
        self._hook("before_ack")
        await self._port.acknowledge(stream, group, ids)
        self._hook("after_ack")

    async def _everything(self) -> dict[bytes, bytes]:
        async with _available():
            keys = sorted(await self._redis.keys(f"{self._facts}*"))
        pipeline = self._redis.pipeline(transaction=True)
        for key in keys:
            pipeline.dump(key)
        # A link may be killed meanwhile, and the client swallow that.
        async with _available():
            kept = await pipeline.execute()
        return {key: dump for key, dump in zip(keys, kept, strict=True) if dump is not None}

    async def lose(self, appends: int | None = None) -> Loss:
        """See ``World``. Nothing is appended meanwhile."""
        async with self._changing:
            before = await self.payloads()
            if appends is None:
                self._earlier.clear()
                await self._become({})
            elif appends := min(appends, len(self._earlier)):
                await self._become([self._earlier.pop() for _ in range(appends)][-1])
            gone = before - await self.payloads()
            self.arrived -= gone
            return Loss(gone, forgotten(self.marks, appends))

    async def _become(self, earlier: dict[bytes, bytes]) -> None:
        pipeline = self._redis.pipeline(transaction=True)
        for key in await self._redis.keys(f"{self._facts}*"):
            pipeline.delete(key)
        for key, dump in earlier.items():
            pipeline.restore(key, 0, dump)
        await pipeline.execute()

    async def payloads(self) -> set[bytes]:
        """See ``World``."""
        return {fields[FIELD] for _, fields in await self._redis.xrange(self._facts)}

    async def close(self) -> None:
        """See ``StreamPort``."""
        await self._port.close()


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
        self._relay = Relay(self.database, streams, settings, ask_for_comparison=_nobody)

    async def handle(self, entries: Sequence[Entry]) -> None:
        """See ``Store``."""
        await self._relay.handle(entries)

    async def _rows(self, query: str) -> list[Any]:
        async with self.database.read() as reader:
            return list(await reader.exec_driver_sql(query))

    async def booked(self) -> set[str]:
        """See ``Store``."""
        rows = await self._rows("SELECT exec_id FROM executions UNION ALL SELECT payload FROM dead_facts")
        return {row.exec_id for row in rows}

    async def words(self) -> dict[int, Word]:
        """See ``Store``."""
        rows = await self._rows(
            "SELECT conid, broker_epoch, broker_seq, broker_quantity FROM ledger_books "
            "WHERE broker_epoch IS NOT NULL"
        )
        return {row.conid: (row.broker_epoch, row.broker_seq, row.broker_quantity) for row in rows}

    async def doubled(self) -> list[Any]:
        """See ``Store``: a frame is counted each time, an execution has a row and would show as quantity."""
        return [
            tuple(row)
            for row in await self._rows(
                "SELECT payload, occurrences FROM dead_facts WHERE occurrences > 1 UNION ALL "
                "SELECT b.conid::text, count(*) FROM ledger_books b "
                "WHERE b.quantity <> (SELECT coalesce(sum("
                "CASE side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END), 0) FROM executions e "
                "WHERE e.account = b.account AND e.conid = b.conid) GROUP BY b.conid"
            )
        ]

    async def begun(self) -> set[int]:
        """See ``Store``."""
        rows = await self._rows("SELECT epoch FROM broker_sessions WHERE first_entry_ms IS NOT NULL")
        return {row.epoch for row in rows}


async def _nobody(_account: str, _trigger: str) -> None: ...


class RealWorld:
    """The same on PostgreSQL and Redis."""

    def __init__(self, settings: Settings, hook: Hook) -> None:
        self.stream = settings.facts_stream
        self.server = RealServer(settings, hook)
        self.store: Store = RealStore(settings, self.server, hook)
        self._database = Database(settings.require_database_url(), application="link", pool_size=1)
        self.lose = self.server.lose
        self.payloads = self.server.payloads

    async def open_epoch(self) -> int:
        """See ``World``."""
        async with self._database.write() as writer:
            session = await open_broker_session(
                writer,
                login="gateway:4001",
                client_id=1,
                holder="machine",
                now=datetime.now(UTC),
                earlier=0,
                earlier_ended="replaced",
                earlier_ended_at=datetime.now(UTC),
            )
        return session.epoch

    async def close(self) -> None:
        """See ``World``."""
        await self.server.close()
        await self._database.close()
        assert isinstance(self.store, RealStore)
        await self.store.database.close()
