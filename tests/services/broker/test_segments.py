"""The spool's frames: what was written whole is read back whole, and nothing else is."""

import os
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from services.broker.segments import (
    FRAME_BYTES,
    HEADER_BYTES,
    Record,
    frame,
    frame_at,
    header,
    is_of_another_format,
    lengths,
    next_frame,
    read_frames,
)

RECORDS = st.lists(
    st.builds(
        Record,
        # The marker of a frame may stand in a payload, too.
        payload=st.binary(max_size=60) | st.just(b"\xa5LKF" * 9) | st.just(frame(Record(b"inner", 1, 2))),
        facts=st.integers(0, 2**32 - 1),
        at_ms=st.integers(0, 2**64 - 1),
    ),
    max_size=8,
)


def read_back(data: bytes, most: int = 1000) -> list[Record]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return [found.record for found in read_frames(file.fileno(), HEADER_BYTES, len(data), most)]


def ends(records: list[Record]) -> list[int]:
    at, found = HEADER_BYTES, []
    for record in records:
        at += len(frame(record))
        found.append(at)
    return found


@given(records=RECORDS, data=st.data())
def test_wherever_a_file_is_cut_off_every_record_before_is_recovered_and_none_invented(
    records: list[Record], data: st.DataObject
) -> None:
    whole = header() + b"".join(map(frame, records))
    cut = data.draw(st.integers(HEADER_BYTES, len(whole)))
    written_whole = sum(end <= cut for end in ends(records))
    assert read_back(whole[:cut]) == records[:written_whole]
    assert len(list(lengths(whole[:cut], HEADER_BYTES))) == written_whole


@given(records=RECORDS.filter(bool), data=st.data())
def test_a_changed_byte_costs_the_record_it_is_in_and_no_other(
    records: list[Record], data: st.DataObject
) -> None:
    whole = bytearray(header() + b"".join(map(frame, records)))
    hit = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    whole[hit] ^= data.draw(st.integers(1, 255))
    broken = next(number for number, end in enumerate(ends(records)) if hit < end)
    before = read_back(bytes(whole))
    assert before == records[:broken]
    behind = ends(records)[broken]
    if broken + 1 < len(records):
        found = frame_at(bytes(whole), behind)
        assert found is not None
        assert found.record == records[broken + 1]


@given(records=RECORDS.filter(bool), garbage=st.binary(min_size=1, max_size=80))
def test_the_next_good_frame_is_found_behind_garbage(records: list[Record], garbage: bytes) -> None:
    data = garbage + frame(records[0])
    at = next_frame(data, 0)
    assert at is not None
    found = frame_at(data, at)
    assert found is not None
    assert at <= len(garbage)


@given(records=RECORDS, most=st.integers(0, 3))
def test_no_more_is_read_than_was_asked_for(records: list[Record], most: int) -> None:
    assert read_back(header() + b"".join(map(frame, records)), most) == records[:most]


def test_a_record_larger_than_the_reading_window_is_read() -> None:
    large = Record(os.urandom(5_000_000), 256, 1)
    small = Record(b"small", 1, 2)
    data = header() + frame(large) + frame(small)
    assert read_back(data, 1) == [large]
    assert len(frame(small)) == FRAME_BYTES + 5


def test_zeros_are_no_records() -> None:
    assert read_back(header() + bytes(4096)) == []


def test_another_versions_file_is_known_by_its_header() -> None:
    assert not is_of_another_format(header())
    assert not is_of_another_format(header()[:5])
    assert is_of_another_format(header()[:-1] + b"\x02")
