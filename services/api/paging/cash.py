"""Places in lists of cash."""

from datetime import date
from typing import Literal

import msgspec

from models.queries.cash import BalanceKey, FlowKey, RateKey
from services.api.paging.places import Instant, Text, place_of, write


class _DayPlace(msgspec.Struct, tag="d", array_like=True):
    list: Literal["balances", "rates"]
    as_of: date
    first: Text
    second: Text


class _FlowPlace(msgspec.Struct, tag="c", array_like=True):
    at: Instant
    flow_key: Text


def balance_cursor(key: BalanceKey) -> str:
    """Where a page of cash balances ended."""
    return write(_DayPlace("balances", *key))


def balance_key(cursor: str | None) -> BalanceKey | None:
    """The place a cursor of the list of cash balances stands for."""
    place = place_of(cursor, _DayPlace, list="balances")
    return None if place is None else BalanceKey(place.as_of, place.first, place.second)


def rate_cursor(key: RateKey) -> str:
    """Where a page of rates ended."""
    return write(_DayPlace("rates", *key))


def rate_key(cursor: str | None) -> RateKey | None:
    """The place a cursor of the list of rates stands for."""
    place = place_of(cursor, _DayPlace, list="rates")
    return None if place is None else RateKey(place.as_of, place.first, place.second)


def flow_cursor(key: FlowKey) -> str:
    """Where a page of flows of cash ended."""
    return write(_FlowPlace(*key))


def flow_key(cursor: str | None) -> FlowKey | None:
    """The place a cursor of the list of flows of cash stands for."""
    place = place_of(cursor, _FlowPlace)
    return None if place is None else FlowKey(place.at, place.flow_key)
