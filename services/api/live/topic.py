"""One topic: rows under keys, numbered frames, and the last of them for those who come back."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from services.api.live.shown import SHOWN, Row
from services.api.schemas.common import Freshness, encode

RING_FRAMES = 1_024
RING_BYTES = 8_000_000
_NO_ROWS: Mapping[str, Row | None] = {}


class Frame(NamedTuple):
    """One numbered frame, encoded once for everybody. ``rows`` are those it changes, ``None`` for an end."""

    topic: str
    epoch: str
    seq: int
    rows: Mapping[str, Row | None]
    text: str


class Resumption(NamedTuple):
    """The frames that a returning client missed."""

    after_seq: int
    frames: tuple[Frame, ...]


class Topic:
    """The rows as the newest frame left them. The sequence is +1 a frame within an epoch.

    A frame is conflated before it gets its number. It counts once it is applied: in between it may have to
    be agreed upon with others.
    """

    def __init__(self, name: str, *, ring_frames: int = RING_FRAMES, ring_bytes: int = RING_BYTES) -> None:
        self.name = name
        self.epoch = ""
        self.seq = 0
        self.rows: dict[str, Row] = {}
        self._aged = SHOWN[name].aged
        self._ring: deque[Frame] = deque()
        self._ring_frames = ring_frames
        self._ring_bytes = ring_bytes
        self._held_bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to subscribe to yet."""
        return bool(self.epoch)

    @property
    def held_frames(self) -> int:
        """How many frames are kept for those who come back."""
        return len(self._ring)

    def begin(self, epoch: str, seq: int, rows: Mapping[str, Row]) -> None:
        """Begin anew with these rows: what anybody was told before does not count."""
        self.epoch, self.seq, self.rows = epoch, seq, dict(rows)
        self._ring.clear()
        self._held_bytes = 0

    def forget(self) -> None:
        """Show nothing until it begins."""
        self.begin("", 0, {})

    def difference(self, rows: Mapping[str, Row]) -> dict[str, Row | None]:
        """What has to be told for the topic to show exactly ``rows``."""
        told: dict[str, Row | None] = {
            key: row for key, row in rows.items() if key not in self.rows or self.rows[key] != row
        }
        told.update((key, None) for key in self.rows if key not in rows)
        return told

    def frame(self, rows: Mapping[str, Row | None], freshness: Freshness) -> Frame | None:
        """The next frame, ``None`` for a row that is gone; nothing to say makes no frame."""
        changes: dict[str, Row | None] = {}
        operations = []
        for key, row in rows.items():
            if row is not None:
                operations.append(b'{"op":"upsert","key":%b,"value":%b}' % (encode(key), encode(row)))
            elif key in self.rows:
                operations.append(b'{"op":"delete","key":%b}' % encode(key))
            else:
                continue
            changes[key] = row
        if not operations:
            return None
        body = b'{"type":"delta","topic":%b,"epoch":%b,"seq":%d,"prev_seq":%d,"ops":[%b],"freshness":%b}' % (
            encode(self.name),
            encode(self.epoch),
            self.seq + 1,
            self.seq,
            b",".join(operations),
            encode(freshness),
        )
        return Frame(self.name, self.epoch, self.seq + 1, changes, body.decode())

    def apply(self, frame: Frame) -> None:
        """The frame counts: its rows are the topic's, and whoever comes back is told of it."""
        self.seq = frame.seq
        for key, row in frame.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        # The rows are the topic's now, and not to be kept alive by the ring when they are replaced.
        self._ring.append(frame._replace(rows=_NO_ROWS))
        self._held_bytes += len(frame.text)
        while len(self._ring) > self._ring_frames or (
            self._held_bytes > self._ring_bytes and len(self._ring) > 1
        ):
            self._held_bytes -= len(self._ring.popleft().text)

    def snapshot(self, freshness: Freshness, now: datetime) -> str:
        """All rows after the newest frame, as old as they are now."""
        data = b",".join(
            b"%b:%b" % (encode(key), encode(self._aged(row, now))) for key, row in self.rows.items()
        )
        body = b'{"type":"snapshot","topic":%b,"epoch":%b,"seq":%d,"data":{%b},"freshness":%b}' % (
            encode(self.name),
            encode(self.epoch),
            self.seq,
            data,
            encode(freshness),
        )
        return body.decode()

    def resume(self, epoch: str, after_seq: int) -> Resumption | str:
        """What came after ``after_seq``, or why that cannot be told."""
        if epoch != self.epoch:
            return "epoch_changed"
        if after_seq > self.seq:
            return "sequence_ahead"
        missed = self.seq - after_seq
        if missed > len(self._ring):
            return "too_far_behind"
        return Resumption(after_seq, tuple(self._ring)[len(self._ring) - missed :])
