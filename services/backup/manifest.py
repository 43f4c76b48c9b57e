"""What an archive says of itself."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from core.domain.backups import BackupTrigger
from services.backup.errors import ArchiveRefusedError

FORMAT: Final = 1
"""Of archives. A version refuses those of a newer one."""


class TableState(msgspec.Struct, frozen=True):
    """One table: how many rows, and their hash whatever their order."""

    rows: int
    hash: str


class Part(msgspec.Struct, frozen=True):
    """One file inside: its size and SHA-256, hexadecimal."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """All there is to say of an archive, but for its size.

    ``taken_at`` is the moment (UTC) that all of it shows; ``seconds`` is what taking it took. ``state`` is
    the hash of all tables together, see ``state_of``.
    """

    format: int
    lotkeeper: str
    schema: str
    profile: str
    trigger: BackupTrigger
    server_major: int
    program_major: int
    taken_at: datetime
    seconds: float
    state: str
    tables: dict[str, TableState]
    parts: dict[str, Part]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())

    def encoded(self) -> bytes:
        """As it is written down, inside and outside."""
        return msgspec.json.encode(self)


def state_of(tables: Mapping[str, TableState]) -> str:
    """The state hash: SHA-256 over name, rows and hash of each table."""
    lines = [f"{name} {tables[name].rows} {tables[name].hash}\n" for name in sorted(tables)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def decoded(written: bytes) -> Manifest:
    """What was written.

    Raises:
        ArchiveRefusedError: it cannot be read.
    """
    try:
        return msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ArchiveRefusedError("What the archive says of itself cannot be read: it was changed.") from None


def differences(saved: Mapping[str, TableState], found: Mapping[str, TableState]) -> list[str]:
    """What is not as it was saved, one sentence a table."""
    told = []
    for name in sorted({*saved, *found}):
        before, after = saved.get(name), found.get(name)
        if before == after:
            continue
        if before is None or after is None:
            told.append(f"{name} is {'missing' if after is None else 'there besides'}")
        elif before.rows != after.rows:
            told.append(f"{name} has {after.rows:,} rows for {before.rows:,}")
        else:
            told.append(f"{name} has other values in its {after.rows:,} rows")
    return told
