"""What is exported is what is kept: every row of every table and report, in every format."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from models.queries.datasets import left_out
from models.queries.datasets.catalogue import DATASETS, TABLES
from models.queries.datasets.columns import Bounds
from models.restricted import RestrictedPool
from models.session import Database
from models.tables import metadata
from services.export.errors import ExportChoiceError
from services.export.manifest import FORMATS
from services.export.run import Choice, export
from services.export.verify import verify
from tests.services.api.portfolio import PAPER
from tests.services.api.restricted import SECRETS
from tests.services.export.conftest import Export, as_csv_has_it, in_order, read_rows, rows_of
from tests.waiting import comes

SECRET_WORDS = ("password", "secret", "token", "hash")


def test_every_table_is_exported_or_said_why_not() -> None:
    tables = set(metadata.tables)
    assert set(TABLES) | set(left_out.TABLES) == tables
    assert not set(TABLES) & set(left_out.TABLES)
    assert all(left_out.TABLES.values())
    assert all(DATASETS[name].key for name in DATASETS)
    assert all(one.description for one in DATASETS.values())


def test_no_column_of_what_is_exported_sounds_like_a_secret() -> None:
    columns = [(name, column.name) for name in TABLES for column in metadata.tables[name].columns]
    assert [one for one in columns if any(word in one[1] for word in SECRET_WORDS)] == list(left_out.COLUMNS)


def test_what_a_large_dataset_is_parted_by_is_always_there() -> None:
    for one in DATASETS.values():
        if one.is_large:
            column = metadata.tables[one.name].columns[one.time or ""]
            assert not column.nullable
            assert str(column.type) == "TIMESTAMP"


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("file_format", FORMATS)
async def test_every_row_of_every_dataset_is_there_as_the_database_has_it(
    exporting: Export, raw: asyncpg.Connection, tmp_path: Path, file_format: str
) -> None:
    manifest = await exporting(file_format, tmp_path / "out")
    assert [one.name for one in manifest.datasets] == list(DATASETS)
    for one in manifest.datasets:
        kept = await rows_of(raw, one.name)
        assert len(kept) == one.rows
        assert one.rows >= (12 if one.kind == "table" else 0), one.name
        if file_format == "csv":
            kept = as_csv_has_it(manifest, one.name, kept)
        found = read_rows(tmp_path / "out", manifest, one.name)
        if file_format == "jsonl":
            kept = _documents_read(one, kept, is_text=True)
            found = _documents_read(one, found, is_text=False)
        assert found == kept, one.name
    assert verify(tmp_path / "out").findings == []
    assert sum(one.rows for one in manifest.datasets if one.kind == "report") > 20


def _documents_read(dataset: Any, rows: list[Any], *, is_text: bool) -> list[Any]:
    """Documents as what they say: JSON lines have them as they are, all others as text."""

    def read(value: Any) -> str:
        return json.dumps(json.loads(value) if is_text and value is not None else value, sort_keys=True)

    is_document = [one.kind == "document" for one in dataset.columns]
    return in_order(
        [tuple(read(v) if one else v for one, v in zip(is_document, row, strict=True)) for row in rows]
    )


@pytest.mark.usefixtures("everything")
async def test_the_same_data_make_the_same_files(exporting: Export, tmp_path: Path) -> None:
    first = await exporting("parquet", tmp_path / "first")
    second = await exporting("parquet", tmp_path / "second")
    assert first.files == second.files
    assert first.taken_at < second.taken_at


async def test_an_empty_database_makes_empty_files_with_their_columns(
    exporting: Export, tmp_path: Path
) -> None:
    for file_format in FORMATS:
        manifest = await exporting(file_format, tmp_path / file_format)
        assert {one.rows for one in manifest.datasets} == {0}
        for one in manifest.datasets:
            assert read_rows(tmp_path / file_format, manifest, one.name) == []
        assert verify(tmp_path / file_format).findings == []


async def test_amounts_are_decimals_as_long_as_one_holds_them_all_and_text_otherwise(
    exporting: Export, raw: asyncpg.Connection, tmp_path: Path
) -> None:
    async def typed(*levels: str) -> tuple[str, list[Any]]:
        await raw.execute("TRUNCATE benchmark_levels")
        for day, level in enumerate(levels):
            await raw.execute(
                "INSERT INTO benchmark_levels "
                "VALUES ('b', date '2026-01-01' + $1::int, $2::numeric, '', '', now())",
                day,
                Decimal(level),
            )
        await exporting("parquet", tmp_path / "out", names=("benchmark_levels",), replace=True)
        table = pyarrow.parquet.read_table(tmp_path / "out/benchmark_levels/data.parquet")
        return str(table.schema.field("level").type), table["level"].to_pylist()

    assert await typed("1", "0.5") == ("decimal128(38, 10)", [Decimal(1), Decimal("0.5")])
    longer = "0.1234567890123456789012345"
    assert await typed("1", longer) == ("decimal128(38, 25)", [Decimal(1), Decimal(longer)])
    zeros = "0.5" + 30 * "0"
    assert await typed("1", zeros) == ("decimal128(38, 10)", [Decimal(1), Decimal("0.5")])
    large = "123456789012345678901234567890.5"
    assert await typed("1", large) == ("decimal128(38, 1)", [Decimal(1), Decimal(large)])
    assert await typed(large, longer) == ("string", [large, longer])


@pytest.mark.usefixtures("everything")
async def test_a_time_bounds_what_happened_and_nothing_else(
    exporting: Export, raw: asyncpg.Connection, tmp_path: Path
) -> None:
    since, until = "2020-04-09T23:59:59.999999Z", "2021-01-01T00:00:00Z"
    manifest = await exporting("jsonl", tmp_path / "out", bounds=Bounds(since, until))
    rows = {one.name: one.rows for one in manifest.datasets}
    kept = await raw.fetchval(
        "SELECT count(*) FROM executions WHERE executed_at >= $1::text::timestamptz "
        "AND executed_at < $2::text::timestamptz",
        since,
        until,
    )
    assert 0 < rows["executions"] == kept
    assert rows["instruments"] == await raw.fetchval("SELECT count(*) FROM instruments")
    times = {one.name: one.time for one in manifest.datasets}
    assert (times["executions"], times["instruments"]) == ("executed_at", None)
    assert (manifest.since, manifest.until) == (since, until)


@pytest.mark.usefixtures("two_accounts")
async def test_an_export_of_an_account_tells_nothing_of_another(
    database: Database, postgres_url: str, raw: asyncpg.Connection, tmp_path: Path
) -> None:
    pool = RestrictedPool(
        postgres_url.replace("postgresql://", "postgresql+asyncpg://"), database, application="test"
    )
    async with pool.of([PAPER]).read_one_moment() as reader:
        manifest = await export(reader, "main", Choice("jsonl", tmp_path / "out", accounts=(PAPER,)))
    await pool.close()
    told = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").glob("*.jsonl"))
    assert [secret for secret in SECRETS if f'"{secret}"' in told] == []
    rows = {one.name: one.rows for one in manifest.datasets}
    assert (
        0
        < rows["executions"]
        == await raw.fetchval("SELECT count(*) FROM executions WHERE account = $1", PAPER)
    )
    assert rows["executions"] < await raw.fetchval("SELECT count(*) FROM executions")
    assert "raw_payloads" in manifest.left_out
    assert manifest.accounts == (PAPER,)


async def test_everything_is_of_one_moment(
    exporting: Export, raw: asyncpg.Connection, tmp_path: Path
) -> None:
    async with raw.transaction():
        await raw.execute("LOCK TABLE sync_log")
        running = asyncio.ensure_future(exporting("csv", tmp_path / "out"))
        await comes((tmp_path / ".out.part/sync_datasets.csv").exists)
        await raw.execute("INSERT INTO sync_log (at, kind, message) VALUES (now(), 'a', 'b')")
    manifest = await running
    assert {one.rows for one in manifest.datasets} == {0}
    later = await exporting("csv", tmp_path / "later")
    assert {one.name for one in later.datasets if one.rows} == {"sync_log"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"names": ("positons",)}, "There is no dataset 'positons'."),
        ({"names": ("users",)}, "users is never exported: says who may see this portfolio"),
        ({"names": ("audit_log",), "accounts": ("U1",)}, "audit_log tells of all accounts at once"),
        ({"passphrase": "x"}, "Only --format sqlite can be encrypted."),
    ],
)
async def test_what_cannot_be_asked_for_is_said_in_a_sentence(
    exporting: Export, tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ExportChoiceError, match=sentence.replace(".", r"\.")):
        await exporting("csv", tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("everything")
async def test_an_encrypted_file_is_read_with_its_passphrase_only(exporting: Export, tmp_path: Path) -> None:
    await exporting("sqlite", tmp_path / "out", passphrase="it's secret", names=("executions",))
    path = tmp_path / "out/lotkeeper.sqlite"
    assert not path.read_bytes().startswith(b"SQLite format 3")
    for passphrase, is_right in (("it's secret", True), ("wrong", False)):
        connection = sqlcipher.connect(str(path))
        quoted = passphrase.replace("'", "''")
        connection.execute(f"PRAGMA key = '{quoted}'")
        if is_right:
            assert connection.execute("SELECT count(*) FROM executions").fetchone()[0] > 12
        else:
            with pytest.raises(sqlcipher.DatabaseError):
                connection.execute("SELECT count(*) FROM executions")
        connection.close()
