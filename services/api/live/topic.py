"""One topic: rows under keys, numbered frames, and the last of them for those who come back."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.api.schemas.common import Freshness, encode

RING_FRAMES = 1_024
RING_BYTES = 8_000_000


class Frame(NamedTuple):
    """One numbered frame, encoded once for everybody."""

    seq: int
    text: str


class Resumption(NamedTuple):
    """The frames that a returning client missed."""

    after_seq: int
    frames: tuple[Frame, ...]


def _quoted(text: str) -> bytes:
    return encode(text)


class Topic:
    """The sequence is +1 a frame within an epoch; a frame is conflated before it gets its number."""

    def __init__(
        self, name: str, epoch: str, *, ring_frames: int = RING_FRAMES, ring_bytes: int = RING_BYTES
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.seq = 0
        self._ring: deque[Frame] = deque()
        self._ring_frames = ring_frames
        self._ring_bytes = ring_bytes
        self._held_bytes = 0
        self._keys: set[str] = set()

    def frame(self, rows: Mapping[str, bytes | None], freshness: Freshness) -> Frame | None:
        """Number a frame of encoded rows, ``None`` for one that is gone; nothing to say makes no frame."""
        operations = []
        for key, row in rows.items():
            if row is not None:
                self._keys.add(key)
                operations.append(b'{"op":"upsert","key":' + _quoted(key) + b',"value":' + row + b"}")
            elif key in self._keys:
                self._keys.discard(key)
                operations.append(b'{"op":"delete","key":' + _quoted(key) + b"}")
        if not operations:
            return None
        previous, self.seq = self.seq, self.seq + 1
        body = b'{"type":"delta","topic":%b,"epoch":%b,"seq":%d,"prev_seq":%d,"ops":[%b],"freshness":%b}' % (
            _quoted(self.name),
            _quoted(self.epoch),
            self.seq,
            previous,
            b",".join(operations),
            encode(freshness),
        )
        frame = Frame(self.seq, body.decode())
        self._keep(frame)
        return frame

    def _keep(self, frame: Frame) -> None:
        self._ring.append(frame)
        self._held_bytes += len(frame.text)
        while len(self._ring) > self._ring_frames or (
            self._held_bytes > self._ring_bytes and len(self._ring) > 1
        ):
            self._held_bytes -= len(self._ring.popleft().text)

    def snapshot(self, rows: Iterable[tuple[str, bytes]], freshness: Freshness) -> str:
        """All rows as they are after the newest frame."""
        told = list(rows)
        # A row may be told here before its frame: its end must reach whoever saw it here.
        self._keys.update(key for key, _ in told)
        data = b",".join(_quoted(key) + b":" + row for key, row in told)
        body = b'{"type":"snapshot","topic":%b,"epoch":%b,"seq":%d,"data":{%b},"freshness":%b}' % (
            _quoted(self.name),
            _quoted(self.epoch),
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
