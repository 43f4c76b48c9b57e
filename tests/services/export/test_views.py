"""DuckDB reads what was exported, and comes to the same sums as PostgreSQL, to the last digit."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import asyncpg
import duckdb
import pytest

from models.queries.datasets.catalogue import DATASETS
from services.export.errors import ExportChoiceError, NoExportError
from services.export.verify import verify
from services.export.views import write_views
from tests.services.export.conftest import Export


@pytest.mark.usefixtures("everything")
async def test_every_dataset_is_a_view_whose_sums_are_those_of_postgresql(
    exporting: Export, raw: asyncpg.Connection, tmp_path: Path
) -> None:
    manifest = await exporting("parquet", tmp_path / "out")
    sql, database = write_views(tmp_path / "out")
    assert str(tmp_path) not in sql.read_text(encoding="utf-8"), "the folder can be moved"
    (tmp_path / "out").rename(tmp_path / "moved")
    with duckdb.connect(str(tmp_path / "moved" / database.name), read_only=True) as lake:
        lake.execute(f"SET file_search_path = '{tmp_path / 'moved'}'")
        summed = 0
        for one in manifest.datasets:
            assert lake.execute(f"SELECT count(*) FROM {one.name}").fetchone() == (one.rows,)  # noqa: S608
            for column in one.columns:
                if column.kind == "amount":
                    assert column.type.startswith("decimal128(38, ")
                    theirs = lake.execute(f'SELECT sum("{column.name}") FROM {one.name}').fetchone()  # noqa: S608
                    query = f'SELECT sum("{column.name}") FROM ({DATASETS[one.name].select}) d'  # noqa: S608
                    assert (theirs or (None,))[0] == await raw.fetchval(query), (one.name, column.name)
                    summed += 1
        assert summed > 100
        years = lake.execute("SELECT DISTINCT year FROM executions ORDER BY 1").fetchall()
        kept = await raw.fetch(
            "SELECT DISTINCT date_part('year', executed_at AT TIME ZONE 'UTC')::int AS y FROM executions "
            "ORDER BY 1"
        )
        assert years == [(row["y"],) for row in kept]
        assert len(years) > 2
    assert verify(tmp_path / "moved").findings == [], "views are no part of what was written"


async def test_views_of_an_empty_database_have_all_columns(exporting: Export, tmp_path: Path) -> None:
    await exporting("parquet", tmp_path / "out")
    _, database = write_views(tmp_path / "out")
    write_views(tmp_path / "out")
    with duckdb.connect(str(database)) as lake:
        lake.execute(f"SET file_search_path = '{tmp_path / 'out'}'")
        assert lake.execute("SELECT sum(price) FROM executions WHERE year = 2026").fetchone() == (None,)


async def test_what_has_no_parquet_is_refused(exporting: Export, tmp_path: Path) -> None:
    await exporting("csv", tmp_path / "out", names=("executions",))
    with pytest.raises(ExportChoiceError, match="holds csv"):
        write_views(tmp_path / "out")
    with pytest.raises(NoExportError, match=r"no manifest\.json in it"):
        write_views(tmp_path)


@pytest.mark.usefixtures("everything")
async def test_the_view_of_a_sqlite_table_has_numbers(exporting: Export, tmp_path: Path) -> None:
    await exporting("sqlite", tmp_path / "out")
    connection = sqlite3.connect(tmp_path / "out/lotkeeper.sqlite")
    exact = connection.execute("SELECT sum(quantity), count(*) FROM executions_numbers WHERE quantity > 1000")
    told = exact.fetchone()
    texts = connection.execute("SELECT quantity FROM executions").fetchall()
    large = [Decimal(row[0]) for row in texts if Decimal(row[0]) > 1000]
    assert told == (pytest.approx(float(sum(large))), len(large))
    facts = dict(connection.execute("SELECT name, value FROM lotkeeper_export"))
    assert facts["profile"] == "main"
    connection.close()
