"""Keyset pages: a limit, and a cursor that only we can read."""

import base64
import binascii
from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from fastapi import Query
from msgspec.structs import astuple
from starlette.responses import Response

from core.domain.performance import Resolution
from models.queries.cash import BalanceKey, FlowKey, RateKey
from models.queries.disputes.compare import DifferenceKey
from models.queries.executions import ExecutionKey
from models.queries.grouping import GroupKey, is_period, period_end
from models.queries.performance import PerformanceKey
from models.queries.positions import PositionKey
from models.queries.realized_differences import FillKey
from models.queries.snapshots import GapKey, SnapshotKey
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
Place = TypeVar("Place")

Numbered: TypeAlias = Literal["reconciliations", "differences", "imports", "snapshot_runs", "issues"]
"""Lists whose rows are numbered."""

# A cursor is whatever somebody sends: it holds nothing that PostgreSQL could not take.
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Seq = Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
LAST_NUMBER: Final = 2**63 - 1
"""No row has a higher number."""
_Number = Annotated[int, msgspec.Meta(ge=1, le=LAST_NUMBER)]
_Conid = Annotated[int, msgspec.Meta(ge=-(2**63), le=LAST_NUMBER)]
_Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


class _PositionPlace(msgspec.Struct, tag="p", array_like=True):
    opened_at: _Instant
    id: UUID


class _PastPlace(msgspec.Struct, tag="a", array_like=True):
    opened_at: _Instant
    id: UUID
    as_of: _Instant
    known_by: _Instant | None


class _ExecutionPlace(msgspec.Struct, tag="e", array_like=True):
    executed_at: _Instant
    exec_id: _Text


class _EventPlace(msgspec.Struct, tag="v", array_like=True):
    seq: _Seq


class _LotPlace(msgspec.Struct, tag="l", array_like=True):
    seq: _Seq


class _GroupPlace(msgspec.Struct, tag="r", array_like=True):
    list: Literal["realized", "statistics"]
    grouping: str
    key: _Text
    account: _Text
    currency: _Text


class _FillPlace(msgspec.Struct, tag="f", array_like=True):
    executed_at: _Instant
    exec_id: _Text


class _PerformancePlace(msgspec.Struct, tag="h", array_like=True):
    resolution: Resolution
    ts: _Instant
    account: _Text
    source: _Text


class _DayPlace(msgspec.Struct, tag="d", array_like=True):
    list: Literal["balances", "rates"]
    as_of: date
    first: _Text
    second: _Text


class _FlowPlace(msgspec.Struct, tag="c", array_like=True):
    at: _Instant
    flow_key: _Text


class _DifferencePlace(msgspec.Struct, tag="s", array_like=True):
    day: date
    id: UUID


class _SnapshotPlace(msgspec.Struct, tag="t", array_like=True):
    asof_ts: _Instant
    id: _Number


class _GapPlace(msgspec.Struct, tag="g", array_like=True):
    first: _Instant
    account: _Text


class _ConidPlace(msgspec.Struct, tag="i", array_like=True):
    conid: _Conid


class _NumberPlace(msgspec.Struct, tag="n", array_like=True):
    list: Numbered
    id: _Number


_AnyPlace = (
    _PositionPlace
    | _PastPlace
    | _ExecutionPlace
    | _EventPlace
    | _LotPlace
    | _GroupPlace
    | _FillPlace
    | _PerformancePlace
    | _DayPlace
    | _FlowPlace
    | _DifferencePlace
    | _SnapshotPlace
    | _GapPlace
    | _ConidPlace
    | _NumberPlace
)
_decode = msgspec.json.Decoder(_AnyPlace).decode


def _write(place: _AnyPlace) -> str:
    return base64.urlsafe_b64encode(encode(place)).rstrip(b"=").decode()


def _read(cursor: str) -> _AnyPlace:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place: _AnyPlace = _decode(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        for part in astuple(place):
            if isinstance(part, datetime):
                in_utc(part)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, ValueError):
        raise cursor_foreign() from None
    return place


def _place(cursor: str | None, kind: type[Place], **asked: object) -> Place | None:
    """The place of that kind a cursor stands for, if it is of the list that is ``asked`` for."""
    if cursor is None:
        return None
    place = _read(cursor)
    if not isinstance(place, kind) or any(getattr(place, name) != value for name, value in asked.items()):
        raise cursor_foreign()
    return place


def cursor_foreign() -> ProblemError:
    """The refusal of a cursor that is none of the list it is given to."""
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
    place = _place(cursor, _PositionPlace)
    return None if place is None else PositionKey(place.opened_at, place.id)


def past_cursor(key: PositionKey, as_of: datetime, known_by: datetime | None) -> str:
    """Where a page of positions as of a moment ended."""
    return _write(_PastPlace(key.opened_at, key.id, as_of, known_by))


def past_key(cursor: str | None, as_of: datetime, known_by: datetime | None) -> PositionKey | None:
    """The place a cursor of the positions list, asked for the same moments, stands for."""
    place = _place(cursor, _PastPlace, as_of=as_of, known_by=known_by)
    return None if place is None else PositionKey(place.opened_at, place.id)


def execution_cursor(key: ExecutionKey) -> str:
    """Where a page of executions ended."""
    return _write(_ExecutionPlace(key.executed_at, key.exec_id))


def execution_key(cursor: str | None) -> ExecutionKey | None:
    """The place a cursor of the executions list stands for."""
    place = _place(cursor, _ExecutionPlace)
    return None if place is None else ExecutionKey(place.executed_at, place.exec_id)


def event_cursor(seq: int) -> str:
    """Where a page of events ended."""
    return _write(_EventPlace(seq))


def event_seq(cursor: str | None) -> int | None:
    """The place a cursor of an events list stands for."""
    place = _place(cursor, _EventPlace)
    return None if place is None else place.seq


def lot_cursor(seq: int) -> str:
    """Where a page of lots ended."""
    return _write(_LotPlace(seq))


def lot_seq(cursor: str | None) -> int | None:
    """The place a cursor of a lots list stands for."""
    place = _place(cursor, _LotPlace)
    return None if place is None else place.seq


def group_cursor(of: Literal["realized", "statistics"], grouping: str, key: GroupKey) -> str:
    """Where a page of groups ended."""
    return _write(_GroupPlace(of, grouping, *key))


def group_key(cursor: str | None, of: Literal["realized", "statistics"], grouping: str) -> GroupKey | None:
    """The place a cursor of that list, grouped in the same way, stands for."""
    place = _place(cursor, _GroupPlace, list=of, grouping=grouping)
    if place is None:
        return None
    if is_period(grouping):
        try:
            period_end(place.key)
        except ValueError:
            raise cursor_foreign() from None
    return GroupKey(place.key, place.account, place.currency)


def fill_cursor(key: FillKey) -> str:
    """Where a page of closing fills ended."""
    return _write(_FillPlace(key.executed_at, key.exec_id))


def fill_key(cursor: str | None) -> FillKey | None:
    """The place a cursor of a list of closing fills stands for."""
    place = _place(cursor, _FillPlace)
    return None if place is None else FillKey(place.executed_at, place.exec_id)


def performance_cursor(resolution: Resolution, key: PerformanceKey) -> str:
    """Where a page of performance ended."""
    return _write(_PerformancePlace(resolution, *key))


def performance_key(cursor: str | None, resolution: Resolution) -> PerformanceKey | None:
    """The place a cursor of the performance list, at the same resolution, stands for."""
    place = _place(cursor, _PerformancePlace, resolution=resolution)
    return None if place is None else PerformanceKey(place.ts, place.account, place.source)


def balance_cursor(key: BalanceKey) -> str:
    """Where a page of cash balances ended."""
    return _write(_DayPlace("balances", *key))


def balance_key(cursor: str | None) -> BalanceKey | None:
    """The place a cursor of the list of cash balances stands for."""
    place = _place(cursor, _DayPlace, list="balances")
    return None if place is None else BalanceKey(place.as_of, place.first, place.second)


def rate_cursor(key: RateKey) -> str:
    """Where a page of rates ended."""
    return _write(_DayPlace("rates", *key))


def rate_key(cursor: str | None) -> RateKey | None:
    """The place a cursor of the list of rates stands for."""
    place = _place(cursor, _DayPlace, list="rates")
    return None if place is None else RateKey(place.as_of, place.first, place.second)


def flow_cursor(key: FlowKey) -> str:
    """Where a page of flows of cash ended."""
    return _write(_FlowPlace(*key))


def flow_key(cursor: str | None) -> FlowKey | None:
    """The place a cursor of the list of flows of cash stands for."""
    place = _place(cursor, _FlowPlace)
    return None if place is None else FlowKey(place.at, place.flow_key)


def difference_cursor(key: DifferenceKey) -> str:
    """Where a page of differences from statements ended."""
    return _write(_DifferencePlace(*key))


def difference_key(cursor: str | None) -> DifferenceKey | None:
    """The place a cursor of the list of differences from statements stands for."""
    place = _place(cursor, _DifferencePlace)
    return None if place is None else DifferenceKey(place.day, place.id)


def snapshot_cursor(key: SnapshotKey) -> str:
    """Where a page of snapshots ended."""
    return _write(_SnapshotPlace(*key))


def snapshot_place(cursor: str | None) -> SnapshotKey | None:
    """The place a cursor of the list of snapshots stands for."""
    place = _place(cursor, _SnapshotPlace)
    return None if place is None else SnapshotKey(place.asof_ts, place.id)


def gap_cursor(key: GapKey) -> str:
    """Where a page of gaps between snapshots ended."""
    return _write(_GapPlace(*key))


def gap_key(cursor: str | None) -> GapKey | None:
    """The place a cursor of the list of gaps stands for."""
    place = _place(cursor, _GapPlace)
    return None if place is None else GapKey(place.first, place.account)


def conid_cursor(conid: int) -> str:
    """Where a page of instruments ended."""
    return _write(_ConidPlace(conid))


def conid_place(cursor: str | None) -> int | None:
    """The conid a cursor of the list of instruments stands for."""
    place = _place(cursor, _ConidPlace)
    return None if place is None else place.conid


def is_conid(number: int) -> bool:
    """Whether an instrument can have this number; ours are negative."""
    return -LAST_NUMBER <= number <= LAST_NUMBER


def number_cursor(of: Numbered, number: int) -> str:
    """Where a page of numbered rows ended."""
    return _write(_NumberPlace(of, number))


def is_row_number(number: int) -> bool:
    """Whether a row can have this number; PostgreSQL refuses to be asked for what none can have."""
    return 1 <= number <= LAST_NUMBER


def row_number(cursor: str | None, of: Numbered) -> int | None:
    """The place a cursor of that list stands for."""
    place = _place(cursor, _NumberPlace, list=of)
    return None if place is None else place.id


def cut(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], Item | None]:
    """The page, and its last item when there is more: one row beyond the limit was asked for."""
    page = found[:limit]
    return page, (page[-1] if len(found) > limit else None)


def json_response(body: bytes, status: int = HTTPStatus.OK) -> Response:
    """An answer of the contract: encoded already, and never kept by a cache."""
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")
