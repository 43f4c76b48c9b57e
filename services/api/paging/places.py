"""Keyset pages: a limit, and a cursor that only we can read.

A cursor says of which list it is, by its place's tag, and where the page before ended.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import Query
from msgspec.structs import astuple
from starlette.responses import Response

from services.api.parameters import in_utc
from services.api.problems import ProblemError
from services.api.schemas.common import encode

DEFAULT_LIMIT = 100
MAX_LIMIT = 500

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows a page")]
Cursor = Annotated[
    str | None, Query(max_length=512, description="next_cursor of the page before; it belongs to one list")
]

Item = TypeVar("Item")
Place = TypeVar("Place", bound=msgspec.Struct)

# A cursor is whatever somebody sends: it holds nothing that PostgreSQL could not take.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Seq = Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
LAST_NUMBER: Final = 2**63 - 1
"""No row has a higher number."""
Number = Annotated[int, msgspec.Meta(ge=1, le=LAST_NUMBER)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


def write(place: msgspec.Struct) -> str:
    """The cursor that stands for a place."""
    return base64.urlsafe_b64encode(encode(place)).rstrip(b"=").decode()


@cache
def _decoder(kind: type[Place]) -> msgspec.json.Decoder[Place]:
    return msgspec.json.Decoder(kind)


def _read(cursor: str, kind: type[Place]) -> Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        told = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        place: Place = _decoder(kind).decode(told)
        for part in astuple(place):
            if isinstance(part, datetime):
                in_utc(part)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, ValueError):
        raise cursor_foreign() from None
    return place


def place_of(cursor: str | None, kind: type[Place], **asked: object) -> Place | None:
    """The place of that kind a cursor stands for, if it is of the list that is ``asked`` for.

    Raises:
        ProblemError: 400; it is not.
    """
    if cursor is None:
        return None
    place = _read(cursor, kind)
    if any(getattr(place, name) != value for name, value in asked.items()):
        raise cursor_foreign()
    return place


def cursor_foreign() -> ProblemError:
    """The refusal of a cursor that is none of the list it is given to."""
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "cursor_invalid",
        "Use the next_cursor of a page of this very list, unchanged, or leave it out to begin anew.",
    )


def cut(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], Item | None]:
    """The page, and its last item when there is more: one row beyond the limit was asked for."""
    page = found[:limit]
    return page, (page[-1] if len(found) > limit else None)


def json_response(body: bytes, status: int = HTTPStatus.OK) -> Response:
    """An answer of the contract: encoded already, and never kept by a cache."""
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")
