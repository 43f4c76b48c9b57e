"""All datasets as one SQLite file, a table each, and a view beside it in which amounts are numbers."""

import base64
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from core.checksums import sha256_of
from core.tabular import Kind
from models.queries.datasets.catalogue import Dataset
from models.queries.datasets.columns import Column, Spelling
from services.export.errors import ExportChoiceError, ExportFailedError
from services.export.manifest import ExportedFile

NAME: Final = "lotkeeper.sqlite"
NUMBERS: Final = "_numbers"
"""Behind a table's name that of its view in which amounts are floating-point numbers."""

_TYPES: Final = {
    Kind.INTEGER: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.NUMBER: "REAL",
    Kind.BINARY: "BLOB",
}
_decode_lines = msgspec.json.Decoder(list[Any]).decode_lines


class _Sink:
    def __init__(self, connection: Any, dataset: Dataset, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._binary = [place for place, one in enumerate(columns) if one.kind is Kind.BINARY]
        self._insert = f"INSERT INTO {dataset.name} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - a name of this program's own

    async def take(self, lines: bytes) -> None:
        rows = _decode_lines(lines)
        for row in rows if self._binary else ():
            for place in self._binary:
                row[place] = None if row[place] is None else base64.b64decode(row[place])
        self._connection.executemany(self._insert, rows)

    async def end(self, rows: int) -> None:  # noqa: ARG002 - the file is told of when all is in it
        return None

    def close(self) -> None:
        """The connection is the writer's."""


class SqliteWriter:
    """Exact values are TEXT, which SQLite has no number for; times are TEXT that sorts as it should."""

    spelling: Spelling = "row"
    by_year = False

    def __init__(self, folder: Path, passphrase: str | None) -> None:
        self._folder = folder
        self._connection, self._failures = _connect(folder / NAME, passphrase)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("BEGIN")

    def type_of(self, column: Column) -> str:
        """The type that the table declares."""
        return _TYPES.get(column.kind, "TEXT")

    def begin(self, dataset: Dataset, columns: Sequence[Column], year: int | None) -> _Sink:  # noqa: ARG002 - one table
        """A table, and its view."""
        declared = [f'"{one.name}" {self.type_of(one)}' for one in columns]
        if dataset.kind == "table":
            declared.append(f"PRIMARY KEY ({', '.join(dataset.key)})")
        self._connection.execute(f"CREATE TABLE {dataset.name} ({', '.join(declared)})")
        if any(one.kind is Kind.AMOUNT for one in columns):
            shown = (
                f'CAST("{one.name}" AS REAL) AS "{one.name}"' if one.kind is Kind.AMOUNT else f'"{one.name}"'
                for one in columns
            )
            self._connection.execute(
                f"CREATE VIEW {dataset.name}{NUMBERS} AS SELECT {', '.join(shown)} FROM {dataset.name}"  # noqa: S608 - names of this program's own
            )
        return _Sink(self._connection, dataset, columns)

    def end(self, facts: dict[str, str], rows: int) -> list[ExportedFile]:
        """What the export is of stands in the file as well: it may go on its own."""
        self._connection.execute("CREATE TABLE lotkeeper_export (name TEXT PRIMARY KEY, value TEXT)")
        self._connection.executemany("INSERT INTO lotkeeper_export VALUES (?, ?)", facts.items())
        self._connection.execute("COMMIT")
        self._connection.close()
        path = self._folder / NAME
        return [ExportedFile(NAME, None, rows, path.stat().st_size, sha256_of(path))]

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """SQLite's own words for a full disk, as a sentence.

        Raises:
            ExportFailedError: it could not be written.
        """
        try:
            yield
        except self._failures as error:
            raise ExportFailedError(
                f"The SQLite file could not be written: {error}. Nothing of it is left. Is there room on "
                "the disk?"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(*self._failures):
            self._connection.close()


def _connect(path: Path, passphrase: str | None) -> tuple[Any, tuple[type[Exception], ...]]:
    if passphrase is None:
        import sqlite3  # noqa: PLC0415 - one or the other

        return sqlite3.connect(path, isolation_level=None, check_same_thread=False), (sqlite3.Error,)
    try:
        from sqlcipher3 import dbapi2 as sqlcipher  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ExportChoiceError(
            "To encrypt a SQLite file takes SQLCipher, which is not installed here. Install Lotkeeper with "
            "its extra `sqlcipher` (pip install sqlcipher3), or encrypt the folder by other means."
        ) from None
    connection = sqlcipher.connect(str(path), isolation_level=None, check_same_thread=False)
    quoted = passphrase.replace("'", "''")
    connection.execute(f"PRAGMA key = '{quoted}'")
    return connection, (sqlcipher.Error,)
