"""Datasets as Parquet, the large ones parted by year as Hive does, and so DuckDB, Polars and Spark."""

import asyncio
import base64
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv, parquet

from core.tabular import KIND_KEY, Kind, arrow_type
from models.queries.datasets.catalogue import Dataset
from models.queries.datasets.columns import DIGITS, Column, Spelling
from services.export.files import HashedFile
from services.export.manifest import ExportedFile

BLOCK_BYTES: Final = 8 << 20
"""So many bytes of rows are gathered and written as one row group: some 50,000 executions."""


def type_of(column: Column) -> Any:
    """The Arrow type of a column."""
    if column.kind is Kind.AMOUNT and column.places is not None:
        return pa.decimal128(DIGITS, column.places)
    return arrow_type(column.kind)


class _Sink:
    def __init__(self, file: HashedFile, dataset: str, columns: Sequence[Column]) -> None:
        self._file = file
        self._dataset = dataset
        self._binary = [one.name for one in columns if one.kind is Kind.BINARY]
        self._schema = pa.schema(
            [
                pa.field(
                    one.name,
                    type_of(one),
                    metadata={KIND_KEY: one.kind.value, "description": one.description},
                )
                for one in columns
            ]
        )
        read_as = {
            field.name: pa.string() if field.name in self._binary else field.type for field in self._schema
        }
        self._convert = csv.ConvertOptions(
            column_types=read_as,
            null_values=[""],
            strings_can_be_null=True,
            # PostgreSQL quotes an empty text, and nothing else that is empty.
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")

    async def take(self, lines: bytes) -> None:
        self._waiting.append(lines)
        self._bytes += len(lines)
        if self._bytes >= BLOCK_BYTES:
            await self._pass_on()

    async def _pass_on(self) -> None:
        """One block is written while the next is gathered, and no more than these two are held."""
        await self._written()
        lines, self._waiting, self._bytes = b"".join(self._waiting), [], 0
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._write, lines))

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    def _write(self, lines: bytes) -> None:
        table = csv.read_csv(
            pa.BufferReader(lines),
            read_options=csv.ReadOptions(
                column_names=self._schema.names, block_size=len(lines) + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=self._convert,
        )
        for name in self._binary:
            decoded = [None if one is None else base64.b64decode(one) for one in table[name].to_pylist()]
            place = table.schema.get_field_index(name)
            table = table.set_column(place, self._schema.field(name), pa.array(decoded, pa.binary()))
        self._writer.write_table(table.cast(self._schema))

    async def end(self, rows: int) -> ExportedFile:
        if self._bytes:
            await self._pass_on()
        await self._written()
        self._writer.close()
        return self._file.told(self._dataset, rows)

    def close(self) -> None:
        self._file.close()


class ParquetWriter:
    """A folder for each dataset, within it one file, or a folder with one for each year."""

    spelling: Spelling = "arrow"
    by_year = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def type_of(self, column: Column) -> str:
        """The Arrow type, as Arrow spells it."""
        return str(type_of(column))

    def begin(self, dataset: Dataset, columns: Sequence[Column], year: int | None) -> _Sink:
        """A file for each."""
        place = "data.parquet" if year is None else f"year={year}/data.parquet"
        return _Sink(HashedFile(self._folder, f"{dataset.name}/{place}"), dataset.name, columns)

    def end(self, facts: dict[str, str], rows: int) -> list[ExportedFile]:  # noqa: ARG002 - the manifest tells them
        """No file holds several."""
        return []

    def telling(self) -> AbstractContextManager[None]:
        """It has none of its own."""
        return nullcontext()

    def close(self) -> None:
        """Nothing is open."""
