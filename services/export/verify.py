"""Whether the files of an export are those that were written."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.checksums import sha256_of
from services.export.manifest import NAME, ExportedFile, Manifest, read_manifest
from services.export.views import MADE_LATER


class Finding(NamedTuple):
    """What is wrong with a file, or with the manifest."""

    path: str
    reason: str


class Verified(NamedTuple):
    """The manifest, and what of the export is not as it says."""

    manifest: Manifest
    findings: list[Finding]


def verify(folder: Path) -> Verified:
    """Read every file and hold it to the manifest.

    Raises:
        NoExportError: there is no manifest, or none that can be read.
    """
    manifest = read_manifest(folder)
    return Verified(manifest, sorted(_findings(folder, manifest)))


def _findings(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    if not manifest.is_whole():
        yield Finding(NAME, "was changed after it was written")
    for one in manifest.files:
        reason = _reason(folder / one.path, one)
        if reason is not None:
            yield Finding(one.path, reason)
    ours = {NAME, *MADE_LATER, *(one.path for one in manifest.files)}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in ours:
            yield Finding(name, "is none of the export's files")


def _reason(path: Path, file: ExportedFile) -> str | None:
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size:,} bytes, and was written with {file.bytes:,}"
        if sha256_of(path) != file.sha256:
            return "holds something else than was written: its checksum differs"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None
