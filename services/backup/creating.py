"""Taking a backup: one moment of the database and the files it needs, in one encrypted archive."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from core import logs
from core.clock import Clock, utc_now
from core.domain.backups import BackupTrigger
from core.errors import ProfileMismatchError
from core.settings import Settings
from core.version import installed_version
from services.backup.archives import write_archive
from services.backup.errors import BackupFailedError
from services.backup.folder import SUFFIX, working_soon_in
from services.backup.keys import Keys, keys_to_encrypt_with
from services.backup.manifest import FORMAT, Manifest, Part, TableState, state_of
from services.backup.moment import Moment, moment_of
from services.backup.parts import DUMP, Source, framed
from services.backup.programs import Program, clients_for, dump
from services.stack.binaries import PostgresClients

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Created:
    """An archive that was written. ``key_made`` is the file of an identity that was made for it."""

    path: Path
    manifest: Manifest
    bytes: int
    seconds: float
    key_made: Path | None


def needed_files(settings: Settings) -> dict[str, Path]:
    """What a restored database needs and does not hold, by its name in the archive.

    Without the key of second factors nobody who has one could sign in; the API's token is in scripts of its
    owner; the Flex token cannot be read at IBKR again. What settings name instead is the owner's to keep.
    """
    return {
        "second-factor-key": settings.second_factor_key_file,
        "api-token": settings.token_file,
        "flex.json": settings.flex_file,
    }


async def create(settings: Settings, trigger: BackupTrigger, *, clock: Clock = utc_now) -> Created:
    """Write an archive of the database of the settings into their folder, whole or not at all.

    Raises:
        BackupLockedError: another backup or restore is under way.
        BackupFailedError: it cannot be read or written; nothing of it is left.
        BackupKeyError: a public key is none, or the identity cannot be had.
        SettingsError: PostgreSQL's programs are missing or too old.
        ProfileMismatchError: the database keeps the other profile's portfolio.
        DatabaseUnavailableError: it cannot be reached.
    """
    async with working_soon_in(settings.backup_folder):
        return await create_alone(settings, trigger, clock=clock)


async def create_alone(settings: Settings, trigger: BackupTrigger, *, clock: Clock = utc_now) -> Created:
    """The same for who works in the folder already."""
    url = settings.require_database_direct_url()
    keys = await asyncio.to_thread(keys_to_encrypt_with, settings)
    async with moment_of(url) as moment:
        if moment.profile != settings.profile:
            raise ProfileMismatchError(
                f"This database keeps the {moment.profile} portfolio, and a backup of {settings.profile} was "
                f"asked for: --profile {moment.profile}"
            )
        clients = await asyncio.to_thread(clients_for, url, moment.server_major, settings.postgres_bin)
        elapsed_ms = logs.stopwatch()
        created = await _Backup(settings, trigger, moment, clients, keys, clock()).run(url)
    log.info(
        "backup_taken",
        trigger=trigger,
        archive=created.path.name,
        bytes=created.bytes,
        rows=created.manifest.rows,
        duration_ms=elapsed_ms(),
    )
    return created


class _Backup:
    def __init__(
        self,
        settings: Settings,
        trigger: BackupTrigger,
        moment: Moment,
        clients: PostgresClients,
        keys: Keys,
        now: datetime,
    ) -> None:
        self._settings = settings
        self._trigger = trigger
        self._moment = moment
        self._clients = clients
        self._keys = keys
        name = f"lotkeeper-{settings.profile}-{now:%Y%m%dT%H%M%S%f}"[:-3]
        self._path = settings.backup_folder / f"{name}Z{SUFFIX}"
        self._began = time.monotonic()
        self._manifest: Manifest | None = None

    async def run(self, url: str) -> Created:
        # The rows are counted while pg_dump reads them: both see the same moment.
        counting = asyncio.create_task(self._moment.tables(), name="backup-state")
        program = dump(self._clients, url, self._moment.snapshot)
        loop = asyncio.get_running_loop()
        writing = asyncio.create_task(
            asyncio.to_thread(self._write, program, loop, counting), name="backup-write"
        )
        try:
            await asyncio.wait({writing})
        finally:
            program.stop()
            counting.cancel()
            # The thread ends by itself now, and takes what is unfinished away with it.
            with suppress(BaseException):
                await counting
            await asyncio.wait({writing})
        size = writing.result()
        if self._manifest is None:
            raise BackupFailedError("No manifest was written.")
        return Created(self._path, self._manifest, size, self._seconds(), self._keys.made)

    def _write(
        self,
        program: Program,
        loop: asyncio.AbstractEventLoop,
        counting: asyncio.Task[dict[str, TableState]],
    ) -> int:
        def manifest(parts: dict[str, Part]) -> bytes:
            counted = asyncio.run_coroutine_threadsafe(_result_of(counting), loop).result()
            self._manifest = self._made(parts, counted)
            return self._manifest.encoded()

        return write_archive(self._path, framed(self._sources(program), manifest), self._keys.recipients)

    def _sources(self, program: Program) -> Iterator[Source]:
        for name, path in needed_files(self._settings).items():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise BackupFailedError(
                    f"{path} belongs into the backup and cannot be read: {error.strerror}."
                ) from None
            yield Source(name, [content])
        yield Source(DUMP, program.read())

    def _made(self, parts: dict[str, Part], tables: dict[str, TableState]) -> Manifest:
        return Manifest(
            format=FORMAT,
            lotkeeper=installed_version(),
            schema=self._moment.schema,
            profile=self._moment.profile,
            trigger=self._trigger,
            server_major=self._moment.server_major,
            program_major=self._clients.major,
            taken_at=self._moment.taken_at,
            seconds=self._seconds(),
            state=state_of(tables),
            tables=tables,
            parts=parts,
        )

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, _DIGITS)


_DIGITS: Final = 3


async def _result_of(task: "asyncio.Task[dict[str, TableState]]") -> dict[str, TableState]:
    return await asyncio.shield(task)
