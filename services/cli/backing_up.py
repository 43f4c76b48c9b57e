"""``backup …``: archives are taken, listed, verified, restored on trial and pruned."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.backups import BackupKind
from core.errors import LotkeeperError
from core.settings import Profile, Settings, load_settings
from models.session import Database, Writer
from services.backup.archives import Kept, look_at
from services.backup.creating import Created, create
from services.backup.errors import BackupLockedError, OtherKeyError
from services.backup.keys import KEEP_A_COPY, identities
from services.backup.records import note_created, note_drill, note_failure
from services.backup.restoring import drill, verify
from services.backup.retention import listed, newest, prune
from services.cli.auditing import audited
from services.cli.backup_server import server_to_save
from services.cli.show import new_console, new_table

T = TypeVar("T")

_MEGABYTE = 1_000_000


def run_create(profile: Profile | None, *, as_json: bool) -> None:
    """Take a backup and print where it is.

    Raises:
        LotkeeperError: as ``create``.
    """
    with server_to_save(profile) as settings:
        created = asyncio.run(_create(settings))
    if created.key_made is not None:
        typer.echo(KEEP_A_COPY.format(path=created.key_made), err=True)
    if as_json:
        _print({**_told(created.path, created.manifest, created.bytes), "seconds": created.seconds})
        return
    typer.echo(
        f"{created.path}: {created.manifest.rows:,} rows in {megabytes(created.bytes)}, taken in "
        f"{created.seconds:.1f} s."
    )


async def _create(settings: Settings) -> Created:
    async def write(writer: Writer, created: Created) -> None:
        await note_created(writer, created, utc_now())
        await audited(writer, "backup", created.path.name)

    return await _noted(settings, "backup", lambda: create(settings, "cli"), write)


async def _noted(
    settings: Settings,
    kind: BackupKind,
    work: Callable[[], Awaitable[T]],
    write: Callable[[Writer, T], Awaitable[None]],
) -> T:
    """Do it, and keep how it went in the database."""
    began = time.monotonic()
    database = Database(settings.require_database_direct_url(), application="cli", pool_size=1)
    try:
        try:
            done = await work()
        except BackupLockedError:
            raise
        except LotkeeperError as error:
            await _try_to_note(database, kind, error, time.monotonic() - began)
            raise
        async with database.write() as writer:
            await write(writer, done)
        return done
    finally:
        await database.close()


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / _MEGABYTE:,.1f} MB"


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """Print what archives there are, the oldest first.

    Raises:
        LotkeeperError: a setting is wrong.
    """
    settings = _settings(profile)
    found = listed(settings)
    if as_json:
        _print(
            [
                {**_told(one.path, one.kept.manifest, one.kept.bytes), "refusal": None}
                if one.kept is not None
                else {"path": str(one.path), "refusal": one.refusal}
                for one in found
            ]
        )
        return
    console = new_console()
    if not found:
        console.print(f"There is no backup in {settings.backup_folder}.")
        return
    table = new_table("Backups", "archive", "taken", "size", "rows", "schema", "Lotkeeper", "by")
    for one in found:
        if one.kept is None:
            table.add_row(escape(one.path.name), f"[red]{escape(one.refusal or '')}[/]", "", "", "", "", "")
            continue
        told = one.kept.manifest
        table.add_row(
            escape(one.path.name),
            f"{told.taken_at:%Y-%m-%d %H:%M:%S}",
            megabytes(one.kept.bytes),
            f"{told.rows:,}",
            told.schema,
            told.lotkeeper,
            told.trigger,
        )
    console.print(table)


def run_verify(
    profile: Profile | None, archive: Path | None, identity: Path | None, *, as_json: bool
) -> None:
    """Look whether an archive is whole and unchanged, and with a key what is inside; print that.

    Raises:
        LotkeeperError: as ``verify``.
    """
    settings = _settings(profile)
    kept = look_at(archive or newest(settings))
    try:
        opened = verify(kept, identities(settings, identity))
    except OtherKeyError:
        if identity is not None:
            raise
        opened = False
    if as_json:
        _print({**_told(kept.path, kept.manifest, kept.bytes), "opened": opened})
        return
    typer.echo(f"{kept.path} is whole and unchanged: {kept.manifest.rows:,} rows in {megabytes(kept.bytes)}.")
    typer.echo(
        "Its key is here, and what is inside is what it says of itself."
        if opened
        else "No key here opens it, so only its checksum was looked at, and not what is inside."
    )


def run_drill(profile: Profile | None, archive: Path | None, identity: Path | None, *, as_json: bool) -> None:
    """Restore an archive into a database beside, compare, drop it, and print how that went.

    Raises:
        LotkeeperError: as ``drill``.
    """
    began = time.monotonic()

    async def work(settings: Settings) -> Kept:
        async def restore_it() -> Kept:
            kept = look_at(archive or newest(settings))
            await drill(settings, kept.path, identities(settings, identity))
            return kept

        async def write(writer: Writer, kept: Kept) -> None:
            seconds = time.monotonic() - began
            await note_drill(writer, "cli", kept, seconds, utc_now())
            await audited(writer, "backup_drill", kept.path.name)

        return await _noted(settings, "drill", restore_it, write)

    with server_to_save(profile) as settings:
        kept = asyncio.run(work(settings))
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        _print({**_told(kept.path, kept.manifest, kept.bytes), "seconds": seconds})
        return
    typer.echo(
        f"{kept.path} was restored on trial in {seconds:.1f} s: {kept.manifest.rows:,} rows, each as it was "
        "saved. The trial was dropped."
    )


def run_prune(profile: Profile | None, *, dry_run: bool, as_json: bool) -> None:
    """Delete old archives and print which.

    Raises:
        LotkeeperError: as ``prune``.
    """
    settings = _settings(profile)
    gone = prune(settings, utc_now(), dry_run=dry_run)
    if as_json:
        told = [_told(one.path, one.manifest, one.bytes) for one in gone]
        _print({"dry_run": dry_run, "days": settings.backup_days, "pruned": told})
        return
    for one in gone:
        typer.echo(one.path)
    size = megabytes(sum(one.bytes for one in gone))
    would = "would be deleted" if dry_run else "deleted"
    typer.echo(f"{len(gone)} archives older than {settings.backup_days} days {would} ({size}).")


async def _try_to_note(database: Database, kind: BackupKind, error: LotkeeperError, seconds: float) -> None:
    """Where the database is what fails, there is nowhere to keep that."""
    try:
        async with database.write() as writer:
            await note_failure(writer, kind, "cli", str(error), seconds, utc_now())
            await audited(writer, "backup" if kind == "backup" else "backup_drill", "", error.code)
    except Exception:  # noqa: BLE001 - what failed first is told
        return


def _settings(profile: Profile | None) -> Settings:
    return load_settings() if profile is None else load_settings(profile=profile)


def _told(path: Path, manifest: Any, size: int) -> dict[str, Any]:
    return {
        "path": str(path),
        "bytes": size,
        "taken_at": manifest.taken_at,
        "rows": manifest.rows,
        "state": manifest.state,
        "schema": manifest.schema,
        "lotkeeper": manifest.lotkeeper,
        "profile": manifest.profile,
        "trigger": manifest.trigger,
        "server_major": manifest.server_major,
    }


def _print(told: Any) -> None:
    typer.echo(msgspec.json.encode(told).decode())
