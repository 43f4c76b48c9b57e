"""Framing and number formats of the TWS socket protocol. Pure: bytes in, fields out and back."""

import re
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal

SERVER_VERSION = 178

GREETING = b"API\0"
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"

# A real gateway never sends or takes a frame near this size; a larger length is a broken peer.
LARGEST_FRAME = 16 * 1024 * 1024

_LENGTH = struct.Struct(">I")
_VERSIONS = re.compile(r"v(?P<low>[0-9]{1,9})(?:\.\.(?P<high>[0-9]{1,9}))?")
# Java prints doubles outside of this range with an exponent.
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7

Fields = list[str]


class WireError(ValueError):
    """The peer does not speak the protocol: the connection is of no further use."""


def frame(fields: Sequence[str]) -> bytes:
    """One message: a 4-byte big-endian length (of what follows) and every field ended by NUL."""
    body = ("\0".join(fields) + "\0").encode() if fields else b""
    return _LENGTH.pack(len(body)) + body


def frames(messages: Iterable[Sequence[str]]) -> bytes:
    """Several messages back to back."""
    return b"".join(frame(fields) for fields in messages)


class FrameReader:
    """Cuts a byte stream into messages, however the network has chopped it."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has arrived; return the bodies that are now complete.

        Raises:
            WireError: a length prefix that no client would send.
        """
        self._pending += data
        bodies: list[bytes] = []
        start = 0
        while len(self._pending) - start >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._pending, start)
            if size > LARGEST_FRAME:
                raise WireError(f"a frame of {size} bytes was announced")
            end = start + _LENGTH.size + size
            if len(self._pending) < end:
                break
            bodies.append(bytes(self._pending[start + _LENGTH.size : end]))
            start = end
        del self._pending[:start]
        return bodies


def split(body: bytes) -> Fields:
    """The fields of one message body; the terminator of the last field is not a field."""
    fields = body.decode(errors="backslashreplace").split("\0")
    if fields and fields[-1] == "":
        fields.pop()
    return fields


def client_versions(body: bytes) -> tuple[int, int]:
    """The version range of a client's first frame: ``v157..178``, options may follow after a space.

    Raises:
        WireError: it is not such a range.
    """
    text = body.decode(errors="backslashreplace").split(" ")[0]
    found = _VERSIONS.fullmatch(text)
    if found is None:
        raise WireError(f"{text[:40]!r} is not a version range")
    return int(found["low"]), int(found["high"] or found["low"])


def double(value: Decimal | float | None) -> str:
    """A number as Java's ``Double.toString`` prints it; ``None`` is the unset value."""
    if value is None:
        return UNSET_DOUBLE
    number = float(value)
    if number == 0:
        return "0.0"
    if _PLAIN_FROM <= abs(number) < _PLAIN_BELOW:
        return repr(number)
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    if not isinstance(exponent, int):
        return {"F": "Infinity"}.get(exponent, "NaN")
    scale = exponent + len(digits) - 1
    rest = "".join(str(digit) for digit in digits[1:]) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{rest}E{scale}"


def size(value: Decimal | None) -> str:
    """A quantity: plain decimal without needless zeros, ``-110``, ``0.5``; ``None`` is empty."""
    if value is None:
        return ""
    return plain(value.normalize()) if value else "0"


def plain(value: Decimal) -> str:
    """A decimal without an exponent, digits kept as they are."""
    return format(value, "f")
