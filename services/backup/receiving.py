"""Receiving the WAL of an embedded server: by ``pg_receivewal``, which a slot keeps what it lacks for."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import make_url, text

from core.domain.backups import WAL_SLOT as SLOT
from core.settings import Settings
from models.session import Reader, Writer
from services.backup.errors import BackupFailedError
from services.backup.programs import Program, libpq_environment
from services.backup.wal import IS_HISTORY, IS_SEGMENT, PARTIAL, SEGMENT_BYTES, Line, Piece, systems_in
from services.stack.binaries import find_postgres
from services.stack.ports import LOOPBACK

_facts = text(
    "SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system, "
    "pg_walfile_name(pg_current_wal_lsn()) AS segment, clock_timestamp() AS now, "
    "(SELECT wal_status FROM pg_replication_slots WHERE slot_name = :slot) AS slot"
)
_create = text("SELECT pg_create_physical_replication_slot(:slot, true)")
_end = text(
    "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots "
    "WHERE slot_name = :slot AND active_pid IS NOT NULL"
)
_drop = text(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
    "WHERE slot_name = :slot AND NOT active"
)


class ServerFacts(NamedTuple):
    """A server as it is now. ``slot`` is how much of what it keeps is there: ``None``: there is no slot."""

    system: str
    segment: str
    now: datetime
    slot: str | None

    @property
    def line(self) -> Line:
        """Whose WAL it writes."""
        return Line(self.system, int(self.segment[:8], 16))


def wal_folder(settings: Settings) -> Path:
    """Where WAL comes in, until it is put away: a folder a server."""
    return settings.data_dir / "wal"


def incoming_of(settings: Settings) -> "list[tuple[str, Incoming]]":
    """What came in and was not put away yet, with the server it is of."""
    folder = wal_folder(settings)
    return [(system, Incoming(folder / system)) for system in systems_in(folder)]


def is_embedded(settings: Settings) -> bool:
    """Whether the database of the settings is the profile's own embedded server."""
    if settings.database_url is None:
        return False
    made = make_url(settings.require_database_direct_url())
    folder = settings.data_dir / "postgres"
    with suppress(OSError, ValueError):
        port = int((folder / "port").read_text(encoding="ascii"))
        return made.host == LOOPBACK and made.port == port and (folder / "data").is_dir()
    return False


def program(settings: Settings, name: str) -> str:
    """One of PostgreSQL's own, beside those that the embedded server runs by.

    Raises:
        BackupFailedError: it is not there.
    """
    path = find_postgres(settings.postgres_bin).directory / name
    if not os.access(path, os.X_OK):
        raise BackupFailedError(
            f"{path} is missing, so no moment between two backups can be brought back. Install all of "
            "PostgreSQL there, or set LOTKEEPER_RECOVERY=false."
        )
    return str(path)


async def facts_of(reader: Reader | Writer) -> ServerFacts:
    """What the server is and keeps now."""
    return ServerFacts(*(await reader.execute(_facts, {"slot": SLOT})).one())


async def make_slot(writer: Writer) -> None:
    """Have the server keep, from now on, what nobody fetched."""
    await writer.execute(_create, {"slot": SLOT})


async def drop_slot(writer: Writer) -> None:
    """Have it keep nothing for us any more."""
    await writer.execute(_end, {"slot": SLOT})
    await writer.execute(_drop, {"slot": SLOT})


@dataclass(frozen=True)
class Incoming:
    """What is in the folder where WAL comes in."""

    folder: Path

    def whole(self) -> Iterator[Path]:
        """Segments and histories to their end, in their order."""
        for path in sorted(self.folder.glob("*")):
            is_whole = IS_SEGMENT.fullmatch(path.name) and path.stat().st_size == SEGMENT_BYTES
            if is_whole or IS_HISTORY.fullmatch(path.name):
                yield path

    def pieces(self) -> list[Piece]:
        """Its segments, also the one that is being written; their hash is not known."""
        found = []
        for path in sorted(self.folder.glob("*")):
            name = path.name.removesuffix(PARTIAL)
            if IS_SEGMENT.fullmatch(name):
                with suppress(FileNotFoundError):
                    found.append(Piece(path, name, written_at(path), ""))
        return found

    def end(self, timeline: int) -> None:
        """Take what another timeline broke off in for whole, and forget what this one did: it begins anew."""
        for path in list(self.folder.glob(f"*{PARTIAL}")):
            if int(path.name[:8], 16) != timeline and path.stat().st_size == SEGMENT_BYTES:
                path.rename(path.with_suffix(""))
            else:
                path.unlink()

    def mend(self) -> None:
        """Throw away a beginning of another size than a segment's, which a full disk leaves.

        ``pg_receivewal`` goes on with none such, now or ever. The server has what was in it: the slot is
        never ahead of what was whole.
        """
        for path in list(self.folder.glob(f"*{PARTIAL}")):
            if path.stat().st_size not in {0, SEGMENT_BYTES}:
                path.unlink()

    def bytes(self) -> int:
        """Of all that waits to be put away."""
        return sum(path.stat().st_size for path in self.whole())


def written_at(path: Path) -> datetime:
    """When a file was last written to."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def receive(settings: Settings, folder: Path) -> Program:
    """Begin to fetch WAL into a folder, from where the folder or the slot ends."""
    command = [
        *(program(settings, "pg_receivewal"), f"--directory={folder}", f"--slot={SLOT}", "--no-password"),
        *("--no-loop", "--status-interval=10"),
    ]
    return Program(command, _environment(settings), quiet=True)


def base_backup(settings: Settings) -> Program:
    """Begin to write the server's data directory, as a tar archive, to standard output."""
    command = [
        *(program(settings, "pg_basebackup"), "--pgdata=-", "--format=tar", "--wal-method=none"),
        *("--checkpoint=fast", "--no-manifest", "--no-password"),
    ]
    return Program(command, _environment(settings))


def _environment(settings: Settings) -> dict[str, str]:
    return libpq_environment(settings.require_database_direct_url())
