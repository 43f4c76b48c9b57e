"""Places in lists of rows that have a number of their own."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from services.api.paging.places import LAST_NUMBER, Number, place_of, write

Numbered: TypeAlias = Literal[
    "audit",
    "dead_facts",
    "differences",
    "imports",
    "position_notes",
    "reconciliations",
    "sessions",
    "snapshot_runs",
    "tokens",
    "users",
]
"""Lists whose rows are numbered."""

_Conid = Annotated[int, msgspec.Meta(ge=-(2**63), le=LAST_NUMBER)]


class _ConidPlace(msgspec.Struct, tag="i", array_like=True):
    conid: _Conid


class _NumberPlace(msgspec.Struct, tag="n", array_like=True):
    list: Numbered
    id: Number


def conid_cursor(conid: int) -> str:
    """Where a page of instruments ended."""
    return write(_ConidPlace(conid))


def conid_place(cursor: str | None) -> int | None:
    """The conid a cursor of the list of instruments stands for."""
    place = place_of(cursor, _ConidPlace)
    return None if place is None else place.conid


def is_conid(number: int) -> bool:
    """Whether an instrument can have this number; ours are negative."""
    return -LAST_NUMBER <= number <= LAST_NUMBER


def number_cursor(of: Numbered, number: int) -> str:
    """Where a page of numbered rows ended."""
    return write(_NumberPlace(of, number))


def is_row_number(number: int) -> bool:
    """Whether a row can have this number; PostgreSQL refuses to be asked for what none can have."""
    return 1 <= number <= LAST_NUMBER


def row_number(cursor: str | None, of: Numbered) -> int | None:
    """The place a cursor of that list stands for."""
    place = place_of(cursor, _NumberPlace, list=of)
    return None if place is None else place.id
