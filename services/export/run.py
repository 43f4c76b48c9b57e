"""An export: what was chosen, all of one moment, into one folder."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from core import logs
from core.version import installed_version
from models.migrate import head_revision
from models.queries.datasets import left_out
from models.queries.datasets.catalogue import DATASETS, Dataset
from models.queries.datasets.columns import Bounds, Column, columns_of
from models.queries.datasets.reading import begin, copy, with_places, years_of
from models.session import Reader
from services.export.errors import ExportChoiceError
from services.export.folder import new_folder
from services.export.manifest import (
    NAME,
    VERSION,
    ExportedColumn,
    ExportedDataset,
    ExportedFile,
    Format,
    Manifest,
)
from services.export.sqlite import SqliteWriter
from services.export.writers import TextWriter, Writer

log = logs.get_logger(__name__)

_OF_ALL: Final = "tells of all accounts at once, or of none, and only some were asked for"
_NOT_ASKED: Final = "not asked for"


class Choice(NamedTuple):
    """What is exported, and where to.

    ``names`` are datasets, empty for all; ``accounts`` those whose rows are wanted, ``None`` for all of them.
    """

    format: Format
    target: Path
    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] | None = None
    bounds: Bounds = Bounds()
    replace: bool = False
    passphrase: str | None = None


Tell = Callable[[int, int, str, int], None]
"""Told how many of how many datasets are done, which is under way, and how many bytes of it have come."""


def chosen(choice: Choice) -> tuple[list[Dataset], dict[str, str]]:
    """The datasets of a choice, and why the others are none of it.

    Raises:
        ExportChoiceError: a dataset that there is not, or that is not of accounts where some were asked for.
    """
    if choice.passphrase is not None and choice.format != "sqlite":
        raise ExportChoiceError("Only --format sqlite can be encrypted.")
    for name in choice.names:
        if name in left_out.TABLES:
            raise ExportChoiceError(f"{name} is never exported: {left_out.TABLES[name]}.")
        if name not in DATASETS:
            raise ExportChoiceError(
                f"There is no dataset {name!r}. `lotkeeper export datasets` lists those there are."
            )
        if choice.accounts is not None and not DATASETS[name].by_account:
            raise ExportChoiceError(f"{name} {_OF_ALL}. Leave out --account, or {name}.")
    taken, others = [], dict(left_out.TABLES)
    for one in DATASETS.values():
        if choice.names and one.name not in choice.names:
            others[one.name] = _NOT_ASKED
        elif choice.accounts is not None and not one.by_account:
            others[one.name] = _OF_ALL
        else:
            taken.append(one)
    return taken, others


def _writer(choice: Choice, folder: Path) -> Writer:
    if choice.format == "parquet":
        from services.export.parquet import ParquetWriter  # noqa: PLC0415 - loads pyarrow: 60 MB, half a second

        return ParquetWriter(folder)
    if choice.format == "sqlite":
        return SqliteWriter(folder, choice.passphrase)
    return TextWriter(folder, as_json=choice.format == "jsonl")


async def export(reader: Reader, profile: str, choice: Choice, tell: Tell | None = None) -> Manifest:
    """Write what was chosen, as ``reader``, which sees one moment, sees it.

    Raises:
        ExportChoiceError: as ``chosen``.
        TargetError, ExportFailedError: it cannot be written there; nothing of it is left.
    """
    taken, others = chosen(choice)
    elapsed_ms = logs.stopwatch()
    raw = await begin(reader)
    at = await raw.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    manifest = Manifest(
        lotkeeper_export=VERSION,
        format=choice.format,
        encrypted=choice.passphrase is not None,
        lotkeeper=installed_version(),
        schema_revision=head_revision(),
        profile=profile,
        taken_at=at,
        accounts=choice.accounts,
        since=choice.bounds.since,
        until=choice.bounds.until,
        datasets=(),
        left_out=others,
        files=(),
    )
    with new_folder(choice.target, replace=choice.replace) as folder:
        with closing(_writer(choice, folder)) as writer, writer.telling():
            datasets, files = await _write_all(raw, writer, taken, choice.bounds, tell)
            files += writer.end(manifest.facts(), sum(one.rows for one in datasets))
        whole = msgspec.structs.replace(manifest, datasets=tuple(datasets), files=tuple(files)).sealed()
        (folder / NAME).write_bytes(whole.encoded())
    rows, size = sum(one.rows for one in datasets), sum(one.bytes for one in files)
    log.info("exported", format=choice.format, rows=rows, bytes=size, duration_ms=elapsed_ms())
    return whole


async def _write_all(
    raw: Any, writer: Writer, taken: Sequence[Dataset], bounds: Bounds, tell: Tell | None
) -> tuple[list[ExportedDataset], list[ExportedFile]]:
    datasets, files = [], []
    for number, one in enumerate(taken):
        progress = _Progress(tell, number, len(taken), one.name)
        columns = await columns_of(raw, one)
        if writer.by_year:
            columns = await with_places(raw, one, columns, bounds)
        years: list[int | None] = [None]
        if writer.by_year and one.is_large:
            years = [*await years_of(raw, one, columns, bounds)] or [None]
        rows = 0
        for year in years:
            written, file = await _write(raw, writer, one, columns, bounds, year, progress)
            rows += written
            files += [] if file is None else [file]
        datasets.append(_described(one, writer, columns, rows, bounds))
    if tell is not None:
        tell(len(taken), len(taken), "", 0)
    return datasets, files


async def _write(
    raw: Any,
    writer: Writer,
    dataset: Dataset,
    columns: Sequence[Column],
    bounds: Bounds,
    year: int | None,
    progress: "_Progress",
) -> tuple[int, ExportedFile | None]:
    with closing(writer.begin(dataset, columns, year)) as sink:

        async def take(lines: bytes) -> None:
            progress(len(lines))
            await sink.take(lines)
            # Whoever wants to stop it is heard.
            await asyncio.sleep(0)

        rows = await copy(raw, dataset, columns, bounds, year, writer.spelling, take)
        return rows, await sink.end(rows)


def _described(
    dataset: Dataset, writer: Writer, columns: Sequence[Column], rows: int, bounds: Bounds
) -> ExportedDataset:
    is_cut = dataset.time is not None and bounds != Bounds()
    return ExportedDataset(
        dataset.name,
        dataset.kind,
        dataset.description,
        rows,
        dataset.key,
        writer.by_year and dataset.is_large,
        dataset.time if is_cut else None,
        tuple(
            ExportedColumn(one.name, one.kind.value, writer.type_of(one), one.description) for one in columns
        ),
    )


class _Progress:
    def __init__(self, tell: Tell | None, done: int, total: int, name: str) -> None:
        self._tell = tell
        self._place = (done, total, name)
        self._bytes = 0
        self(0)

    def __call__(self, more: int) -> None:
        self._bytes += more
        if self._tell is not None:
            self._tell(*self._place, self._bytes)
