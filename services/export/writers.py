"""Who writes an export: one for each format, told of dataset after dataset and then of its rows."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from core.tabular import Kind
from models.queries.datasets.catalogue import Dataset
from models.queries.datasets.columns import Column, Spelling
from services.export.files import HashedFile
from services.export.manifest import ExportedFile


class Sink(Protocol):
    """Takes the rows of one dataset, or of one year of it."""

    async def take(self, lines: bytes) -> None:
        """Whole lines, as PostgreSQL's COPY spells them."""

    async def end(self, rows: int) -> ExportedFile | None:
        """There were so many rows. Returns the file, if they have one of their own."""

    def close(self) -> None:
        """Let go of everything, also after a failure; a second time does nothing."""


class Writer(Protocol):
    """Writes one format. ``by_year`` says whether large datasets have a file for each year."""

    spelling: Spelling
    by_year: bool

    def type_of(self, column: Column) -> str:
        """What the format has for a column."""

    def begin(self, dataset: Dataset, columns: Sequence[Column], year: int | None) -> Sink:
        """Begin with a dataset, or with one year of it."""

    def end(self, facts: dict[str, str], rows: int) -> list[ExportedFile]:
        """All datasets have been written, so many rows. Returns the files that hold several of them."""

    def telling(self) -> AbstractContextManager[None]:
        """The format's own failures as sentences."""

    def close(self) -> None:
        """As of a sink."""


class _TextSink:
    def __init__(self, file: HashedFile, dataset: str) -> None:
        self._file = file
        self._dataset = dataset

    async def take(self, lines: bytes) -> None:
        self._file.write(lines)

    async def end(self, rows: int) -> ExportedFile:
        return self._file.told(self._dataset, rows)

    def close(self) -> None:
        self._file.close()


class TextWriter:
    """CSV (UTF-8, a line of names) or lines of JSON, as PostgreSQL sends them."""

    by_year = False
    _TYPES = {  # noqa: RUF012 - never written
        Kind.AMOUNT: "decimal as text",
        Kind.MOMENT: "ISO 8601, UTC, microseconds",
        Kind.DAY: "ISO 8601",
        Kind.BINARY: "base64",
        Kind.DOCUMENT: "JSON",
        Kind.TEXT: "text",
        Kind.BOOLEAN: "true or false",
    }

    def __init__(self, folder: Path, *, as_json: bool) -> None:
        self._folder = folder
        self._suffix = "jsonl" if as_json else "csv"
        self.spelling: Spelling = "json" if as_json else "csv"

    def type_of(self, column: Column) -> str:
        """In words."""
        return self._TYPES.get(column.kind, column.kind.value)

    def begin(self, dataset: Dataset, columns: Sequence[Column], year: int | None) -> Sink:  # noqa: ARG002 - each file is of one dataset and all years
        """A file for each."""
        return _TextSink(HashedFile(self._folder, f"{dataset.name}.{self._suffix}"), dataset.name)

    def end(self, facts: dict[str, str], rows: int) -> list[ExportedFile]:  # noqa: ARG002 - the manifest tells them
        """No file holds several."""
        return []

    def telling(self) -> AbstractContextManager[None]:
        """It has none."""
        return nullcontext()

    def close(self) -> None:
        """Nothing is open."""
