"""What identifies a security outside of any one broker, and whether it can be one at all.

A check digit finds a mistyped identifier; that an instrument of this name exists it does not tell.
"""

import re
from typing import Final

_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_CUSIP: Final = re.compile(r"[A-Z0-9*@#]{8}[0-9]", re.ASCII)
_FIGI: Final = re.compile(r"[B-DF-HJ-NP-TV-Z]{2}G[B-DF-HJ-NP-TV-Z0-9]{8}[0-9]", re.ASCII)
_NO_FIGI: Final = frozenset({"BS", "BM", "GG", "GB", "GH", "KY", "VG"})
"""Prefixes that are no FIGI's, so that none is taken for an ISIN (OMG, "Financial Instrument Global
Identifier", 6.1.2)."""

_VALUES: Final = {letter: value for value, letter in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#")}
_CUSIP_COUNTRIES: Final = frozenset({"US", "CA"})


def is_isin(text: str) -> bool:
    """Whether it is an ISIN with the right check digit (ISO 6166, annex A: modulus 10, double-add-double).

    >>> is_isin("US0378331005"), is_isin("US0378331006")
    (True, False)
    """
    if _ISIN.fullmatch(text) is None:
        return False
    # Each letter is two digits, and every other digit counts twice, beginning with the last but the check's.
    digits = [int(digit) for letter in text for digit in str(_VALUES[letter])]
    return sum(_folded(digit, place) for place, digit in enumerate(reversed(digits))) % 10 == 0


def is_cusip(text: str) -> bool:
    """Whether it is a CUSIP or a CINS with the right check digit (ANSI X9.6: modulus 10, double-add-double).

    >>> is_cusip("037833100"), is_cusip("037833101")
    (True, False)
    """
    return _CUSIP.fullmatch(text) is not None and _ends_well(text)


def is_figi(text: str) -> bool:
    """Whether it is a FIGI with the right check digit (OMG, "Financial Instrument Global Identifier", 6.1.2).

    >>> is_figi("BBG000B9XRY4"), is_figi("BBG000B9XRY5")
    (True, False)
    """
    return _FIGI.fullmatch(text) is not None and text[:2] not in _NO_FIGI and _ends_well(text)


def cusip_within(isin: str) -> str:
    """The CUSIP that an ISIN is made of; empty where it is made of none, or of none that can be told.

    Those of the United States and Canada are made of a CUSIP; of other countries only what begins with a
    letter and has the check digit of a CINS is taken for one (CUSIP Global Services, "CINS Identifiers").

    >>> cusip_within("US0378331005"), cusip_within("KYG017191142"), cusip_within("DE0007164600")
    ('037833100', 'G01719114', '')
    """
    number = isin[2:11]
    if not is_cusip(number):
        return ""
    return number if isin[:2] in _CUSIP_COUNTRIES or number[0].isalpha() else ""


def country_of(isin: str) -> str | None:
    """The country that an ISIN begins with (ISO 3166-1); ``None`` for what is none, such as ``XS``.

    It is the country of the agency that numbered it: of a share that of its issuer, of a depositary receipt
    that of the receipt. What ISO 3166 leaves to its users (``AA``, ``QM`` to ``QZ``, ``XA`` to ``XZ``,
    ``ZZ``) or reserves for unions (``EU``, ``EZ``) is no country.

    >>> country_of("US0378331005"), country_of("XS2010028343")
    ('US', None)
    """
    prefix = isin[:2]
    if prefix in {"AA", "ZZ", "EU", "EZ"} or prefix[0] == "X" or "QM" <= prefix <= "QZ":
        return None
    return prefix


def _ends_well(text: str) -> bool:
    """Whether the last digit is the check digit of the characters before it, each taken as one number."""
    total = 0
    for place, letter in enumerate(text[:-1]):
        value = _VALUES[letter] * (1 + place % 2)
        total += value // 10 + value % 10
    return (10 - total % 10) % 10 == int(text[-1])


def _folded(digit: int, place: int) -> int:
    doubled = digit * (1 + place % 2)
    return doubled // 10 + doubled % 10
