"""The hub: follows the streams, keeps the picture, numbers frames and hands them to whoever subscribed."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec

from core import logs
from core.clock import Clock, utc_now
from core.errors import StreamUnavailableError
from core.events import changes, facts
from core.settings import Settings
from core.streams.port import Entry, StreamPort
from core.tasks import heeding_cancellation
from models.queries.accounts import accounts, trade_figures
from models.queries.sync import datasets
from models.session import Database
from services.api import failures, metrics
from services.api.freshness import Verdict, conclude
from services.api.live.client import Client
from services.api.live.coverage import Signs
from services.api.live.feed import Feed, Judged, sign_of
from services.api.live.load import DATABASE_AWAY, load
from services.api.live.picture import Picture
from services.api.live.topic import RING_BYTES, RING_FRAMES, Frame, Topic
from services.api.schemas.accounts import ALL_ACCOUNTS, Summary
from services.api.schemas.common import Freshness, encode
from services.api.schemas.stream import (
    TOPICS,
    Bye,
    Heartbeat,
    Reset,
    Resumed,
    Status,
    StreamError,
    Subscription,
)

log = logs.get_logger(__name__)

POSITIONS, SUMMARY = TOPICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things happen, and how much is kept."""

    heartbeat_seconds: float = 5.0
    watch_seconds: float = 0.25
    reload_seconds: float = 60.0
    retry_seconds: float = 1.0
    weigh_seconds: float = 1.0
    worker_seconds: float = 5.0
    refresh_seconds: float = 0.2
    ring_frames: int = RING_FRAMES
    ring_bytes: int = RING_BYTES


class Hub:
    """One picture and its subscribers, in one process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        streams: StreamPort,
        *,
        clock: Clock = utc_now,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.picture = Picture()
        self.feed = Feed(self.picture)
        epoch = uuid.uuid4().hex[:16]
        self.topics = {
            name: Topic(name, epoch, ring_frames=self.pace.ring_frames, ring_bytes=self.pace.ring_bytes)
            for name in TOPICS
        }
        self.clients: set[Client] = set()
        self.loaded = asyncio.Event()
        self._settings = settings
        self._database = database
        self._streams = streams
        self._clock = clock
        self._signs = Signs()
        self._lost_at: datetime = clock()
        self._following_since: datetime | None = None
        self._worker_down = False
        self._recorded_at = 0.0
        self._verdict = self._conclude(self._lost_at)
        self._dirty = asyncio.Event()
        self._refresh_asked = asyncio.Event()
        self._database_away = False
        self._snapshots: dict[str, tuple[int, int, Verdict, str]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # -- life --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow; returns at once."""
        self._tasks = [
            asyncio.create_task(self._again(work), name=f"hub-{work.__name__}")
            for work in (self._keep_following, self._keep_pace, self._keep_watch, self._keep_beating)
        ]

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        """A fault in one round must not leave a picture that stands still and is called live."""
        while True:
            try:
                with heeding_cancellation():
                    await work()
            except Exception as error:  # noqa: BLE001 - the edge of a background task: told, and begun again
                failures.tell(log, "hub_failed", error, task=work.__name__)
                if work == self._keep_following:
                    self._lose_streams()
            await asyncio.sleep(self.pace.retry_seconds)

    async def stop(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def say_bye(self, retry_after_ms: int = 500) -> None:
        """Tell every client that the server is going."""
        text = encode(Bye(retry_after_ms=retry_after_ms)).decode()
        for client in self.clients:
            client.finish(text)

    # -- judging -----------------------------------------------------------------------------------------

    def _conclude(self, now: datetime) -> Verdict:
        return conclude(
            link=self.picture.link,
            following_since=self._following_since,
            lost_at=self._lost_at,
            synced_before=bool(self.picture.datasets),
            worker_down=self._worker_down,
            now=now,
        )

    def judge(self) -> Judged:
        """How things are now. The moment it differs from before, everything is told again."""
        now = self._clock()
        verdict = self._conclude(now)
        before, self._verdict = self._verdict, verdict
        if _told(verdict) != _told(before):
            self._judge_rows(Judged(now, verdict))
            if verdict.reason != before.reason:
                log.info("freshness_changed", reason=verdict.reason, before=before.reason)
            self._tell(self.status(Judged(now, verdict)), self.clients)
        return Judged(now, verdict)

    def _judge_rows(self, judged: Judged) -> None:
        """Mark what must be told again because it is judged otherwise than when it was last told."""
        dirty = self.picture.dirty
        for position_id, position in self.picture.positions.items():
            sign = sign_of(self.feed.position_freshness(position, judged))
            if self._signs.position(position_id) != sign:
                self._signs.set_position(position_id, position.account, sign)
                dirty.positions.add(position_id)
                dirty.accounts.add(position.account)
        for account in self.picture.accounts:
            if self._signs.summary(account) != sign_of(self.feed.summary_freshness([account], judged)):
                dirty.accounts.add(account)
        if dirty:
            self._dirty.set()

    def freshness(self, topic: str, judged: Judged) -> Freshness:
        """The block of a topic."""
        if topic == SUMMARY:
            return self.feed.summary_freshness(self.picture.accounts, judged)
        return self.feed.positions_freshness(judged)

    def status(self, judged: Judged) -> str:
        """The status message."""
        verdict = judged.verdict
        message = Status(
            links=verdict.links,
            state=verdict.state,
            since=verdict.since,
            reason=verdict.reason,
            freshness=self.feed.positions_freshness(judged),
            server_time=judged.now,
        )
        return encode(message).decode()

    # -- rows --------------------------------------------------------------------------------------------

    def summary(self, key: str, judged: Judged) -> Summary:
        """The summary of an account, or of ``ALL``."""
        return self.feed.summary(key, judged, self._signs.coverage(key))

    def flush(self) -> None:
        """Number a frame of what changed, for each topic, and hand it out."""
        if not self.loaded.is_set():
            return
        judged = self.judge()
        dirty = self.picture.take_dirty()
        positions: dict[str, bytes | None] = {}
        for position_id in dirty.positions:
            position = self.picture.positions.get(position_id)
            if position is None:
                self.feed.forget(position_id)
                self._signs.drop_position(position_id)
                positions[position_id] = None
                continue
            sign = sign_of(self.feed.position_freshness(position, judged))
            self._signs.set_position(position_id, position.account, sign)
            positions[position_id] = self.feed.encoded_position(position, judged)
        self._publish(POSITIONS, positions, judged)
        if dirty.accounts:
            told: dict[str, bytes | None] = {}
            for key in (*sorted(dirty.accounts), ALL_ACCOUNTS):
                row = self.summary(key, judged)
                self._signs.set_summary(key, sign_of(row.freshness))
                told[key] = encode(row)
            self._publish(SUMMARY, told, judged)

    def _publish(self, name: str, rows: dict[str, bytes | None], judged: Judged) -> None:
        frame = self.topics[name].frame(rows, self.freshness(name, judged)) if rows else None
        if frame is not None:
            metrics.FRAMES.labels(name).inc()
            self._tell(frame.text, (client for client in self.clients if name in client.topics))

    def _tell(self, text: str, clients: Iterable[Client]) -> None:
        for client in clients:
            client.push(text)

    # -- subscribers -------------------------------------------------------------------------------------

    def subscribe(self, client: Client, wanted: Subscription) -> None:
        """Give a client a topic: from where it left off, or from the beginning."""
        topic = self.topics.get(wanted.topic)
        if topic is None:
            known = ", ".join(TOPICS)
            error = StreamError(
                code="unknown_topic", detail=f"There is no such topic; there are {known}.", topic=wanted.topic
            )
            client.push(encode(error).decode())
            return
        client.topics.add(topic.name)
        if not self.loaded.is_set():
            return  # the snapshot comes with the first load
        if wanted.epoch is None or wanted.after_seq is None:
            client.push(self.snapshot(topic.name))
            return
        resumption = topic.resume(wanted.epoch, wanted.after_seq)
        if isinstance(resumption, str):
            client.push(encode(Reset(topic=topic.name, reason=resumption)).decode())
            client.push(self.snapshot(topic.name))
            return
        self._replay(client, topic, resumption.after_seq, resumption.frames)

    def _replay(self, client: Client, topic: Topic, after_seq: int, frames: Sequence[Frame]) -> None:
        resumed = Resumed(
            topic=topic.name,
            epoch=topic.epoch,
            after_seq=after_seq,
            replayed=len(frames),
            freshness=self.freshness(topic.name, self.judge()),
        )
        client.push(encode(resumed).decode())
        for frame in frames:
            client.push(frame.text)

    def snapshot(self, name: str) -> str:
        """A topic as it is now; encoded once for all who ask within a second."""
        judged = self.judge()
        topic = self.topics[name]
        second = int(judged.now.timestamp())
        kept = self._snapshots.get(name)
        if kept is not None and kept[:3] == (topic.seq, second, judged.verdict):
            return kept[3]
        if name == POSITIONS:
            rows = [
                (position.id, self.feed.encoded_position(position, judged))
                for position in self.feed.sorted_positions()
            ]
        else:
            # One reader is told: how the others were told last stays as it was.
            keys = (*sorted(self.picture.accounts), ALL_ACCOUNTS)
            rows = [(key, encode(self.summary(key, judged))) for key in keys]
        text = topic.snapshot(rows, self.freshness(name, judged))
        self._snapshots[name] = (topic.seq, second, judged.verdict, text)
        return text

    def begin_anew(self, topics: Iterable[str]) -> list[str]:
        """What a reader that fell behind is told."""
        texts = []
        for name in topics:
            metrics.RESETS.labels(name).inc()
            texts += [encode(Reset(topic=name, reason="slow_reader")).decode(), self.snapshot(name)]
        return texts

    # -- following ---------------------------------------------------------------------------------------

    async def _keep_following(self) -> None:
        while True:
            ends = await self._ends()
            if await self._reload() and ends is not None:
                try:
                    with heeding_cancellation():
                        # In a task of its own: Python 3.11.2 (Debian 12) leaves a task whose group failed
                        # marked as cancelled, and each timeout in it, redis-py's too, ends in CancelledError.
                        await asyncio.create_task(self._follow(*ends), name="hub-follow")
                except* StreamUnavailableError:
                    self._lose_streams()
            else:
                await asyncio.sleep(self.pace.retry_seconds)

    async def _ends(self) -> tuple[str, str] | None:
        """The newest ids, read before the database so that nothing is missed; ``None``: Redis is away."""
        try:
            return (
                await self._streams.last_id(self._settings.changes_stream),
                await self._streams.last_id(self._settings.ticks_stream),
            )
        except StreamUnavailableError:
            self._lose_streams()
            return None

    def _lose_streams(self) -> None:
        if self._following_since is not None:
            log.warning("streams_lost", reason="Redis cannot be reached; showing what the database knows")
            self._following_since = None
            self._lost_at = self._clock()
            self.picture.link = None
        self.judge()

    async def _follow(self, changes_after: str, ticks_after: str) -> None:
        log.info("streams_followed")
        self._following_since = self._clock()
        self.judge()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail(self._settings.changes_stream, changes_after, self._take_changes))
            group.create_task(self._tail(self._settings.ticks_stream, ticks_after, self._take_ticks))
            group.create_task(self._keep_refreshing())
            group.create_task(self._keep_weighing())

    async def _tail(self, stream: str, after: str, take: Callable[[Entry], None]) -> None:
        while True:
            entries = await self._streams.tail(stream, after, count=512, block_ms=1000)
            for entry in entries:
                after = entry.id
                try:
                    take(entry)
                except msgspec.DecodeError as error:
                    # One that a newer version wrote: the next reload brings what it meant.
                    metrics.UNREADABLE.labels(stream.rpartition(":")[2]).inc()
                    log.warning("stream_entry_unreadable", stream=stream, entry=entry.id, reason=str(error))
            if entries:
                self._changed()

    async def _keep_weighing(self) -> None:
        """Notice when facts wait and nothing is recorded: then what we show falls behind the broker."""
        waiting_since: float | None = None
        while True:
            about = await self._streams.info(self._settings.facts_stream)
            waiting = sum(group.pending_entries + (group.lag_entries or 0) for group in about.groups)
            if not about.groups:
                waiting = about.length_entries
            now = time.monotonic()
            waiting_since = (waiting_since or now) if waiting else None
            idle_since = max(waiting_since or now, self._recorded_at)
            self._worker_down = now - idle_since > self.pace.worker_seconds
            await asyncio.sleep(self.pace.weigh_seconds)

    def _take_changes(self, entry: Entry) -> None:
        self._recorded_at = time.monotonic()
        for change in changes.decode(entry.data).changes:
            self.picture.apply(change)

    def _take_ticks(self, entry: Entry) -> None:
        batch = facts.decode_ticks(entry.data)
        now = self._clock()
        for tick in batch.ticks:
            self.picture.tick(tick, epoch=batch.epoch, now=now)

    def _changed(self) -> None:
        if self.picture.dirty.figures:
            self.picture.dirty.figures = False
            self._refresh_asked.set()
        self.judge()
        if self.picture.dirty:
            if self._settings.stream_conflate_ms:
                self._dirty.set()
            else:
                self.flush()

    # -- the database ------------------------------------------------------------------------------------

    async def _reload(self) -> bool:
        self.picture.touched.clear()
        try:
            loaded = await load(self._database)
        except DATABASE_AWAY as error:
            self._say_database_away(error)
            return False
        self._say_database_back()
        self.picture.merge(loaded)
        self.picture.dirty.figures = False
        if not self.loaded.is_set():
            self.loaded.set()
            self.flush()
            for client in self.clients:
                for name in sorted(client.topics):
                    client.push(self.snapshot(name))
        self._changed()
        return True

    async def _keep_refreshing(self) -> None:
        """What changes do not carry whole is read anew, many changes at once; all of it once a minute."""
        reload_at = time.monotonic() + self.pace.reload_seconds
        figures_at = 0.0
        while True:
            wait = max(0.0, reload_at - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._refresh_asked.wait()
            self._refresh_asked.clear()
            began = time.monotonic()
            if began >= reload_at:
                await self._reload()
                reload_at = time.monotonic() + self.pace.reload_seconds
            else:
                counting = began >= figures_at
                await self._refresh(counting=counting)
                if counting:
                    # Counting a long history costs something: never more than a twentieth of the time.
                    figures_at = began + max(1.0, 20 * (time.monotonic() - began))
                else:
                    asyncio.get_running_loop().call_later(figures_at - began, self._refresh_asked.set)
            await asyncio.sleep(self.pace.refresh_seconds)

    async def _refresh(self, *, counting: bool) -> None:
        try:
            async with self._database.read() as reader:
                known = await accounts(reader)
                downloads = await datasets(reader)
                figures = await trade_figures(reader) if counting else {}
        except DATABASE_AWAY as error:
            self._say_database_away(error)
            self._refresh_asked.set()
            return
        self._say_database_back()
        for row in known:
            self.picture.take_account(row)
        self.picture.take_figures(figures, downloads)
        self._judge_rows(self.judge())
        self._changed()

    def _say_database_away(self, error: BaseException) -> None:
        if not self._database_away:
            self._database_away = True
            log.warning("database_lost", reason=error.__class__.__name__)

    def _say_database_back(self) -> None:
        if self._database_away:
            self._database_away = False
            log.info("database_back")

    # -- the clock ---------------------------------------------------------------------------------------

    async def _keep_pace(self) -> None:
        frame_seconds = self._settings.stream_conflate_ms / 1000
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self.flush()
            await asyncio.sleep(frame_seconds)

    async def _keep_watch(self) -> None:
        """Silence makes no sound: look for a beat that is missing and for values that grew old."""
        rounds = 0
        while True:
            await asyncio.sleep(self.pace.watch_seconds)
            rounds += 1
            judged = self.judge()
            if rounds % 4 == 0:
                self._judge_rows(judged)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self.pace.heartbeat_seconds)
            now = self._clock()
            texts: dict[frozenset[str], str] = {}
            for client in self.clients:
                topics = frozenset(client.topics)
                if topics not in texts:
                    seqs = {name: self.topics[name].seq for name in sorted(topics)}
                    texts[topics] = encode(Heartbeat(seqs=seqs, server_time=now)).decode()
                client.push(texts[topics])


def _told(verdict: Verdict) -> tuple[object, ...]:
    """What of a verdict is news when it differs."""
    return verdict.links, verdict.reason, verdict.epoch, verdict.state
