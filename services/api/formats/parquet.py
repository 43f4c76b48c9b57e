"""A whole list as Parquet. pyarrow is loaded with the first of them: an idle API does not carry it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from core.tabular import KIND_KEY, Kind, arrow_type
from services.api.formats.columns import Column
from services.api.formats.encoders import rows_of
from services.api.problems import ProblemError

ROWS_A_GROUP: Final = 10_000
"""How many rows are held until they are written together."""

_encode = msgspec.json.Encoder().encode


class _Sink:
    """A file that only grows, and whose beginning can be taken away."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _value(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind is Kind.MOMENT:
        return datetime.fromisoformat(value)
    if kind is Kind.DAY:
        return date.fromisoformat(value)
    if kind is Kind.DOCUMENT:
        return _encode(value).decode()
    return value


class ParquetEncoder:
    """Row groups of ten thousand rows. Decimals are text, as in JSON: no fixed scale holds every digit."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._waiting: list[dict[str, Any]] = []
        self._sink = _Sink()
        self._schema: Any = None
        self._writer: Any = None

    def head(self) -> bytes:
        """The file's first bytes."""
        import pyarrow as pa  # noqa: PLC0415 - some 60 MB that only those pay for who ask for Parquet
        from pyarrow import parquet  # noqa: PLC0415 - the same

        self._schema = pa.schema(
            [
                pa.field(
                    column.name,
                    arrow_type(column.kind),
                    metadata={KIND_KEY: column.kind.value},
                )
                for column in self._columns
            ]
        )
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        return self._sink.take()

    def rows(self, items: msgspec.Raw) -> bytes:
        """A row group, as soon as one is full."""
        self._waiting += rows_of(items)
        if len(self._waiting) >= ROWS_A_GROUP:
            self._write()
        return self._sink.take()

    def end(self) -> bytes:
        """What waits, and the footer without which it is no file."""
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.take()

    def broken(self, problem: ProblemError) -> bytes:  # noqa: ARG002 - there is no place for it
        """Nothing: without its footer it is no file."""
        return b""

    def _write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        arrays = [
            pa.array([_value(column.value(row), column.kind) for row in self._waiting], type=field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._waiting.clear()
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
