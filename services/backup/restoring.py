"""Restoring: into a new database beside, held to what was saved, and only then put in its place."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrage import x25519
from sqlalchemy.exc import DBAPIError

from core import logs
from core.clock import Clock, utc_now
from core.errors import LotkeeperError, ProfileMismatchError
from core.settings import Settings
from models.databases import (
    InUseError,
    MayNotMakeDatabasesError,
    Purpose,
    Server,
    alone_with,
    analyse,
    database_of,
    direct_engine_url,
    holds_data,
    is_strange,
)
from models.migrate import head_revision, is_known_revision, migrate, sentence_for_disconnects
from services.backup.archives import Kept, look_at, open_archive, require_whole
from services.backup.creating import Created, create_alone, needed_files
from services.backup.errors import (
    ArchiveRefusedError,
    BackupFailedError,
    BackupLockedError,
    HoldsDataError,
    RestoredDiffersError,
)
from services.backup.folder import working_soon_in
from services.backup.keys import keep_identity
from services.backup.manifest import Manifest, differences
from services.backup.moment import connected_to, tables_of
from services.backup.opening import opened
from services.backup.parts import DUMP
from services.backup.programs import choose, clients_for
from services.backup.programs import restore as begin_restore

log = logs.get_logger(__name__)

_MOST_JOBS: Final = 4
_MOST_TOLD: Final = 5


@dataclass(frozen=True)
class Restored:
    """What was restored. ``saved_before`` is the archive of what was there, ``aside`` files put aside.

    ``aside_database`` is what was there, where somebody wrote into it after it was saved.

    ``migrated_to`` is given where the archive was of an older schema.
    """

    manifest: Manifest
    seconds: float
    files: Sequence[str]
    aside: Sequence[Path]
    migrated_to: str | None
    saved_before: Path | None
    identity: Path | None
    aside_database: str | None


async def restore(
    settings: Settings,
    archive: Path,
    identities: Sequence[x25519.Identity],
    *,
    replace: bool = False,
    with_files: bool = True,
    clock: Clock = utc_now,
) -> Restored:
    """Put what an archive holds in the place of the database of the settings, which need not be there.

    Until the last step everything happens beside: whatever fails or is killed before leaves what there was.
    Without ``with_files`` the profile's own files stay as they are: those of a trial elsewhere are not ours.

    Raises:
        ArchiveRefusedError: the archive is not whole, not unchanged, not of this version or not for our key.
        HoldsDataError: the database is somebody's, and ``replace`` was not said.
        BackupLockedError: another backup or restore is under way, or somebody is connected to the database.
        RestoredDiffersError: what was restored is not what was saved.
        BackupFailedError: something on the way failed.
        LotkeeperError: as ``create`` and ``migrate``.
    """
    began, elapsed_ms = time.monotonic(), logs.stopwatch()
    url = settings.require_database_direct_url()
    async with working_soon_in(settings.backup_folder):
        kept = await asyncio.to_thread(look_at, archive)
        _require_fitting(kept.manifest, settings)
        async with opened(settings, kept, identities) as folder, _alone(url) as server:
            has_data = await _has_data(server, url)
            if has_data and not replace:
                raise HoldsDataError(
                    f"The database {server.target} holds a portfolio, and nothing was changed. To have it "
                    "replaced, once it has been backed up itself: --replace"
                )
            await _require_unused(server)
            before = await create_alone(settings, "restore", clock=clock) if has_data else None
            async with _beside(server, "restore", kept.manifest, folder, url, settings) as name:
                beside = _spelled(url, name)
                is_older = kept.manifest.schema != head_revision()
                await migrate(beside, settings.profile, let_in=False)
                async with connected_to(beside) as connection:
                    await analyse(connection)
                drafts = _drafts(settings, kept.manifest, folder) if with_files else {}
                try:
                    old = await server.put_in_place(name)
                except InUseError:
                    raise _in_use(server, await server.connected(server.target)) from None
            aside = _put_files(drafts, f"{clock():%Y%m%dT%H%M%SZ}")
            aside_database = None if old is None else await _dropped_or_kept(server, url, old, before)
        await migrate(url, settings.profile)
        identity = keep_identity(settings, identities) if with_files else None
    log.info("restored", archive=archive.name, rows=kept.manifest.rows, duration_ms=elapsed_ms())
    return Restored(
        kept.manifest,
        round(time.monotonic() - began, 3),
        [path.name for path in drafts.values()],
        aside,
        head_revision() if is_older else None,
        None if before is None else before.path,
        identity,
        aside_database,
    )


async def drill(settings: Settings, archive: Path, identities: Sequence[x25519.Identity]) -> Manifest:
    """Restore an archive into a database beside, hold it to what was saved, and drop it again.

    Raises:
        RestoredDiffersError: what was restored is not what was saved.
        LotkeeperError: as ``restore``.
    """
    url = settings.require_database_direct_url()
    async with working_soon_in(settings.backup_folder):
        kept = await asyncio.to_thread(look_at, archive)
        _require_fitting(kept.manifest, settings)
        async with (
            opened(settings, kept, identities) as folder,
            _alone(url) as server,
            _beside(server, "drill", kept.manifest, folder, url, settings),
        ):
            return kept.manifest


def verify(kept: Kept, identities: Sequence[x25519.Identity]) -> bool:
    """Whether the inside could be looked at, too: an archive is held to its seal and, with a key, decrypted.

    Raises:
        ArchiveRefusedError: it is not whole or not unchanged, or no key of several opens it.
        BackupFailedError: it cannot be read.
    """
    require_whole(kept)
    if not identities:
        return False
    open_archive(kept, identities)
    return True


def _require_fitting(manifest: Manifest, settings: Settings) -> None:
    if manifest.profile != settings.profile:
        raise ProfileMismatchError(
            f"This archive is of the {manifest.profile} portfolio, and {settings.profile} was to be "
            f"restored. Say so: --profile {manifest.profile}"
        )
    if not is_known_revision(manifest.schema):
        raise ArchiveRefusedError(
            f"This archive is of schema {manifest.schema}, by Lotkeeper {manifest.lotkeeper}; this version "
            f"knows schemas up to {head_revision()}. Install that version, or a newer one."
        )


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[Server]:
    with sentence_for_disconnects():
        async with alone_with(url) as server:
            if server is None:
                raise BackupLockedError(
                    f"Another restore of the database {database_of(url)} is under way. Wait for its end."
                )
            for left in [*await server.left("restore"), *await server.left("drill")]:
                await server.drop(left)
            # Nobody knows whether something was written into it after it was saved.
            for left in await server.left("replaced"):
                log.warning("replaced_database_kept", database=await server.keep(left))
            yield server


@asynccontextmanager
async def _beside(
    server: Server, purpose: Purpose, manifest: Manifest, folder: Path, url: str, settings: Settings
) -> AsyncIterator[str]:
    """A new database with what was saved, held to it. It is dropped at the end, unless it was renamed."""
    major = await server.major()
    if major < manifest.server_major:
        raise BackupFailedError(
            f"This archive is of PostgreSQL {manifest.server_major}, and the server is older: {major}. "
            f"Restore it into PostgreSQL {manifest.server_major} or newer."
        )
    clients = clients_for(url, max(major, manifest.program_major), settings.postgres_bin)
    name = server.beside(purpose)
    try:
        await server.create(name)
    except MayNotMakeDatabasesError:
        raise BackupFailedError(
            "The role that Lotkeeper connects as may not make databases, and a restore goes into a new one "
            "first. As whoever may: ALTER ROLE … CREATEDB"
        ) from None
    try:
        jobs = min(_MOST_JOBS, os.cpu_count() or 1)
        beside, dump = direct_engine_url(url, name), folder / DUMP
        chosen = await asyncio.to_thread(choose, clients, beside, dump)
        # Not in a thread: it ends with the one that began it.
        program = begin_restore(clients, beside, dump, chosen, jobs)
        try:
            await asyncio.to_thread(program.end)
        finally:
            program.stop()
        await _require_same(manifest, _spelled(url, name))
        yield name
    finally:
        await server.drop(name)


async def _require_same(manifest: Manifest, url: str) -> None:
    found = differences(manifest.tables, await tables_of(url))
    if found:
        more = f", and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        raise RestoredDiffersError(
            f"What was restored is not what was saved, and was dropped: {'; '.join(found[:_MOST_TOLD])}"
            f"{more}."
        )


async def _has_data(server: Server, url: str) -> bool:
    if not await server.has(server.target):
        return False
    async with connected_to(url) as connection:
        if await is_strange(connection):
            raise HoldsDataError(
                f"The database {server.target} has tables that are not Lotkeeper's, and nothing was changed. "
                "Name another one, which need not be there."
            )
        return await holds_data(connection)


async def _dropped_or_kept(server: Server, url: str, old: str, saved: Created | None) -> str | None:
    """Drop what was replaced if all of it was saved; else keep it under the name that is returned."""
    beside = _spelled(url, old)
    try:
        if saved is None:
            async with connected_to(beside) as connection:
                is_same = not await holds_data(connection)
        else:
            is_same = not differences(saved.manifest.tables, await tables_of(beside))
    except (LotkeeperError, DBAPIError, OSError):
        is_same = False  # nobody knows: the restore itself is done
    if is_same:
        await server.drop(old)
        return None
    return await server.keep(old)


async def _require_unused(server: Server) -> None:
    connected = await server.connected(server.target)
    if connected:
        raise _in_use(server, connected)


def _in_use(server: Server, connected: Sequence[str]) -> BackupLockedError:
    return BackupLockedError(
        f"The database {server.target} is in use ({', '.join(connected) or 'somebody is connected'}), and "
        "nothing was changed. Stop Lotkeeper (the broker link, the workers, the API) and whatever else is "
        "connected first."
    )


def _drafts(settings: Settings, manifest: Manifest, folder: Path) -> dict[Path, Path]:
    """The files of an archive, written beside where they go: draft and place. What is the same is left.

    Raises:
        BackupFailedError: they cannot be written.
    """
    try:
        return _written(settings, manifest, folder)
    except OSError as error:
        raise BackupFailedError(
            f"The files of the archive cannot be written to {settings.data_dir}: {error.strerror}. "
            "Nothing was changed."
        ) from None


def _written(settings: Settings, manifest: Manifest, folder: Path) -> dict[Path, Path]:
    drafts = {}
    for name, place in needed_files(settings).items():
        if name not in manifest.parts:
            continue
        content = (folder / name).read_bytes()
        if place.exists() and place.read_bytes() == content:
            continue
        place.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.restored")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        drafts[draft] = place
    return drafts


def _put_files(drafts: dict[Path, Path], stamp: str) -> list[Path]:
    """Put them in their places; what was there goes aside. Returns where to."""
    aside = []
    for draft, place in drafts.items():
        try:
            if place.exists():
                old = place.with_name(f"{place.name}.before-{stamp}")
                place.rename(old)
                aside.append(old)
            draft.rename(place)
        except OSError as error:
            raise BackupFailedError(
                f"The database was restored, but {place} cannot be written: {error.strerror}. What belongs "
                f"there is in {draft}."
            ) from None
    return aside


def _spelled(url: str, database: str) -> str:
    return direct_engine_url(url, database).render_as_string(hide_password=False)
