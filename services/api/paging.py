"""Keyset pages: a limit, and a cursor that only we can read."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from fastapi import Query
from starlette.responses import Response

from models.queries.executions import ExecutionKey
from models.queries.positions import PositionKey
from models.queries.realized import Grouping, RealizedKey, period_end
from services.api.problems import ProblemError
from services.api.schemas.common import encode

DEFAULT_LIMIT = 100
MAX_LIMIT = 500

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows a page")]
Cursor = Annotated[
    str | None, Query(max_length=512, description="next_cursor of the page before; it belongs to one list")
]

Item = TypeVar("Item")


class _PositionPlace(msgspec.Struct, tag="p", array_like=True):
    opened_at: datetime
    id: UUID


class _ExecutionPlace(msgspec.Struct, tag="e", array_like=True):
    executed_at: datetime
    exec_id: str


class _EventPlace(msgspec.Struct, tag="v", array_like=True):
    seq: int


class _LotPlace(msgspec.Struct, tag="l", array_like=True):
    seq: int


class _RealizedPlace(msgspec.Struct, tag="r", array_like=True):
    grouping: Grouping
    key: str
    account: str
    currency: str


_Place = _PositionPlace | _ExecutionPlace | _EventPlace | _LotPlace | _RealizedPlace
_decode = msgspec.json.Decoder(_Place).decode


def _write(place: _Place) -> str:
    return base64.urlsafe_b64encode(encode(place)).rstrip(b"=").decode()


def _read(cursor: str) -> _Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place: _Place = _decode(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, ValueError):
        raise _foreign() from None
    return place


def _foreign() -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "cursor_invalid",
        "Use the next_cursor of a page of this very list, unchanged, or leave it out to begin anew.",
    )


def position_cursor(key: PositionKey) -> str:
    """Where a page of positions ended."""
    return _write(_PositionPlace(key.opened_at, key.id))


def position_key(cursor: str | None) -> PositionKey | None:
    """The place a cursor of the positions list stands for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, _PositionPlace) or place.opened_at.tzinfo is None:
        raise _foreign()
    return PositionKey(place.opened_at, place.id)


def execution_cursor(key: ExecutionKey) -> str:
    """Where a page of executions ended."""
    return _write(_ExecutionPlace(key.executed_at, key.exec_id))


def execution_key(cursor: str | None) -> ExecutionKey | None:
    """The place a cursor of the executions list stands for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, _ExecutionPlace) or place.executed_at.tzinfo is None:
        raise _foreign()
    return ExecutionKey(place.executed_at, place.exec_id)


def event_cursor(seq: int) -> str:
    """Where a page of events ended."""
    return _write(_EventPlace(seq))


def event_seq(cursor: str | None) -> int | None:
    """The place a cursor of an events list stands for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, _EventPlace):
        raise _foreign()
    return place.seq


def lot_cursor(seq: int) -> str:
    """Where a page of lots ended."""
    return _write(_LotPlace(seq))


def lot_seq(cursor: str | None) -> int | None:
    """The place a cursor of a lots list stands for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, _LotPlace):
        raise _foreign()
    return place.seq


def realized_cursor(grouping: Grouping, key: RealizedKey) -> str:
    """Where a page of realized figures ended."""
    return _write(_RealizedPlace(grouping, *key))


def realized_key(cursor: str | None, grouping: Grouping) -> RealizedKey | None:
    """The place a cursor of the realized list, grouped in the same way, stands for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, _RealizedPlace) or place.grouping != grouping:
        raise _foreign()
    if grouping != "symbol":
        try:
            period_end(place.key)
        except ValueError:
            raise _foreign() from None
    return RealizedKey(place.key, place.account, place.currency)


def cut(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], Item | None]:
    """The page, and its last item when there is more: one row beyond the limit was asked for."""
    page = found[:limit]
    return page, (page[-1] if len(found) > limit else None)


def json_response(body: bytes, status: int = HTTPStatus.OK) -> Response:
    """An answer of the contract: encoded already, and never kept by a cache."""
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")
