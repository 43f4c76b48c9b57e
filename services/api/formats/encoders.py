"""A whole list, row by row, as CSV or as lines of JSON."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from core.tabular import inert
from services.api.exchange import Format
from services.api.formats.columns import Column
from services.api.problems import ProblemError

MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

_encode = msgspec.json.Encoder().encode
_decode_rows = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


def rows_of(items: msgspec.Raw) -> list[dict[str, Any]]:
    """The rows of a page, as JSON has them."""
    return _decode_rows(items)


class Encoder(Protocol):
    """Turns pages into the bytes of a file. Everything is called in one thread at a time."""

    def head(self) -> bytes:
        """What stands before the first row."""

    def rows(self, items: msgspec.Raw) -> bytes:
        """A page of rows; empty where it waits for more of them."""

    def end(self) -> bytes:
        """What stands after the last row."""

    def broken(self, problem: ProblemError) -> bytes:
        """What to say when there is an end before the last row; the connection is cut after it."""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return inert(value)
    return _encode(value).decode()


class CsvEncoder:
    """RFC 4180, UTF-8, with a line of names. Unknown values are empty."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def head(self) -> bytes:
        """The names."""
        return self._lines([[column.name for column in self._columns]])

    def rows(self, items: msgspec.Raw) -> bytes:
        """A line a row."""
        return self._lines([[_cell(column.value(row)) for column in self._columns] for row in rows_of(items)])

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def broken(self, problem: ProblemError) -> bytes:  # noqa: ARG002 - a line of it would look like a row
        """Nothing: a line would look like a row."""
        return b""

    def _lines(self, lines: list[list[str]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(lines)
        return text.getvalue().encode()


class NdjsonEncoder:
    """A line a row, each exactly as it stands in the page of JSON."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, items: msgspec.Raw) -> bytes:
        """A line a row."""
        return b"".join(bytes(row) + b"\n" for row in _decode_raw(items))

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def broken(self, problem: ProblemError) -> bytes:
        """A last line that holds nothing but the problem."""
        return b'{"error":%b}\n' % bytes(problem.response().body)
