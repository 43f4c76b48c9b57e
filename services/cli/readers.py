"""Which reader reads which format: the importer knows none of them."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from core.clock import utc_now
from core.domain.days import BROKER_ZONE
from core.domain.formats import HEAD_BYTES, Format, format_of
from core.settings import Settings
from services.position_sync.importing.source import Reading, ReadingApart, Source
from services.statements.apart import FlexFileApart
from services.statements.csv_file import CsvFile
from services.statements.flex import FlexFile

ReadApart = Callable[[Path, str], ReadingApart]


def source_of(
    settings: Settings,
    path: Path,
    kind: Format | None = None,
    name: str = "",
    *,
    read_apart: ReadApart | None = None,
) -> Source:
    """A file with what reads it; without ``kind`` of the format that it begins like.

    A large one is read by ``read_apart``, else by a process that is started when its import begins.

    Raises:
        OSError: the file cannot be read.
    """
    if kind is None:
        with path.open("rb") as file:
            kind = format_of(file.read(HEAD_BYTES))
    apart = (read_apart or FlexFileApart) if kind == "flex" else None
    return Source(path, kind, _reader(settings, kind), name, apart)


def _reader(settings: Settings, kind: Format) -> Callable[[BinaryIO, str], Reading]:
    if kind == "flex":
        return FlexFile
    zone = BROKER_ZONE if settings.ib_timezone is None else ZoneInfo(settings.ib_timezone)

    def read(source: BinaryIO, name: str) -> Reading:
        return CsvFile(source, name, zone=zone, now=utc_now())

    return read
