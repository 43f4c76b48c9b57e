"""What a question for rows gives: they come page by page as they are looked at, and become data frames."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from lotkeeper_client.columns import PRECISION, columns_of, scale_of
from lotkeeper_client.errors import ExtraMissingError
from lotkeeper_client.rows import Freshness

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Row = TypeVar("Row", bound=msgspec.Struct)

_SHOWN: Final = 3


class Page(NamedTuple):
    """Rows of one answer, where to go on, and how fresh they are."""

    rows: tuple[Any, ...]
    next_cursor: str | None
    freshness: Freshness | None


Fetch = Callable[[str | None], Page]
"""Asks for the page after a cursor, or for the first one."""


class Frame(Generic[Row]):
    """Rows of one kind. Going through them fetches the next page when it is come to, each page once.

    Rows that are added or change while the pages are fetched are not seen: cursors go on from the last row.
    """

    def __init__(self, row_type: type[Row], fetch: Fetch) -> None:
        self.row_type = row_type
        self._fetch = fetch
        self._rows: list[Row] = []
        self._cursor: str | None = None
        self._is_whole = False
        self._freshness: Freshness | None = None
        self._next_page()

    def __iter__(self) -> Iterator[Row]:
        """Each row in the server's order, page by page."""
        number = 0
        while True:
            if number < len(self._rows):
                yield self._rows[number]
                number += 1
            elif self._is_whole:
                return
            else:
                self._next_page()

    def __len__(self) -> int:
        """How many there are: fetches all of them."""
        return len(self.rows)

    def __repr__(self) -> str:
        """What is in it so far; asks for nothing."""
        more = "" if self._is_whole else "+"
        told = "".join(f"\n  {row}" for row in self._rows[:_SHOWN])
        dots = "\n  …" if len(self._rows) > _SHOWN else ""
        return f"<Frame of {len(self._rows)}{more} {self.row_type.__name__}>{told}{dots}"

    @property
    def rows(self) -> list[Row]:
        """All of them; fetches what was not yet."""
        while not self._is_whole:
            self._next_page()
        return list(self._rows)

    @property
    def freshness(self) -> Freshness:
        """How far the rows can be trusted as current, by the page that was fetched first.

        Raises:
            LookupError: the server does not say so of these rows.
        """
        if self._freshness is None:
            raise LookupError("The server does not say how fresh these rows are.")
        return self._freshness

    def head(self, most: int) -> list[Row]:
        """The first of them, at most so many; fetches no more pages than that takes."""
        while len(self._rows) < most and not self._is_whole:
            self._next_page()
        return self._rows[:most]

    def to_polars(self) -> "pl.DataFrame":
        """All rows as a polars data frame: amounts ``Decimal``, times with the zone UTC.

        Raises:
            ExtraMissingError: polars is not installed.
        """
        try:
            import polars as pl  # noqa: PLC0415 - optional, and takes a while
        except ImportError as error:
            raise ExtraMissingError("Install polars: pip install 'lotkeeper-client[polars]'.") from error
        types: dict[type, Any] = {
            str: pl.String(),
            int: pl.Int64(),
            float: pl.Float64(),
            bool: pl.Boolean(),
            datetime: pl.Datetime("us", "UTC"),
            date: pl.Date(),
        }
        series = []
        for name, kind, values in columns_of(self.row_type, self.rows):
            told = pl.Decimal(PRECISION, scale_of(values)) if kind is Decimal else types.get(kind or object)
            series.append(pl.Series(name, values, dtype=told, strict=told is not None))
        return pl.DataFrame(series)

    def to_pandas(self) -> "pd.DataFrame":
        """All rows as a pandas data frame: amounts are ``Decimal`` objects, times have the zone UTC.

        Raises:
            ExtraMissingError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional, and takes a while
        except ImportError as error:
            raise ExtraMissingError("Install pandas: pip install 'lotkeeper-client[pandas]'.") from error
        types: dict[type, str] = {
            str: "string",
            int: "Int64",
            float: "Float64",
            bool: "boolean",
            datetime: "datetime64[us, UTC]",
        }
        columns = {
            name: pd.Series(values, dtype=types.get(kind or object, "object"))
            for name, kind, values in columns_of(self.row_type, self.rows)
        }
        return pd.DataFrame(columns)

    def _next_page(self) -> None:
        page = self._fetch(self._cursor)
        self._rows.extend(page.rows)
        self._cursor = page.next_cursor
        self._is_whole = page.next_cursor is None
        if self._freshness is None:
            self._freshness = page.freshness
