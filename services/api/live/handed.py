"""What replicas hand each other through the frames stream: the very messages that their clients get."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from services.api.live.shown import SHOWN, Row
from services.api.live.topic import Frame, Topic


class _Op(Struct, frozen=True):
    op: Literal["upsert", "delete"]
    key: str
    value: Raw = Raw()


class Delta(Struct, frozen=True, tag_field="type", tag="delta"):
    """A numbered frame."""

    topic: str
    epoch: str
    seq: int
    prev_seq: int
    ops: tuple[_Op, ...]

    def frame(self, text: str) -> Frame:
        """The frame with its rows."""
        rows = {op.key: _row(self.topic, op.value) if op.op == "upsert" else None for op in self.ops}
        return Frame(self.topic, self.epoch, self.seq, rows, text)


class Base(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """All rows of a topic: from here on its frames can be followed."""

    topic: str
    epoch: str
    seq: int
    data: dict[str, Raw]

    def rows(self) -> dict[str, Row]:
        """The rows by key."""
        return {key: _row(self.topic, raw) for key, raw in self.data.items()}

    def says_nothing_new(self, topic: Topic) -> bool:
        """Whether the topic stands there already."""
        return (topic.epoch, topic.seq) == (self.epoch, self.seq)


class Alone(Struct, frozen=True, tag_field="type", tag="alone"):
    """From here on nothing is handed over, until a base: nobody was there who followed."""


Handed: TypeAlias = Delta | Base | Alone

_decoders: Mapping[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(shown.row) for name, shown in SHOWN.items()
}
_decoder: msgspec.json.Decoder[Handed] = msgspec.json.Decoder(Handed)
ALONE = msgspec.json.encode(Alone())


def _row(topic: str, raw: Raw) -> Row:
    row: Row = _decoders[topic].decode(raw)
    return row


def read(data: bytes) -> Handed:
    """One entry of the frames stream.

    Raises:
        msgspec.DecodeError: it is none of ours.
    """
    return _decoder.decode(data)
