"""Whether the dates of a file that have slashes begin with the day or with the month.

A Flex query can be set to either, and a statement does not say to which. A date beyond the twelfth does.
"""

import re
from collections.abc import Iterable
from typing import Final

from services.statements.values import day_comes_first

_LONGEST: Final = len('"05/06/2023,')
_SLASHED: Final = re.compile(rb"""["'](\d\d?)/(\d\d?)/(?:\d{4}|\d\d)(?=["';, T])""")


def days_come_first(chunks: Iterable[bytes]) -> bool | None:
    """What the first date that can tell says; ``None`` where none can. Stops reading there."""
    tail = b""
    for chunk in chunks:
        # In UTF-16 every other byte of a date is zero.
        part = tail + chunk.replace(b"\0", b"")
        for first, second in _SLASHED.findall(part):
            told = day_comes_first(int(first), int(second))
            if told is not None:
                return told
        tail = part[-_LONGEST:]
    return None
