"""The freshness of an answer as headers, for what has no room for it: files, and what has not changed."""

import re
from collections.abc import Iterator

_BLOCK = re.compile(
    rb'"freshness":\{"source":"(?P<source>[a-z_]+)","as_of":(?P<as_of>null|"[^"]*"),'
    rb'"received_at":(?P<received_at>null|"[^"]*"),"age_seconds":(?P<age>null|\d+),'
    rb'"stale":(?P<stale>true|false),"reason":(?P<reason>null|"[^"]*"),"links":\{[^{}]*\}\}\}'
)
"""A freshness block as our encoder writes it, at the end of an answer."""

_MOVING = re.compile(
    rb'("freshness":\{"source":"[a-z_]+"),"as_of":(?:null|"[^"]*"),'
    rb'"received_at":(?:null|"[^"]*"),"age_seconds":(?:null|\d+)'
)


def without_moving_parts(body: bytes) -> bytes:
    """The body without what moves on while nothing changes: when its freshness was told, and its age."""
    return _MOVING.sub(rb"\1", body)


def freshness_headers(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``Lotkeeper-Freshness-…`` of the block with which an answer ends. What is not known is left out."""
    # Inside a string its quotes would be escaped, and a row's own block is not the end.
    place = body.rfind(b'"freshness":{')
    found = _BLOCK.fullmatch(body, place) if place >= 0 else None
    if found is None:
        return
    for name, value in (
        (b"source", found["source"]),
        (b"as-of", found["as_of"]),
        (b"received-at", found["received_at"]),
        (b"age-seconds", found["age"]),
        (b"stale", found["stale"]),
        (b"reason", found["reason"]),
    ):
        if value != b"null":
            yield b"lotkeeper-freshness-" + name, value.strip(b'"')
