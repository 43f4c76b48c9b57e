"""Data frames: amounts stay decimal, times keep their zone, what is not known stays so."""

import builtins
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pytest

from lotkeeper_client import ExtraMissingError, Frame
from lotkeeper_client.frame import Page
from lotkeeper_client.rows import Freshness, Links

AT = datetime(2026, 11, 20, 15, 0, 0, 250, tzinfo=UTC)
FRESH = Freshness(
    source="live",
    as_of=AT,
    received_at=AT,
    age_seconds=0,
    stale=False,
    reason=None,
    links=Links(gateway="up", ibkr="up"),
)


class Inner(msgspec.Struct, frozen=True):
    amount: Decimal


class One(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    count: int | None
    amount: Decimal | None
    known: bool
    at: datetime | None
    day: date
    parts: tuple[Inner, ...]
    until: str | None = msgspec.field(name="to")
    freshness: Freshness = FRESH


ROWS = (
    One(
        name="a",
        count=1,
        amount=Decimal("12345678901234567890.123456789"),
        known=True,
        at=AT,
        day=date(2026, 11, 20),
        parts=(Inner(Decimal("1.5")),),
        until="x",
    ),
    One(
        name="b",
        count=None,
        amount=Decimal("-0.1"),
        known=False,
        at=None,
        day=date(2026, 11, 19),
        parts=(),
        until=None,
    ),
    One(name="c", count=3, amount=None, known=True, at=AT, day=date(2026, 11, 18), parts=(), until=None),
)


def frame_of(*rows: One) -> Frame[One]:
    return Frame(One, lambda _: Page(rows, None, FRESH))


def test_polars_has_decimal_columns_and_times_in_utc() -> None:
    told = frame_of(*ROWS).to_polars()
    assert told.columns == ["name", "count", "amount", "known", "at", "day", "parts", "to"]
    assert told.schema["amount"] == pl.Decimal(38, 9)
    assert told["amount"].to_list() == [row.amount for row in ROWS]
    assert told.schema["at"] == pl.Datetime("us", "UTC")
    assert told["at"].to_list() == [AT, None, AT]
    assert (told.schema["day"], told.schema["count"], told.schema["known"]) == (pl.Date, pl.Int64, pl.Boolean)
    assert told["parts"].to_list()[0] == [{"amount": Decimal("1.5")}]
    assert told["count"].sum() == 4


def test_pandas_keeps_decimals_and_zones_and_what_is_missing() -> None:
    told = frame_of(*ROWS).to_pandas()
    assert list(told["amount"]) == [row.amount for row in ROWS]
    assert isinstance(told["amount"].iloc[0], Decimal)
    assert str(told["at"].dtype) == "datetime64[us, UTC]"
    assert told["at"].iloc[0] == pd.Timestamp(AT)
    assert pd.isna(told["count"].iloc[1])
    assert told["count"].sum() == 4
    assert list(told["to"].isna()) == [False, True, True]


def test_no_rows_are_a_frame_with_its_columns() -> None:
    empty = frame_of()
    assert empty.to_polars().schema["amount"] == pl.Decimal(38, 0)
    assert len(empty.to_pandas()) == len(empty) == 0
    assert "amount" in empty.to_pandas()
    assert repr(empty) == "<Frame of 0 One>"


def test_pages_are_each_fetched_once_and_the_first_says_how_fresh() -> None:
    asked: list[str | None] = []

    def fetch(cursor: str | None) -> Page:
        asked.append(cursor)
        number = len(asked)
        return Page(ROWS[number - 1 : number], f"after {number}" if number < 3 else None, FRESH)

    frame = Frame(One, fetch)
    assert [row.name for row in frame] == ["a", "b", "c"]
    assert [row.name for row in frame] == ["a", "b", "c"]
    assert asked == [None, "after 1", "after 2"]
    assert frame.freshness is FRESH
    assert repr(frame).count("One(") == 3


def test_rows_without_a_word_on_freshness_say_so() -> None:
    with pytest.raises(LookupError):
        _ = Frame(One, lambda _: Page((), None, None)).freshness


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_a_library_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(asked: str, *more: Any, **others: Any) -> Any:
        if asked == name:
            raise ImportError(asked)
        return real(asked, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissingError, match=rf"\[{name}\]"):
        getattr(frame_of(*ROWS), f"to_{name}")()
