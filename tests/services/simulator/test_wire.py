import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator import wire

TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def test_a_frame_is_a_big_endian_length_and_fields_ended_by_nul() -> None:
    assert wire.frame(["15", "1", "DU1,DU2"]) == struct.pack(">I", 13) + b"15\x001\x00DU1,DU2\x00"


@given(st.lists(st.lists(TEXT, min_size=1, max_size=6), max_size=6), st.integers(1, 7))
def test_however_the_network_chops_the_stream_the_messages_come_out_whole(
    messages: list[list[str]], step: int
) -> None:
    stream, reader, got = wire.frames(messages), wire.FrameReader(), []
    for at in range(0, len(stream), step):
        got += [wire.split(body) for body in reader.feed(stream[at : at + step])]
    assert got == messages


def test_an_absurd_length_is_refused_before_any_of_it_is_kept() -> None:
    with pytest.raises(wire.WireError, match="2147483647"):
        wire.FrameReader().feed((2**31 - 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal(0), "0.0"),
        (Decimal(1), "1.0"),
        (Decimal("-201.8829709"), "-201.8829709"),
        (Decimal("315114.75"), "315114.75"),
        (Decimal("0.001"), "0.001"),
        (Decimal("0.0005"), "5.0E-4"),
        (Decimal(12345678), "1.2345678E7"),
        (Decimal(10_000_000), "1.0E7"),
        (None, "1.7976931348623157E308"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
    ],
)
def test_doubles_look_as_java_prints_them(value: Decimal | float | None, text: str) -> None:
    assert wire.double(value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6))
def test_a_double_reads_back_as_the_same_number(value: Decimal) -> None:
    assert float(wire.double(value)) == float(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("-110.00"), "-110"),
        (Decimal("0.50"), "0.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.0"), "0"),
    ],
)
def test_sizes_are_plain_decimals(value: Decimal, text: str) -> None:
    assert wire.size(value) == text


def test_an_unset_size_is_empty() -> None:
    assert wire.size(None) == ""


@pytest.mark.parametrize(
    ("body", "versions"),
    [(b"v157..178", (157, 178)), (b"v100..225 +PACEAPI", (100, 225)), (b"v66", (66, 66))],
)
def test_the_clients_version_range_is_read_with_and_without_options(
    body: bytes, versions: tuple[int, int]
) -> None:
    assert wire.client_versions(body) == versions


@pytest.mark.parametrize(
    "body", [b"", b"157..178", b"vx..y", b"\xff\xfe", "v²".encode(), b"v-5", b"v1.." + b"9" * 5_000]
)
def test_anything_else_is_not_a_version_range(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.client_versions(body)
