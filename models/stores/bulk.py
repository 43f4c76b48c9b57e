"""Writing many rows in one statement: ``INSERT … SELECT unnest(…)``, ``UPDATE … FROM unnest(…)``, ``COPY``.

Numbers travel as text, which asyncpg encodes many times faster than NUMERIC, and are stored without trailing
zeros, so that equal values are equal rows whatever arithmetic led to them.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import BigInteger, Boolean, Date, Integer, LargeBinary, Numeric, Text, TypeEngine, Uuid

from models.session import Writer

Row = Sequence[Any]

SET_BACK_SECONDS = 60
"""What is of this moment is never so late: where it seems to be, the clock that dates it was set back."""


def newer(table: str, column: str) -> str:
    """The condition that a row in hand is of a later moment than the stored one."""
    stored, new = f"{table}.{column}", f"excluded.{column}"
    return f"({stored} < {new} OR {stored} > {new} + interval '{SET_BACK_SECONDS} seconds')"


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _same(value: Any) -> Any:
    return value


_TRANSPORT: tuple[tuple[type[TypeEngine[Any]], str, str, Callable[[Any], Any]], ...] = (
    (Numeric, "text", "trim_scale(CAST({} AS numeric))", _number),
    (Uuid, "text", "CAST({} AS uuid)", lambda value: None if value is None else str(value)),
    (TIMESTAMP, "timestamptz", "{}", _same),
    (Date, "date", "{}", _same),
    (BigInteger, "bigint", "{}", _same),
    (Integer, "integer", "{}", _same),
    (Boolean, "boolean", "{}", _same),
    (Text, "text", "{}", _same),
    (LargeBinary, "bytea", "{}", _same),
    (JSONB, "text", "CAST({} AS jsonb)", _same),
)


class _Columns:
    """The named columns of a table as arrays: how they are sent and how they are read back in SQL."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.names = tuple(names)
        transports = [self._transport(table.c[name].type) for name in names]
        self._encode = [transport[3] for transport in transports]
        sent = ", ".join(
            f"CAST(:c{position} AS {transport[1]}[])" for position, transport in enumerate(transports)
        )
        self.source = f"unnest({sent}) AS r({', '.join(self.names)})"
        self.read = [
            transport[2].format(f"r.{name}") for name, transport in zip(self.names, transports, strict=True)
        ]

    @staticmethod
    def _transport(kind: TypeEngine[Any]) -> tuple[Any, str, str, Callable[[Any], Any]]:
        for transport in _TRANSPORT:
            if isinstance(kind, transport[0]):
                return transport
        raise TypeError(f"no way to send {kind!r} in bulk")

    def parameters(self, rows: Iterable[Row]) -> dict[str, list[Any]]:
        return {
            f"c{position}": list(column) if encode is _same else [encode(value) for value in column]
            for position, (column, encode) in enumerate(
                zip(zip(*rows, strict=True), self._encode, strict=True)
            )
        }


class BulkInsert:
    """One INSERT for any number of rows, with its ON CONFLICT clause and RETURNING list."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        conflict: str = "",
        returning: str = "",
        alias: str = "",
    ) -> None:
        self._columns = _Columns(table, columns)
        name = f"{table.name} AS {alias}" if alias else table.name
        # The names are this program's own, never input.
        self._statement: TextClause = text(
            f"INSERT INTO {name} ({', '.join(columns)}) "  # noqa: S608 - see above
            f"SELECT {', '.join(self._columns.read)} FROM {self._columns.source} "
            f"{conflict} {'RETURNING ' + returning if returning else ''}"
        )

    async def __call__(self, connection: Writer, rows: Sequence[Row]) -> list[Any]:
        """Insert ``rows``, whose values stand in the order of the columns; returns what RETURNING gives."""
        if not rows:
            return []
        result = await connection.execute(self._statement, self._columns.parameters(rows))
        return list(result) if result.returns_rows else []


class BulkUpdate:
    """One UPDATE for any number of rows, found by ``key`` columns. ``where`` can narrow it further."""

    def __init__(
        self, table: Table, key: Sequence[str], columns: Sequence[str], *, where: str = "true"
    ) -> None:
        self._columns = _Columns(table, (*key, *columns))
        read = dict(zip(self._columns.names, self._columns.read, strict=True))
        assignments = ", ".join(f"{name} = {read[name]}" for name in columns)
        found = " AND ".join(f"t.{name} = {read[name]}" for name in key)
        self._statement: TextClause = text(
            f"UPDATE {table.name} AS t SET {assignments} "  # noqa: S608 - names are this program's own
            f"FROM {self._columns.source} WHERE {found} AND ({where})"
        )

    async def __call__(self, connection: Writer, rows: Sequence[Row]) -> None:
        """Update; each row holds the key's values, then the columns'."""
        if rows:
            await connection.execute(self._statement, self._columns.parameters(rows))


_NULL = "\\N"
_LINES_A_CHUNK = 1_000
_ESCAPES = str.maketrans(
    {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\b": r"\b", "\f": r"\f", "\v": r"\v"}
)


def _copy_number(value: Decimal) -> str:
    if not value:
        return "0"
    spelled = str(value)
    if "E" in spelled:
        spelled = format(value, "f")
    return spelled.rstrip("0").rstrip(".") if spelled[-1] == "0" and "." in spelled else spelled


def _copy_text(value: str) -> str:
    # What is printed is escaped nowhere but for the backslash itself.
    return value if value.isprintable() and "\\" not in value else value.translate(_ESCAPES)


def _copy_time(value: datetime) -> str:
    # Before they are told apart: in a zone of its own, an hour that comes twice is equal to itself.
    return _copy_utc(value if value.tzinfo is UTC else value.astimezone(UTC))


@lru_cache(maxsize=8192)  # the time of a fill stands in its event, its lot and its disposals
def _copy_utc(value: datetime) -> str:
    spelled = value.isoformat(" ")[:-6]
    return f"{spelled.rstrip('0')}+00" if value.microsecond else f"{spelled}+00"


_COPY: dict[type, Callable[[Any], str]] = {
    Decimal: _copy_number,
    str: _copy_text,
    int: str,
    type(None): lambda _: _NULL,
    datetime: _copy_time,
    date: date.isoformat,
    bool: lambda value: "t" if value else "f",
    UUID: str,
}


def copy_line(values: Iterable[Any]) -> str:
    """One row in COPY's text format, each value as PostgreSQL itself would spell it there.

    Numbers are without trailing zeros, as ``BulkInsert`` stores them. A time zone of UTC and the ISO date
    style are taken for granted.
    """
    return "\t".join([_COPY[value.__class__](value) for value in values])


class BulkCopy:
    """COPY FROM STDIN: the fastest way in, for rows that meet no others of their key."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table.name
        self._columns = tuple(columns)

    async def __call__(self, connection: Writer, lines: Sequence[str]) -> None:
        """Write ``lines``, each made by ``copy_line`` of values in the order of the columns."""
        await copy_lines_into(connection, self._table, self._columns, lines)


async def copy_lines_into(
    connection: Writer, table: str, columns: Sequence[str], lines: Sequence[str]
) -> None:
    """COPY ``lines`` into a table by its name: also one that lives within the transaction only."""
    if not lines:
        return
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is None or not raw.is_in_transaction():
        raise RuntimeError("COPY has to stand in a transaction that has begun: execute something first")
    await raw.copy_to_table(table, source=_chunks(lines), columns=columns)


async def _chunks(lines: Sequence[str]) -> AsyncIterator[bytes]:
    for start in range(0, len(lines), _LINES_A_CHUNK):
        part = lines[start : start + _LINES_A_CHUNK]
        yield ("\n".join(part) + "\n").encode()
