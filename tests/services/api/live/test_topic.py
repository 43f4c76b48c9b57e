import json

import pytest

from services.api.freshness import UNKNOWN
from services.api.live.topic import Resumption, Topic
from services.api.schemas.common import Freshness

BLOCK = Freshness(
    source="live", as_of=None, received_at=None, age_seconds=None, stale=False, reason=None, links=UNKNOWN
)


def topic(**limits: int) -> Topic:
    return Topic("positions", "epoch-1", **limits)


def filled(count: int, **limits: int) -> Topic:
    made = topic(**limits)
    for number in range(count):
        made.frame({"a": b"%d" % number}, BLOCK)
    return made


def test_frames_are_numbered_one_by_one() -> None:
    made = topic()
    first = made.frame({'k"1': b'{"x":1}'}, BLOCK)
    second = made.frame({"k2": b"2", 'k"1': None}, BLOCK)
    assert first is not None
    assert second is not None
    assert json.loads(first.text)["ops"] == [{"op": "upsert", "key": 'k"1', "value": {"x": 1}}]
    told = json.loads(second.text)
    assert (told["seq"], told["prev_seq"], told["epoch"], told["topic"]) == (2, 1, "epoch-1", "positions")
    assert told["ops"][1] == {"op": "delete", "key": 'k"1'}
    assert told["freshness"]["source"] == "live"


def test_the_end_of_what_was_never_told_is_not_told() -> None:
    made = topic()
    assert made.frame({"never": None}, BLOCK) is None
    assert made.seq == 0


def test_what_only_a_snapshot_told_of_is_deleted_too() -> None:
    made = topic()
    made.snapshot([("a", b"1")], BLOCK)
    frame = made.frame({"a": None}, BLOCK)
    assert frame is not None
    assert '"delete"' in frame.text


def test_a_snapshot_stands_after_the_newest_frame() -> None:
    told = json.loads(filled(3).snapshot([("a", b"1"), ("b", b"2")], BLOCK))
    assert (told["seq"], told["data"]) == (3, {"a": 1, "b": 2})


@pytest.mark.parametrize("after", [0, 3, 5])
def test_whoever_comes_back_gets_exactly_what_was_missed(after: int) -> None:
    found = filled(5).resume("epoch-1", after)
    assert isinstance(found, Resumption)
    assert [frame.seq for frame in found.frames] == list(range(after + 1, 6))


@pytest.mark.parametrize(
    ("epoch", "after", "reason"),
    [("epoch-0", 3, "epoch_changed"), ("epoch-1", 6, "sequence_ahead"), ("epoch-1", 1, "too_far_behind")],
)
def test_what_cannot_be_resumed_says_why(epoch: str, after: int, reason: str) -> None:
    assert filled(5, ring_frames=3).resume(epoch, after) == reason


def test_the_ring_is_bounded_in_bytes_too() -> None:
    made = filled(50, ring_bytes=1_000)
    assert made.resume("epoch-1", 10) == "too_far_behind"
    assert isinstance(made.resume("epoch-1", 49), Resumption)
