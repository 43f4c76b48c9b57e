"""Which format a file is of: told by how it begins, whatever it is called."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final, Literal

Format = Literal["flex", "csv"]

HEAD_BYTES: Final = 1024
"""How much of its beginning tells."""

APART_FROM_BYTES: Final = 16 << 20
"""From this size on a file is read by a process of its own: starting one takes as long as a few megabytes."""


def format_of(head: bytes) -> Format:
    """The format of a file that begins so: XML begins with a tag, and nothing else does.

    >>> format_of(b"<FlexQueryResponse>"), format_of(b"type,account")
    ('flex', 'csv')
    """
    encoding = "utf-16" if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    beginning = head.decode(encoding, errors="ignore").lstrip("\ufeff\0 \t\r\n")
    return "flex" if beginning.startswith("<") else "csv"
