"""The one place where a broker's number becomes a ``Decimal`` or an honest ``None``."""

import math
from decimal import Decimal, InvalidOperation

UNSET_DOUBLE = 1.7976931348623157e308
"""What TWS sends for "no value" in a double field (Java's ``Double.MAX_VALUE``)."""

UNSET_INTEGER = 2**31 - 1
"""What TWS sends for "no value" in an integer field."""

UNSET_LONG = 2**63 - 1
"""What TWS sends for "no value" in a long field."""

ZERO = Decimal(0)

# Of the shortest spelling: the exact expansion of the double is larger than the text that TWS sends.
_UNSET = Decimal(repr(UNSET_DOUBLE))


def decimal_from_float(value: float | Decimal | None) -> Decimal | None:
    """Turn a broker's float into the decimal that its shortest representation spells.

    NaN, infinities and the unset sentinels are ``None``: unknown is not zero.
    """
    if value is None:
        return None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if not math.isfinite(value) or abs(value) >= UNSET_DOUBLE:
        return None
    return Decimal(repr(value))


def decimal_from_text(value: str) -> Decimal | None:
    """Turn a broker's text into a decimal; empty, non-numeric, NaN and unset texts are ``None``."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= _UNSET:
        return None
    return number


def plain(value: Decimal) -> str:
    """Spell a decimal without an exponent and without trailing zeros after the point: ``1E+2`` → ``100``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


_MOST_DIGITS = 25
_MOST_BEFORE_THE_POINT = 18
_MOST_BEHIND_IT = 30
"""More is no amount of anything; it is a fault in what sent it. Up to here, products of three are exact."""


def is_usable(number: Decimal | None) -> bool:
    """Whether a figure is not told, or one that can be kept and reckoned with."""
    if number is None:
        return True
    if not number.is_finite():
        return False
    spelled = str(number)
    if len(spelled) <= _MOST_BEFORE_THE_POINT and "E" not in spelled:
        return True  # nearly all: neither side of the point can have too many digits
    _, digits, exponent = number.as_tuple()
    return (
        len(digits) <= _MOST_DIGITS
        and number.adjusted() < _MOST_BEFORE_THE_POINT
        and int(exponent) >= -_MOST_BEHIND_IT
    )
