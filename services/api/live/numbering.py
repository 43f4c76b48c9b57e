"""Who numbers the frames. Replicas on one Redis agree on it, so that a client can go from one to another.

One of them leads: it numbers, and writes each frame to the frames stream before anybody is told. The others
read the stream and tell their clients the same. A frame is added only right after the one that its writer
knew as the newest, so one that stood still while another took over can add nothing. While nobody follows,
the leader writes nothing but that it is alone; and without Redis each replica numbers for itself.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from core import logs
from core.errors import StreamLostError, StreamUnavailableError
from core.streams.port import START, Entry, StreamPort
from core.tasks import heeding_cancellation
from services.api.live import handed
from services.api.live.kept import Kept
from services.api.live.shown import Row
from services.api.live.topic import RING_BYTES, Frame, Topic
from services.api.schemas.common import Freshness

log = logs.get_logger(__name__)

Role: TypeAlias = Literal["waiting", "own", "alone", "shared", "following"]
Rows: TypeAlias = dict[str, Row | None]

_READ_ENTRIES = 256
_LEAST_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a lead lasts, how often it is sought again, and how long frames are written for nobody.

    Whoever stood still for less than ``linger_seconds`` finds in the stream what was told meanwhile, if that
    is no more than about ``keep_bytes``. The stream goes ``keep_seconds`` after the last who took part: one
    of another version follows another.
    """

    lead_seconds: float = 2.0
    seek_seconds: float = 0.5
    linger_seconds: float = 30.0
    keep_seconds: float = 600.0
    keep_bytes: int = 2 * RING_BYTES


class Desk(Protocol):
    """What numbering asks of the hub."""

    def now(self) -> datetime:
        """The time."""
        ...

    def freshness_of(self, topic: str) -> Freshness:
        """The block of a topic, as judged now."""
        ...

    async def collect(self) -> dict[str, dict[str, Row]]:
        """Every row of every topic, as this replica has them."""
        ...

    def tell_again(self) -> None:
        """Have everything told that differs from what the topics show."""
        ...

    def hand_out(self, frame: Frame) -> None:
        """Tell the subscribers."""
        ...

    def begin_anew(self, topics: Iterable[str], reason: str) -> None:
        """These topics began anew: whoever follows them is told so."""
        ...

    def wake(self) -> None:
        """What waits can be numbered now."""
        ...


def _new_epoch() -> str:
    return uuid.uuid4().hex[:16]


class Numbering:
    """This replica's part in it."""

    def __init__(
        self,
        streams: StreamPort,
        stream: str,
        topics: Mapping[str, Topic],
        desk: Desk,
        terms: Terms | None = None,
    ) -> None:
        self.role: Role = "waiting"
        self._streams = streams
        self._stream = stream
        self._topics = topics
        self._desk = desk
        self._terms = terms or Terms()
        self._candidate = _new_epoch()
        self._position = START
        self._kept = Kept(self._terms.keep_bytes)
        self._void = set(topics)
        self._asked_at = 0.0
        self._is_lost = False
        self._has_caught_up = False
        self._known: frozenset[str] = frozenset()
        self._leads_until = 0.0
        self._shares_until = 0.0
        self._writing = asyncio.Lock()

    @property
    def numbers(self) -> bool:
        """Whether this replica is the one that numbers; of those without Redis each is."""
        return self.role in {"own", "alone", "shared"}

    @property
    def numbers_at_once(self) -> bool:
        """Whether a frame counts as soon as it has its number: nobody else has to know of it.

        A leader that stood still may have been replaced, and does not know yet.
        """
        return self.role == "own" or (self.role == "alone" and time.monotonic() < self._leads_until)

    # -- numbering ---------------------------------------------------------------------------------------

    def number(self, topic: str, rows: Rows, freshness: Freshness) -> None:
        """Number a frame and hand it out. Only where that is done at once."""
        frame = self._topics[topic].frame(rows, freshness)
        if frame is not None:
            self._publish(frame)

    async def share(self, told: Mapping[str, tuple[Rows, Freshness]]) -> None:
        """Number frames, and hand them out once they are in the stream.

        What cannot be written is told anew by whoever numbers next, with all the rest.
        """
        async with self._writing:
            if self.role != "shared":
                # It ceased to be while this waited. These rows count as told, and nobody has told them.
                self._desk.tell_again()
                return
            made = [self._topics[name].frame(rows, freshness) for name, (rows, freshness) in told.items()]
            frames = [frame for frame in made if frame is not None]
            if await self._write([frame.text.encode() for frame in frames]):
                for frame in frames:
                    self._publish(frame)

    @property
    def _most_entries(self) -> int:
        """As many as clients who come back can be told of."""
        return max(_LEAST_KEPT, sum(topic.held_frames for topic in self._topics.values()))

    @property
    def _keep_ms(self) -> int:
        return int(self._terms.keep_seconds * 1000)

    async def _write(self, payloads: list[bytes]) -> bool:
        """Add to the stream what follows from all that is in it; ``False``: this replica numbers no more."""
        if not payloads:
            return True
        keep = self._kept.add(payloads, self._most_entries)
        try:
            async with asyncio.timeout(self._terms.lead_seconds):
                position = await self._streams.append_after(
                    self._stream,
                    payloads,
                    after=self._position,
                    keep_entries=keep,
                    keep_ms=self._keep_ms,
                )
        except (StreamUnavailableError, TimeoutError):
            position = None  # it may be in the stream all the same: what is there counts
        if self.role != "shared":
            return False  # it was found out meanwhile that Redis is away
        if position is None:
            self._let_go()
            return False
        self._position = position
        return True

    def _publish(self, frame: Frame) -> None:
        self._topics[frame.topic].apply(frame)
        self._desk.hand_out(frame)

    def _let_go(self) -> None:
        """Number no more. What was numbered with nobody following is not in the stream."""
        if self.role != "shared":
            self._void = set(self._topics)
            self._is_lost = self.role != "waiting"
        self.role = "following"
        self._known = frozenset()

    # -- agreeing ----------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Take part, for ever."""
        while True:
            try:
                with heeding_cancellation():
                    await self._turn()
            except (StreamUnavailableError, TimeoutError):
                await self._be_on_its_own()
                await asyncio.sleep(self._terms.seek_seconds)

    async def leave(self) -> None:
        """Let another lead at once."""
        try:
            async with asyncio.timeout(self._terms.lead_seconds):
                await self._streams.leave_lead(self._stream, self._candidate)
        except (StreamUnavailableError, TimeoutError):
            return

    async def _turn(self) -> None:
        began = time.monotonic()
        self._ask_for_a_base(began)
        async with asyncio.timeout(self._terms.lead_seconds):
            lead = await self._streams.seek_lead(
                self._stream,
                self._candidate,
                ttl_ms=int(self._terms.lead_seconds * 1000),
                keep_ms=self._keep_ms,
            )
        if lead.leader != self._candidate:
            if self.role != "following":
                self._let_go()
            await self._follow(until=began + self._terms.seek_seconds)
            return
        others = lead.candidates - {self._candidate}
        if self.role in {"alone", "shared"}:
            await self._mind(others)
        else:
            await self._take_over(others)
        self._leads_until = began + self._terms.lead_seconds
        if self.numbers:
            self._desk.wake()
        await asyncio.sleep(self._terms.seek_seconds)

    def _ask_for_a_base(self, now: float) -> None:
        """Come as a new one, where what this one shows does not go on with the stream.

        So it is, too, where the base that it was given had been trimmed before it was read.
        """
        in_vain = bool(self._void) and now - self._asked_at > 2 * self._terms.lead_seconds
        if self.role == "following" and (self._is_lost or in_vain):
            self._candidate = _new_epoch()
            self._asked_at = now
        elif self.role != "following" or not self._void:
            self._asked_at = now
        self._is_lost = False

    async def _take_over(self, others: frozenset[str]) -> None:
        """Go on from the newest frame where that is known, else begin anew."""
        was_own = self.role == "own"
        if not was_own:
            await self._read_all()
        continues = not self._void
        if not continues:
            if not was_own:
                self._begin(await self._desk.collect())
            self._position = await self._streams.last_id(self._stream)
            self._kept.forget()
        log.info("numbering_frames", replicas=len(others) + 1, continues=continues)
        self.role = "shared"
        if continues:
            self._linger()
        await self._mind(others)
        self._void = set() if self.numbers else set(self._topics)
        if continues:
            # What was told last by another, and what it had still to tell, is not what this replica knows.
            self._desk.tell_again()

    async def _mind(self, others: frozenset[str]) -> None:
        """Give a base to whoever is new, and write nothing where nobody reads."""
        new = others - self._known
        self._known |= others
        if others:
            self._linger()
        if new or (others and self.role == "alone"):
            self.role = "shared"
            async with self._writing:
                now = self._desk.now()
                await self._write(
                    [
                        topic.snapshot(self._desk.freshness_of(name), now).encode()
                        for name, topic in self._topics.items()
                    ]
                )
        elif self.role == "shared" and time.monotonic() >= self._shares_until:
            async with self._writing:
                if await self._write([handed.ALONE]):
                    self.role = "alone"
                    self._known = frozenset()

    def _linger(self) -> None:
        self._shares_until = time.monotonic() + self._terms.linger_seconds

    def _begin(self, rows: Mapping[str, Mapping[str, Row]]) -> None:
        epoch = _new_epoch()
        for name, topic in self._topics.items():
            topic.begin(epoch, 0, rows[name])
        self._desk.begin_anew(self._topics, "epoch_changed")

    async def _be_on_its_own(self) -> None:
        """Redis is away. Numbers that others were told as well cannot go on from here."""
        if self.role == "own":
            return
        if self.role != "alone":
            self._begin(await self._desk.collect())
        self.role = "own"
        self._known = frozenset()
        self._void = set(self._topics)
        self._desk.wake()

    # -- following ---------------------------------------------------------------------------------------

    async def _follow(self, *, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            await self._read(block_ms=max(1, int(left * 1000)))

    async def _read_all(self) -> None:
        while await self._read(block_ms=0):
            pass

    async def _read(self, *, block_ms: int) -> bool:
        try:
            entries = await self._streams.tail(
                self._stream, self._position, count=_READ_ENTRIES, block_ms=block_ms
            )
        except StreamLostError:
            self._position = START
            self._kept.forget()
            self._void = set(self._topics)
            return True
        for entry in entries:
            self._position = entry.id
            self._kept.add([entry.data], self._most_entries)
            self._take(entry)
        self._has_caught_up = self._has_caught_up or not entries
        return bool(entries)

    def _take(self, entry: Entry) -> None:
        try:
            word = handed.read(entry.data)
            if isinstance(word, handed.Alone):
                self._void = set(self._topics)
                if not self._has_caught_up:
                    # What stands before it was told to others, however long ago, and is not to be shown.
                    for topic in self._topics.values():
                        topic.forget()
            elif word.topic in self._topics:
                self._heed(word, self._topics[word.topic], entry.data)
        except msgspec.DecodeError as error:
            log.warning("frame_unreadable", entry=entry.id, reason=str(error))

    def _heed(self, word: handed.Delta | handed.Base, topic: Topic, data: bytes) -> None:
        if isinstance(word, handed.Base):
            self._void.discard(topic.name)
            if not word.says_nothing_new(topic):
                reason = "too_far_behind" if word.epoch == topic.epoch else "epoch_changed"
                topic.begin(word.epoch, word.seq, word.rows())
                self._desk.begin_anew([topic.name], reason)
        elif topic.name not in self._void:
            if (word.epoch, word.prev_seq) == (topic.epoch, topic.seq):
                self._publish(word.frame(data.decode()))
            else:
                # Frames are missing.
                self._void.add(topic.name)
                self._is_lost = True
