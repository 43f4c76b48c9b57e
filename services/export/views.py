"""Views of DuckDB over the Parquet files of an export: a name for each dataset."""

import contextlib
from pathlib import Path
from typing import Any, Final

from services.export.errors import ExportChoiceError, ExportFailedError
from services.export.manifest import ExportedDataset, Manifest, read_manifest

SQL: Final = "views.sql"
DATABASE: Final = "lotkeeper.duckdb"
MADE_LATER: Final = (SQL, DATABASE, f"{DATABASE}.wal")
"""What is in the folder of an export and no part of it: it can be made again at any time."""


def views_sql(manifest: Manifest) -> str:
    """Statements that make a view of each dataset. The paths in them begin in the folder of the export."""
    head = (
        f"-- Lotkeeper {manifest.lotkeeper}, {manifest.profile}, as of {manifest.taken_at}.\n"
        "-- Paths are relative: run this in the folder of the export, or SET file_search_path to it.\n"
    )
    return head + "\n".join(_view(manifest, one) for one in manifest.datasets) + "\n"


def _view(manifest: Manifest, dataset: ExportedDataset) -> str:
    files = [one.path for one in manifest.files if one.dataset == dataset.name]
    listed = ", ".join(f"'{one}'" for one in files)
    is_parted = any("/year=" in one for one in files)
    parted = ", hive_partitioning = true, hive_types = {'year': INTEGER}" if is_parted else ""
    # What has no rows has no year either, and the same columns.
    no_year = ", CAST(NULL AS INTEGER) AS year" if dataset.by_year and not is_parted else ""
    comment = dataset.description.replace("'", "''")
    return (
        f"CREATE OR REPLACE VIEW {dataset.name} AS SELECT *{no_year} FROM read_parquet([{listed}]{parted});\n"  # noqa: S608 - names of this program's own
        f"COMMENT ON VIEW {dataset.name} IS '{comment}';"
    )


def write_views(folder: Path) -> list[Path]:
    """Write the statements, and a database that has run them where DuckDB is installed.

    Raises:
        NoExportError: the folder is no export.
        ExportChoiceError: it has no Parquet files.
        ExportFailedError: nothing can be written there.
    """
    manifest = read_manifest(folder)
    if manifest.format != "parquet":
        raise ExportChoiceError(
            f"{folder} holds {manifest.format}. Views are made over Parquet: "
            "lotkeeper export all --format parquet --out DIR"
        )
    try:
        sql = views_sql(manifest)
        (folder / SQL).write_text(sql, encoding="utf-8")
        written = [folder / SQL]
        if _has_duckdb():
            written.append(_database(folder, sql))
    except OSError as error:
        raise ExportFailedError(f"Nothing can be written in {folder}: {error.strerror}.") from error
    return written


def _has_duckdb() -> bool:
    with contextlib.suppress(ImportError):
        import duckdb  # noqa: PLC0415 - an optional extra

        return bool(duckdb)
    return False


def _database(folder: Path, sql: str) -> Path:
    import duckdb  # noqa: PLC0415 - as above

    path = folder / DATABASE
    for name in MADE_LATER[1:]:
        (folder / name).unlink(missing_ok=True)
    connection: Any = duckdb.connect(str(path))
    try:
        place = str(folder.resolve()).replace("'", "''")
        connection.execute(f"SET file_search_path = '{place}'")
        connection.execute(sql)
    finally:
        connection.close()
    return path
