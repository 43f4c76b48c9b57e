"""What an export says of itself: of what and of when it is, and by what each of its files can be told."""

import hashlib
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from services.export.errors import NoExportError

Format = Literal["parquet", "csv", "jsonl", "sqlite"]
FORMATS: Final = get_args(Format)
NAME: Final = "manifest.json"
VERSION: Final = 1
"""Counted up when a reader of manifests has to know better."""


class ExportedColumn(msgspec.Struct, frozen=True):
    """A column: what stands in it (``kind``) and the type that this format has for that."""

    name: str
    kind: str
    type: str
    description: str = ""


class ExportedFile(msgspec.Struct, frozen=True):
    """A file by its place in the folder; ``dataset`` is ``None`` where it holds several."""

    path: str
    dataset: str | None
    rows: int
    bytes: int
    sha256: str


class ExportedDataset(msgspec.Struct, frozen=True):
    """A dataset. ``by_year`` says whether its rows lie in a file for each year (``year=2026/``).

    ``time`` is the column that ``from`` and ``to`` were about; ``None``: it is whole.
    """

    name: str
    kind: Literal["table", "report"]
    description: str
    rows: int
    key: tuple[str, ...]
    by_year: bool
    time: str | None
    columns: tuple[ExportedColumn, ...]


class Manifest(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """All of it. ``checksum`` is that of everything else here."""

    lotkeeper_export: int
    format: Format
    encrypted: bool
    lotkeeper: str
    schema_revision: str
    profile: str
    taken_at: str
    accounts: tuple[str, ...] | None
    since: str | None
    until: str | None
    datasets: tuple[ExportedDataset, ...]
    left_out: dict[str, str]
    files: tuple[ExportedFile, ...]
    checksum: str = ""

    def facts(self) -> dict[str, str]:
        """What it says of all datasets together, for a file that holds them all."""
        told = msgspec.to_builtins(self)
        return {
            name: str(value) for name, value in told.items() if isinstance(value, str | int) and value != ""
        }

    def sealed(self) -> "Manifest":
        """The same with its checksum."""
        return msgspec.structs.replace(self, checksum=self._sum())

    def is_whole(self) -> bool:
        """Whether it still is what was written."""
        return self.checksum == self._sum()

    def _sum(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, checksum=""))).hexdigest()

    def encoded(self) -> bytes:
        """As it stands in its file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export.

    Raises:
        NoExportError: there is none, or none that this version can read.
    """
    try:
        content = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise NoExportError(
            f"{folder} is no export of Lotkeeper: there is no {NAME} in it. Name the folder that "
            "`lotkeeper export all --out` made."
        ) from None
    except OSError as error:
        raise NoExportError(f"{folder / NAME} cannot be read: {error.strerror}.") from error
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise NoExportError(f"{folder / NAME} is no manifest of an export, or damaged: {error}") from error
    if manifest.lotkeeper_export > VERSION:
        raise NoExportError(
            f"{folder} was made by Lotkeeper {manifest.lotkeeper}, and this one does not know such exports "
            "yet. Use that version, or a newer one."
        )
    return manifest
