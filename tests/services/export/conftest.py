"""Exports of databases, and what they hold, read again."""

import csv
import json
import sqlite3
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.csv
import pyarrow.dataset
import pytest

from core.tabular import Kind, inert
from models.queries.datasets.catalogue import DATASETS
from models.session import Database
from services.export.manifest import Manifest
from services.export.run import Choice, export
from tests.databases import Templates
from tests.services.api.restricted import seed_both
from tests.services.export.everything import fill

Export = Callable[..., Awaitable[Manifest]]
Rows = list[tuple[Any, ...]]


@pytest.fixture
def template(request: pytest.FixtureRequest, template: str, templates: Templates) -> str:
    return (
        templates.seeded(seed_both)
        if "everything" in request.fixturenames or "two_accounts" in request.fixturenames
        else template
    )


@pytest.fixture
def two_accounts(database: Database) -> Database:
    return database


@pytest.fixture
async def everything(postgres_url: str, database: Database) -> Database:
    """Two accounts of which much is known, and in every table what is hard to write."""
    await fill(postgres_url.replace("+asyncpg", ""))
    return database


@pytest.fixture
def exporting(database: Database) -> Export:
    async def run(file_format: Any, target: Path, **options: Any) -> Manifest:
        async with database.read_one_moment() as reader:
            return await export(reader, "main", Choice(file_format, target, **options))

    return run


@pytest.fixture
async def raw(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def rows_of(raw: asyncpg.Connection, name: str) -> Rows:
    """What PostgreSQL itself says that a dataset's rows are, each value as Python has it."""
    found = [tuple(row.values()) for row in await raw.fetch(DATASETS[name].select)]
    return in_order([tuple(_plain(value) for value in row) for row in found])


def in_order(rows: Rows) -> Rows:
    return sorted(rows, key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.normalize() + 0
    if isinstance(value, list):
        return json.dumps(value)
    if value is None or isinstance(value, bool | int | bytes | str | float | date):
        return value
    return str(value)


def _read(kind: str, value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if value is None:
        return None
    match Kind(kind):
        case Kind.AMOUNT:
            return Decimal(value).normalize() + 0
        case Kind.MOMENT if isinstance(value, str):
            assert value.endswith("Z")
            return datetime.fromisoformat(value)
        case Kind.DAY if isinstance(value, str):
            return date.fromisoformat(value)
        case Kind.INTEGER:
            return int(value)
        case Kind.BOOLEAN:
            return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else bool(value)
        case Kind.BINARY if isinstance(value, str):
            return b64decode(value, validate=True)
    return value


def read_rows(folder: Path, manifest: Manifest, name: str) -> Rows:
    """What an export has of a dataset."""
    dataset = next(one for one in manifest.datasets if one.name == name)
    kinds = [one.kind for one in dataset.columns]
    names = [one.name for one in dataset.columns]
    readers = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl, "sqlite": _sqlite}
    found = readers[manifest.format](folder, name, names)
    return in_order(
        [tuple(_read(kind, value) for kind, value in zip(kinds, row, strict=True)) for row in found]
    )


def _parquet(folder: Path, name: str, names: list[str]) -> list[Any]:
    table = pyarrow.dataset.dataset(folder / name, format="parquet").to_table()
    assert table.schema.names == names
    return [tuple(row[one] for one in names) for row in table.to_pylist()]


def _csv(folder: Path, name: str, names: list[str]) -> list[Any]:
    path = folder / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = sum(1 for _ in csv.reader(file))
    table = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={one: pyarrow.string() for one in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert table.schema.names == names
    assert table.num_rows == lines - 1, "Python's own reader sees as many rows"
    return [tuple(row[one] for one in names) for row in table.to_pylist()]


def _jsonl(folder: Path, name: str, names: list[str]) -> list[Any]:
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    rows = [json.loads(line) for line in lines]
    assert all(list(row) == names for row in rows)
    return [tuple(row.values()) for row in rows]


def _sqlite(folder: Path, name: str, names: list[str]) -> list[Any]:
    connection = sqlite3.connect(f"file:{folder / 'lotkeeper.sqlite'}?mode=ro", uri=True)
    try:
        cursor = connection.execute(f"SELECT * FROM {name}")  # noqa: S608
        assert [one[0] for one in cursor.description] == names
        return cursor.fetchall()
    finally:
        connection.close()


def as_csv_has_it(manifest: Manifest, name: str, rows: Rows) -> Rows:
    """Text as it is made inert."""
    dataset = next(one for one in manifest.datasets if one.name == name)
    is_text = [one.kind == "text" for one in dataset.columns]
    return in_order(
        [
            tuple(
                inert(v) if text and isinstance(v, str) else v for text, v in zip(is_text, row, strict=True)
            )
            for row in rows
        ]
    )
