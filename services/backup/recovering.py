"""Bringing an embedded database back to a moment: beside, looked at, and only then put in its place."""

import asyncio
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
from pyrage import x25519

from core.errors import StackError
from core.private_files import write_private
from core.settings import Settings
from services.backup.bases import DATA, PASSWORD, open_base
from services.backup.creating import needed_files
from services.backup.errors import (
    ArchiveRefusedError,
    BackupFailedError,
    BackupLockedError,
    NotReachableError,
)
from services.backup.folder import sync_folder, working_in
from services.backup.laying_out import extract, give, lay_out_piece
from services.backup.receiving import incoming_of, written_at
from services.backup.wal import (
    IS_HISTORY,
    IS_SEGMENT,
    SEGMENT_BYTES,
    Piece,
    Window,
    pieces_in,
    window_of,
    windows,
)
from services.backup.wal_pages import Pages, ended_at
from services.stack import PostgresServer
from services.stack.locks import FolderBusyError, FolderLock
from services.stack.postgres import ROLE, unprivileged_user
from services.stack.swap import RECOVERED, finish_swap

_SECONDS: Final = 6 * 3600.0
_NOTHING_AFTER: Final = "recovery ended before configured recovery target was reached"
# Its own folder is the current one, and PostgreSQL takes what is not there for the end of what there is.
_RESTORE: Final = 'cp "../wal/%f" "%p"'
_SYSTEM: Final = struct.Struct("=Q")


@dataclass(frozen=True)
class Beside:
    """A database as it was at a moment, running beside; ``window`` is what it was brought back from."""

    url: str
    window: Window
    is_to_the_end: bool


@dataclass(frozen=True)
class Recovered:
    """What came of it. ``old`` is where the data directory is that was replaced; ``None``: there was none."""

    window: Window
    is_to_the_end: bool
    is_in_place: bool
    old: Path | None
    files: Sequence[str]
    seconds: float


def reachable(settings: Settings) -> list[Window]:
    """What can be reached now, also from WAL that was not put away yet; the oldest first."""
    also = [(system, piece) for system, incoming in incoming_of(settings) for piece in incoming.pieces()]
    return windows(settings.recovery_folder, [*also, *_of_the_server(settings)])


def recover(
    settings: Settings,
    moment: datetime,
    identities: Sequence[x25519.Identity],
    *,
    now: datetime,
    is_stopped: bool,
    replace: bool,
    look_at: Callable[[Beside], None],
) -> Recovered:
    """Start the database as it was at ``moment`` beside, have ``look_at`` look at it, put it in its place.

    With ``replace`` only, and only if ``look_at`` raises nothing; else it is dropped again. Until that last
    step, one renaming, nothing that was there is touched. ``is_stopped``: the embedded server is not running,
    so that what it wrote last is in its own folder.

    Raises:
        NotReachableError: the moment lies ahead, or before, between or after what was put away.
        ArchiveRefusedError: something that was put away was changed, cut off, or is for another key.
        BackupLockedError: a base backup or another recovery is under way, or the server runs though it is
            said to be stopped.
        BackupFailedError: something on the way failed.
    """
    began = time.monotonic()
    with ExitStack() as held:
        held.enter_context(working_in(settings.recovery_folder))
        if is_stopped:
            held.enter_context(_no_server_in(_server_folder(settings)))
            finish_swap(_server_folder(settings))
        window, has_end = _chosen(settings, moment, now, is_stopped=is_stopped)
        with _work_folder(settings) as work:
            recovery = _Recovery(settings, window, moment, work)
            recovery.lay_out(identities)
            with recovery.server(has_end=has_end) as (server, is_to_the_end):
                look_at(Beside(server.url, window, is_to_the_end))
                if replace:
                    recovery.keep_password(server)
            old, files = recovery.put_in_place() if replace else (None, [])
    return Recovered(window, is_to_the_end, replace, old, files, round(time.monotonic() - began, 3))


def _server_folder(settings: Settings) -> Path:
    return settings.data_dir / "postgres"


@contextmanager
def _no_server_in(folder: Path) -> Iterator[None]:
    """Nobody runs a server there while this lasts: what it writes would be taken for all it wrote."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    lock = FolderLock(folder / "lock")
    try:
        lock.acquire()
    except FolderBusyError as busy:
        raise BackupLockedError(
            f"The database in {folder} is in use by process {busy.pid}, and nothing was changed. Stop that "
            "one first."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _of_the_server(settings: Settings) -> list[tuple[str, Piece]]:
    """The WAL in the embedded server's own folder; what it keeps for later use is of no harm."""
    data = _server_folder(settings) / "data"
    found = []
    with suppress(OSError, struct.error):
        with (data / "global" / "pg_control").open("rb") as file:
            (system,) = _SYSTEM.unpack(file.read(_SYSTEM.size))
        found += [
            (str(system), Piece(path, path.name, written_at(path), ""))
            for path in (data / "pg_wal").iterdir()
            if IS_SEGMENT.fullmatch(path.name) and path.stat().st_size == SEGMENT_BYTES
        ]
    return found


def _chosen(settings: Settings, moment: datetime, now: datetime, *, is_stopped: bool) -> tuple[Window, bool]:
    """The window to reach a moment from, and whether it is known that nothing is missing up to it."""
    if moment > now:
        raise NotReachableError(f"{_told(moment)} lies ahead: it is {_told(now)}.")
    also = [(system, piece) for system, incoming in incoming_of(settings) for piece in incoming.pieces()]
    # What the server wrote last is whole in its own folder only; of two of a name the later one counts.
    own = _of_the_server(settings) if is_stopped else []
    found = windows(settings.recovery_folder, [*also, *own])
    if not found:
        raise NotReachableError(
            f"In {settings.recovery_folder} there is no base backup with the WAL that it needs, so no moment "
            "can be brought back. Restore a backup: lotkeeper backup restore"
        )
    window = window_of(moment, found)
    if window is None:
        raise NotReachableError(
            f"The earliest moment that can be brought back is {_told(found[0].since)}. Before that there are "
            "backups: lotkeeper backup list"
        )
    has_end = window.until >= moment or window.pieces[-1] in [piece for _, piece in own]
    later = [other.since for other in found if other.since > moment]
    if not has_end:
        why = f"what was put away ends at {_told(window.until)}"
        if later:
            why = f"WAL is missing from {_told(window.until)} to {_told(min(later))}"
        raise NotReachableError(
            f"{_told(moment)} cannot be brought back: {why}. `lotkeeper backup points` lists what can."
        )
    return window, has_end


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


@contextmanager
def _work_folder(settings: Settings) -> Iterator[Path]:
    work = settings.data_dir / "postgres.recovering"
    try:
        shutil.rmtree(work, ignore_errors=True)
        # As the server's own: whoever it runs as must be able to come through.
        work.mkdir(mode=0o711, parents=True)
        yield work
    except OSError as error:
        if (_server_folder(settings) / RECOVERED).exists():
            raise BackupFailedError(
                f"The database of that moment was brought back, and cannot be put in place: "
                f"{error.strerror}. The next start of Lotkeeper does that."
            ) from None
        raise BackupFailedError(
            f"The database cannot be laid out in {work}: {error.strerror}. Nothing was changed."
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Recovery:
    def __init__(self, settings: Settings, window: Window, moment: datetime, work: Path) -> None:
        self._settings = settings
        self._window = window
        self._moment = moment
        self._work = work
        self._opened = work / "opened"
        self._user = unprivileged_user()

    def lay_out(self, identities: Sequence[x25519.Identity]) -> None:
        """The data directory as the base backup has it, and all WAL to go on with."""
        if not identities:
            raise ArchiveRefusedError(
                f"There is no key here to open {self._window.base.path} with. Name the file with its "
                "identity: --identity FILE"
            )
        self._require_room()
        self._opened.mkdir(mode=0o700)
        open_base(self._window.base, identities, self._opened)
        extract(self._opened / DATA, self._work / "data", self._user)
        (self._opened / DATA).unlink()
        shutil.copyfile(self._opened / PASSWORD, self._work / "password")
        (self._work / "password").chmod(0o600)
        wal = self._work / "wal"
        wal.mkdir(mode=0o700)
        for piece in [*self._window.pieces, *self._histories()]:
            lay_out_piece(piece, wal / piece.name, identities)
            give(wal / piece.name, self._user)
        give(wal, self._user)

    def _require_room(self) -> None:
        """The least that it takes: what is in the base backup is larger than that is."""
        needed = len(self._window.pieces) * SEGMENT_BYTES + 2 * self._window.base.path.stat().st_size
        free = shutil.disk_usage(self._work).free
        if free < needed:
            raise BackupFailedError(
                f"To bring that moment back takes at least {needed / 1e9:.1f} GB in {self._work.parent}, "
                f"where {free / 1e9:.1f} GB are free, and nothing was changed. Make room first."
            )

    def _histories(self) -> list[Piece]:
        """Which timelines there were, so that the next one is a new one."""
        system = self._window.base.system
        found = [
            one for one in pieces_in(self._settings.recovery_folder, system) if IS_HISTORY.fullmatch(one.name)
        ]
        folders = [incoming.folder for of, incoming in incoming_of(self._settings) if of == system]
        for folder in [*folders, _server_folder(self._settings) / "data" / "pg_wal"]:
            with suppress(OSError):
                found += [Piece(path, path.name, written_at(path), "") for path in folder.glob("*.history")]
        return list({one.name: one for one in found}.values())

    @contextmanager
    def server(self, *, has_end: bool) -> Iterator[tuple[PostgresServer, bool]]:
        """The database as it was, as a server of its own; and whether there was nothing after the moment."""
        signal = self._work / "data" / "recovery.signal"
        signal.touch(mode=0o600)
        give(signal, self._user)
        upto = {"recovery_target_time": self._moment.astimezone(UTC).isoformat(sep=" ")}
        server, is_to_the_end = self._server(upto), False
        try:
            try:
                server.start()
            except StackError as error:
                if _NOTHING_AFTER not in str(error) or not has_end:
                    raise BackupFailedError(
                        f"The database of {_told(self._moment)} did not start, and nothing was changed: "
                        f"{error}"
                    ) from None
                # Nothing was committed after that moment, so all there is is what was then.
                server, is_to_the_end = self._server({}), True
                server.start()
                self._require_end()
            yield server, is_to_the_end
        finally:
            server.stop(grace_seconds=60.0)

    def _require_end(self) -> None:
        """That it ended where the WAL does, and not where something in it cannot be read."""
        timeline = self._window.base.line.timeline
        end = ended_at(self._work / "data" / "pg_wal", timeline)
        if Pages(self._work / "wal", timeline).goes_on(end):
            raise BackupFailedError(
                f"The WAL that is there up to {_told(self._moment)} cannot be read beyond "
                f"{end >> 32:X}/{end & 0xFFFFFFFF:X}, so whatever was written after that would be missing, "
                "and nothing was changed. Choose an earlier moment; `lotkeeper backup points` lists them."
            )

    def _server(self, upto: dict[str, str]) -> PostgresServer:
        options = {
            "restore_command": _RESTORE,
            # It is ready once it has got there, and not before.
            "hot_standby": "off",
            "recovery_target_timeline": "current",
            "recovery_target_action": "promote",
            "archive_timeout": "0",
            **upto,
        }
        # Nobody relies on it yet: all of it is synced before it is put in place.
        return PostgresServer(
            self._work,
            binaries=self._settings.postgres_bin,
            durable=False,
            start_seconds=_SECONDS,
            options=options,
        )

    def keep_password(self, server: PostgresServer) -> None:
        """Give the role the password that this profile's server has: the one of then may be another."""
        with suppress(FileNotFoundError):
            password = (_server_folder(self._settings) / "password").read_text(encoding="ascii").strip()
            asyncio.run(_set_password(server.url, password))

    def put_in_place(self) -> tuple[Path | None, list[str]]:
        """The last step. Returns where the old data directory is, and which files were put, too."""
        folder = _server_folder(self._settings)
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        if not (folder / "password").exists():
            shutil.copyfile(self._opened / PASSWORD, folder / "password")
            (folder / "password").chmod(0o600)
        put = []
        for name, place in needed_files(self._settings).items():
            if (self._opened / name).exists() and not place.exists():
                write_private(place, (self._opened / name).read_bytes())
                put.append(name)
        os.sync()
        (self._work / "data").rename(folder / RECOVERED)
        sync_folder(folder)
        return finish_swap(folder), put


async def _set_password(url: str, password: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        quoted = password.replace("'", "''")
        await connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{quoted}'")
    finally:
        await connection.close()
