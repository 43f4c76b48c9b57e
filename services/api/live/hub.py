"""The hub: one picture of what is held and worth, judged, told in numbered frames to whoever subscribed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import cycle

from core import logs
from core.clock import Clock, utc_now
from core.events import changes
from core.settings import Settings
from core.streams.port import StreamPort
from core.tasks import heeding_cancellation
from core.version import installed_version
from models.queries.accounts import AccountRow
from models.session import Database
from services.api import failures
from services.api.freshness import Verdict, conclude, worst
from services.api.live.board import Board, Part
from services.api.live.client import BEAT_TURNS
from services.api.live.coverage import Signs
from services.api.live.feed import Feed, Judged, sign_of
from services.api.live.following import Following
from services.api.live.numbering import Numbering, Rows
from services.api.live.pace import Pace
from services.api.live.picture import Picture
from services.api.live.readings import LOOKED_AT, Readings
from services.api.live.shown import EXECUTIONS, JOBS, POSITIONS, SHOWN, SUMMARY, Row
from services.api.live.topic import Frame
from services.api.schemas.accounts import Summary
from services.api.schemas.common import Coverage, Freshness
from services.api.schemas.positions import Position

log = logs.get_logger(__name__)


class Hub(Board):
    """One picture and its subscribers, in one process.

    ``views`` are boards of some accounts, by these, for those who may see no others. ``views_wait`` says that
    one of them has something to read.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        streams: StreamPort,
        *,
        clock: Clock = utc_now,
        pace: Pace | None = None,
    ) -> None:
        picture = Picture()
        super().__init__(
            picture,
            Feed(picture),
            SHOWN,
            pace=pace or Pace(),
            loaded=asyncio.Event(),
            joined=self._joined,
        )
        self.settings = settings
        self.views: dict[frozenset[str], Part] = {}
        self.views_wait = asyncio.Event()
        self.following = Following(
            settings, database, streams, self.picture, self, clock=clock, pace=self.pace
        )
        # Replicas of different versions would not understand each other's rows.
        stream = f"{settings.frames_stream}:{installed_version()}"
        self.numbering = Numbering(streams, stream, self.topics, self, self.pace.terms)
        self._readings = Readings(settings, database, streams, self.feed)
        self._read: set[str] = set()
        self._frame_seconds = settings.stream_conflate_ms / 1000
        self._clock = clock
        self._signs = Signs()
        self._settled_at = -1
        self._judged = self._conclude(clock())
        self._dirty = asyncio.Event()
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow; returns at once."""
        works = (
            self.following.keep_following,
            self._keep_numbering,
            self._keep_pace,
            self._keep_watch,
            self._keep_looking,
            self._keep_views,
            self._keep_beating,
        )
        self._tasks = [asyncio.create_task(self._again(work), name=f"hub-{work.__name__}") for work in works]

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        """A fault in one round must not leave a picture that stands still and is called live."""
        while True:
            try:
                with heeding_cancellation():
                    await work()
            except Exception as error:  # noqa: BLE001 - the edge of a background task: told, and begun again
                failures.tell(log, "hub_failed", error, task=work.__name__)
                if work == self.following.keep_following:
                    self.following.lose_streams()
            await asyncio.sleep(self.pace.retry_seconds)

    async def stop(self) -> None:
        """Stop following, and let another replica number."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.numbering.leave()

    def say_bye(self, retry_after_ms: int = 500) -> None:
        """Tell every client that the server is going."""
        for each in (self, *self.views.values()):
            each.subscribers.say_bye(retry_after_ms)

    # -- judging -----------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time."""
        return self._clock()

    def _conclude(self, now: datetime) -> Judged:
        logins = self.picture.logins()
        told = {login: self._conclude_of(login, now) for login in logins}
        waiting = [self._conclude_of(login, now) for login in self.picture.logins_without_accounts(now)]
        if len(told) <= 1:
            verdict = next(iter(told.values()), None) or self._conclude_of("", now)
            return Judged(now, verdict, waiting=waiting)
        apart = {account: told[login] for login, accounts in logins.items() for account in accounts}
        return Judged(now, worst(told.values()), apart, waiting)

    def _conclude_of(self, login: str, now: datetime) -> Verdict:
        return conclude(
            login=login,
            link=self.picture.links.get(login),
            following_since=self.following.since,
            lost_at=self.following.lost_at,
            synced_before=bool(self.picture.datasets),
            worker_down=self.following.worker_down,
            now=now,
        )

    def judge(self) -> Judged:
        """How things are now. The moment it differs from before, everything is told again."""
        judged = self._conclude(self._clock())
        before, self._judged = self._judged, judged
        if judged.signs() != before.signs():
            self._judge_rows(judged)
            if judged.verdict.reason != before.verdict.reason:
                log.info("freshness_changed", reason=judged.verdict.reason, before=before.verdict.reason)
            for each in (self, *self.views.values()):
                each.tell_status(judged)
            self._look.set()
        return judged

    def settle(self) -> Judged:
        """Judge now; rows that read otherwise for it are told before anything else is. Once a second."""
        judged = self.judge()
        second = int(judged.now.timestamp())
        if second != self._settled_at:
            self._settled_at = second
            self._judge_rows(judged)
            if self.numbering.numbers_at_once:
                self.flush()
        return judged

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

    def freshness_of(self, topic: str) -> Freshness:
        """The block of a topic, as judged now."""
        return self.freshness(topic, self.judge())

    # -- rows --------------------------------------------------------------------------------------------

    def coverage(self, key: str) -> Coverage:
        """How many of the open positions of an account, or of ``ALL``, have a fresh mark."""
        return self._signs.coverage(key)

    def position_rows(self, ids: Iterable[str], judged: Judged) -> Rows:
        """Rows of positions; as they are judged here is how they count as told."""
        rows = super().position_rows(ids, judged)
        for key, row in rows.items():
            if isinstance(row, Position):
                self._signs.set_position(key, row.account, sign_of(row.freshness))
            else:
                self.feed.forget(key)
                self._signs.drop_position(key)
        return rows

    def summary_rows(self, accounts: Iterable[str], judged: Judged) -> Rows:
        """Rows of accounts; the same holds for them."""
        rows = super().summary_rows(accounts, judged)
        for key, row in rows.items():
            if isinstance(row, Summary):
                self._signs.set_summary(key, sign_of(row.freshness))
        return rows

    def _take_dirty(self, judged: Judged | None = None) -> dict[str, tuple[Rows, Freshness]]:
        """Rows of what changed, for each topic; from here on they count as told."""
        judged = judged or self.judge()
        dirty = self.picture.take_dirty()
        rows = {POSITIONS: self.position_rows(dirty.positions, judged)}
        if dirty.accounts:
            rows[SUMMARY] = self.summary_rows(dirty.accounts, judged)
        for name in self._read:
            rows[name] = self.topics[name].difference(self._readings.rows[name])
        self._read = set()
        # Their numbers are their own, whoever numbers ours.
        for view in [*self.views.values()]:
            view.tell_changes(dirty, judged)
        return {name: (told, self.freshness(name, judged)) for name, told in rows.items() if told}

    def flush(self, judged: Judged | None = None) -> None:
        """Number a frame of what changed, for each topic, and hand it out; as ``judged``, if it just was."""
        if not self.loaded.is_set():
            return
        if self.numbering.numbers_at_once:
            for name, (rows, block) in self._take_dirty(judged).items():
                self.numbering.number(name, rows, block)
        elif self.numbering.role == "shared":
            self._dirty.set()
        elif self.numbering.role != "alone":
            # Another numbers, or it is not settled who: nothing to tell, but coverage is counted by this.
            self._take_dirty(judged)

    # -- what numbering asks for -------------------------------------------------------------------------

    async def collect(self) -> dict[str, dict[str, Row]]:
        """Every row of every topic, as this replica has them."""
        await self._readings.read(set(self._readings.rows), self.judge())
        # Views have their own numbers, and coverage is counted by this.
        self._take_dirty()
        judged = self.judge()
        ordered = [position.id for position in self.feed.sorted_positions()]
        rows: dict[str, Mapping[str, Row | None]] = {
            POSITIONS: self.position_rows(ordered, judged),
            SUMMARY: self.summary_rows(self.picture.accounts, judged),
            **self._readings.rows,
        }
        return {
            name: {key: row for key, row in listed.items() if row is not None}
            for name, listed in rows.items()
        }

    def tell_again(self) -> None:
        """Have everything told that differs from what the topics show."""
        dirty = self.picture.dirty
        dirty.positions.update(self.picture.positions, self.topics[POSITIONS].rows)
        dirty.accounts.update(self.picture.accounts)
        self._readings.due.update(self._readings.rows)
        self._look.set()
        self._dirty.set()

    def hand_out(self, frame: Frame) -> None:
        """Tell the subscribers."""
        self.subscribers.hand_out(frame)

    def begin_anew(self, topics: Iterable[str], reason: str) -> None:
        """These topics began anew: whoever follows them is told so."""
        self.subscribers.begin_anew(topics, reason)

    def wake(self) -> None:
        """What waits can be numbered now."""
        if self.picture.dirty or self._read:
            self._dirty.set()

    def _joined(self, topic: str) -> None:
        if topic in LOOKED_AT:
            self._look.set()

    # -- what following tells ----------------------------------------------------------------------------

    def loaded_again(self) -> None:
        """All of the picture was read from the database."""
        self._readings.due.add(EXECUTIONS)
        for view in self.views.values():
            view.recorded(EXECUTIONS, None)
        if not self.loaded.is_set():
            self.loaded.set()
            self.flush()
            for view in self.views.values():
                view.begin()

    def know_account(self, row: AccountRow) -> None:
        """Show at once what was just said of an account; other replicas hear of it."""
        self.picture.take_account(row)
        self.changed()

    def refreshed(self) -> None:
        """What belongs to many rows was read from the database."""
        self._judge_rows(self.judge())

    def changed(self) -> None:
        """Something in the picture changed."""
        judged = self.judge()
        if self.picture.dirty:
            if self._frame_seconds:
                self._dirty.set()
            else:
                self.flush(judged)

    def recorded(self, change: changes.Change) -> None:
        """A change was committed."""
        account = None
        if isinstance(change, changes.ExecutionRecorded | changes.PositionChanged):
            topic, account = EXECUTIONS, change.account
        elif isinstance(change, changes.JobChanged):
            topic = JOBS
        else:
            return
        self._readings.due.add(topic)
        self._look.set()
        for view in self.views.values():
            view.recorded(topic, account)

    def lost(self) -> None:
        """The streams began or ceased to be followed."""
        self.judge()

    # -- the clock ---------------------------------------------------------------------------------------

    async def _keep_numbering(self) -> None:
        await self.loaded.wait()
        await self.numbering.keep()

    async def _keep_pace(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self.numbering.role == "shared":
                await self.numbering.share(self._take_dirty())
            else:
                self.flush()
            await asyncio.sleep(self._frame_seconds)

    async def _keep_watch(self) -> None:
        """Silence makes no sound: look for a beat that is missing and for values that grew old."""
        rounds = 0
        while True:
            await asyncio.sleep(self.pace.watch_seconds)
            rounds += 1
            judged = self.judge()
            if rounds % 4 == 0:
                self._judge_rows(judged)

    async def _keep_looking(self) -> None:
        """Read what is not told whole by a change: never more than a twentieth of the time."""
        while True:
            await self._wait_to_look(self._look)
            if not self.numbering.numbers:
                continue
            began = time.monotonic()
            followed = {
                name for name in LOOKED_AT if self.numbering.role == "shared" or self.subscribers.follow(name)
            }
            wanted = followed | (self._readings.due - LOOKED_AT)
            await self._readings.read(wanted, self.judge())
            self._read |= {name for name in wanted if self.topics[name].difference(self._readings.rows[name])}
            if self._read:
                self._dirty.set()
            await asyncio.sleep(max(self.pace.refresh_seconds, 20 * (time.monotonic() - began)))

    async def _keep_views(self) -> None:
        """The same for each view: its numbers are its own, whoever numbers ours."""
        while True:
            await self._wait_to_look(self.views_wait)
            began = time.monotonic()
            for view in [*self.views.values()]:
                await view.look()
            await asyncio.sleep(max(self.pace.refresh_seconds, 20 * (time.monotonic() - began)))

    async def _wait_to_look(self, asked: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.pace.look_seconds):
                await asked.wait()
        asked.clear()

    async def _keep_beating(self) -> None:
        for turn in cycle(range(BEAT_TURNS)):
            await asyncio.sleep(self.pace.heartbeat_seconds / BEAT_TURNS)
            for each in (self, *self.views.values()):
                each.beat(self._clock(), turn)
