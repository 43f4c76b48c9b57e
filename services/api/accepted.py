"""What a client would rather have: Accept and Accept-Encoding, with their weights."""

import re
from collections.abc import Iterator
from typing import Final

MOST: Final = 1000
_WEIGHT = re.compile(r"q=(?:0(?:\.(?P<thousandths>\d{0,3}))?|1(?:\.0{0,3})?)", re.IGNORECASE)


def _weight(parameters: list[str]) -> int:
    for parameter in parameters:
        bare = parameter.strip()
        if bare[:2].lower() == "q=":
            found = _WEIGHT.fullmatch(bare)
            if found is None or bare[2] == "1":
                return MOST if found else 0
            return int((found["thousandths"] or "").ljust(3, "0"))
    return MOST


def weighed(header: str) -> Iterator[tuple[str, int]]:
    """Each name in the header, in lower case, with its weight from 0 (not that) to 1000."""
    for part in header.split(","):
        name, *parameters = part.split(";")
        if name.strip():
            yield name.strip().lower(), _weight(parameters)
