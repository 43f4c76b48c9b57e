import json
from datetime import timedelta
from decimal import Decimal

import pytest

from core.events.changes import PositionChanged
from services.api.freshness import UNKNOWN
from services.api.live.rows import position_row
from services.api.live.shown import Row
from services.api.live.topic import Resumption, Topic
from services.api.schemas.common import Freshness, encode
from tests.services.api.portfolio import NOW, changed

BLOCK = Freshness(
    source="live", as_of=NOW, received_at=NOW, age_seconds=0, stale=False, reason=None, links=UNKNOWN
)


def row(quantity: int = 1) -> Row:
    position: PositionChanged = changed(quantity=Decimal(quantity))
    return position_row(position, None, BLOCK, NOW)


def topic(**limits: int) -> Topic:
    made = Topic("positions", **limits)
    made.begin("epoch-1", 0, {})
    return made


def filled(count: int, **limits: int) -> Topic:
    made = topic(**limits)
    for number in range(count):
        frame = made.frame({"a": row(number + 1)}, BLOCK)
        assert frame is not None
        made.apply(frame)
    return made


def test_frames_are_numbered_one_by_one() -> None:
    made = topic()
    first = made.frame({'k"1': row()}, BLOCK)
    assert first is not None
    made.apply(first)
    second = made.frame({"k2": row(2), 'k"1': None}, BLOCK)
    assert second is not None
    assert json.loads(first.text)["ops"] == [
        {"op": "upsert", "key": 'k"1', "value": json.loads(encode(row()))}
    ]
    told = json.loads(second.text)
    assert (told["seq"], told["prev_seq"], told["epoch"], told["topic"]) == (2, 1, "epoch-1", "positions")
    assert told["ops"][1] == {"op": "delete", "key": 'k"1'}
    assert told["freshness"]["source"] == "live"


def test_a_frame_that_is_not_applied_leaves_everything_as_it_was() -> None:
    made = filled(2)
    before = made.snapshot(BLOCK, NOW)
    assert made.frame({"b": row()}, BLOCK)
    assert made.snapshot(BLOCK, NOW) == before


def test_the_end_of_what_was_never_told_is_not_told() -> None:
    made = topic()
    assert made.frame({"never": None}, BLOCK) is None
    assert made.seq == 0


def test_a_snapshot_is_what_the_frames_left_and_as_old_as_it_is_read() -> None:
    told = json.loads(filled(3).snapshot(BLOCK, NOW + timedelta(seconds=9)))
    assert (told["seq"], list(told["data"])) == (3, ["a"])
    assert told["data"]["a"]["quantity"] == "3"
    assert told["data"]["a"]["freshness"]["age_seconds"] == 9


def test_what_differs_is_told_and_nothing_else() -> None:
    made = topic()
    made.begin("epoch-2", 7, {"a": row(1), "b": row(2), "c": row(3)})
    assert made.difference({"a": row(1), "b": row(9), "d": row(4)}) == {"b": row(9), "c": None, "d": row(4)}


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
    made = filled(50, ring_bytes=10_000)
    assert made.resume("epoch-1", 10) == "too_far_behind"
    assert isinstance(made.resume("epoch-1", 49), Resumption)
