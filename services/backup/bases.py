"""Base backups: the whole data directory of an embedded server, copied while it works."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from pyrage import x25519

from core.settings import Settings
from services.backup.archives import Taking
from services.backup.creating import needed_files
from services.backup.errors import ArchiveRefusedError, BackupFailedError
from services.backup.keys import keys_to_encrypt_with
from services.backup.manifest import Part
from services.backup.parts import MANIFEST, Source, Unframing, framed
from services.backup.programs import Program
from services.backup.receiving import ServerFacts
from services.backup.sealed import compressed, open_sealed, write_sealed
from services.backup.wal import Base, base_file

DATA: Final = "data.tar.gz"
PASSWORD: Final = "password"  # noqa: S105 - the name of a file
_START: Final = re.compile(rb"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")
_HEAD_BYTES: Final = 4096


@dataclass(frozen=True)
class Draft:
    """A base backup that was written and has no name yet: its end is known only once it is over."""

    path: Path
    first: str
    bytes: int
    seconds: float


class _Begun:
    """Hands the archive on, and looks where its WAL begins: that stands in its first file."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.first: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        head = b""
        for piece in self._program.read():
            if self.first is None and len(head) < _HEAD_BYTES:
                head += piece[:_HEAD_BYTES]
                found = _START.search(head)
                self.first = found[1].decode() if found else None
            yield piece


def write_base(settings: Settings, program: Program, system: str) -> Draft:
    """Write what ``pg_basebackup`` gives, with what a fresh machine needs besides. Takes as long as that.

    Raises:
        BackupFailedError: it failed, or cannot be written.
        BackupKeyError: there is no key to encrypt with.
    """
    began, begun = time.monotonic(), _Begun(program)
    folder = settings.recovery_folder
    keys = keys_to_encrypt_with(settings)

    def sources() -> Iterator[Source]:
        yield Source(PASSWORD, [(settings.data_dir / "postgres" / "password").read_bytes()])
        for name, path in needed_files(settings).items():
            if path.exists():
                yield Source(name, [path.read_bytes()])
        yield Source(DATA, compressed(begun))

    size = write_sealed(
        folder / system / "base", ".growing", framed(sources(), msgspec.json.encode), keys.recipients, folder
    )
    path = folder / system / "base" / ".growing"
    if begun.first is None:
        path.unlink()
        raise BackupFailedError("pg_basebackup wrote no data directory.")
    return Draft(path, begun.first, size, round(time.monotonic() - began, 3))


def name_base(draft: Draft, facts: ServerFacts) -> Base:
    """Give it its name; ``facts`` are of after its end.

    Raises:
        BackupFailedError: the server went on to another timeline meanwhile, or it cannot be renamed.
    """
    if facts.segment[:8] != draft.first[:8]:
        draft.path.unlink(missing_ok=True)
        raise BackupFailedError("The server began another timeline during a base backup.")
    path = draft.path.with_name(base_file(facts.now, draft.first, facts.segment))
    try:
        draft.path.rename(path)
    except OSError as error:
        raise BackupFailedError(f"{path} cannot be written: {error.strerror}.") from None
    return Base(path, facts.system, facts.now, draft.first, facts.segment)


def open_base(base: Base, identities: Sequence[x25519.Identity], into: Path) -> set[str]:
    """Write what is in it into a folder, and hold it to what it says of itself; returns the files' names.

    Raises:
        ArchiveRefusedError: it was changed, cut off, or no identity opens it.
        BackupFailedError: it cannot be read or written.
    """
    unframing = Unframing(into)
    taking = Taking(unframing)
    try:
        open_sealed(base.path, identities, taking)  # type: ignore[arg-type]  # all it asks of a file
        unframing.finish()
    except (ArchiveRefusedError, BackupFailedError):
        if isinstance(taking.error, OSError):
            raise BackupFailedError(
                f"What is in {base.path} cannot be written to {into}: {taking.error.strerror}."
            ) from None
        raise
    finally:
        unframing.close()
    parts = {name: part for name, part in unframing.parts.items() if name != MANIFEST}
    if msgspec.json.decode(unframing.manifest, type=dict[str, Part]) != parts or DATA not in parts:
        raise ArchiveRefusedError(f"{base.path} was changed: what it says of itself is not what is inside.")
    return set(parts)
