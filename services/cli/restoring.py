"""``backup restore``: on a fresh machine, or in the place of what is there."""

import asyncio
from pathlib import Path

import msgspec
import typer

from core.settings import Profile, Settings, load_settings
from models.session import Database
from services.backup.archives import look_at
from services.backup.keys import identities
from services.backup.restoring import Restored, restore
from services.cli.auditing import audited
from services.cli.backup_server import server_to_fill


def run(
    profile: Profile | None,
    archive: Path,
    identity: Path | None,
    into: str | None,
    *,
    replace: bool,
    as_json: bool,
) -> None:
    """Restore an archive and print what came of it. Without a profile it is the archive's own.

    Raises:
        LotkeeperError: as ``restore``.
    """
    manifest = look_at(archive).manifest
    own = load_settings()
    chosen: Profile = profile or own.profile
    if profile is None and "profile" not in own.model_fields_set and manifest.profile in {"main", "demo"}:
        chosen = "demo" if manifest.profile == "demo" else "main"
    with server_to_fill(chosen, into) as settings:
        restored = asyncio.run(
            _restore(settings, archive, identity, replace=replace, with_files=into is None)
        )
    if as_json:
        told = {
            "archive": str(archive),
            "profile": chosen,
            "taken_at": manifest.taken_at,
            "rows": manifest.rows,
            "state": manifest.state,
            "schema": restored.migrated_to or manifest.schema,
            "migrated": restored.migrated_to is not None,
            "files": list(restored.files),
            "aside": [str(path) for path in restored.aside],
            "identity": None if restored.identity is None else str(restored.identity),
            "saved_before": None if restored.saved_before is None else str(restored.saved_before),
            "aside_database": restored.aside_database,
            "seconds": restored.seconds,
        }
        typer.echo(msgspec.json.encode(told).decode())
        return
    _show(manifest.rows, f"{manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC", restored)
    if into is None:
        typer.echo(f"Start it: lotkeeper {'demo' if chosen == 'demo' else 'up'}")


async def _restore(
    settings: Settings, archive: Path, identity: Path | None, *, replace: bool, with_files: bool
) -> Restored:
    opening = identities(settings, identity)
    restored = await restore(settings, archive, opening, replace=replace, with_files=with_files)
    database = Database(settings.require_database_direct_url(), application="cli", pool_size=1)
    try:
        async with database.write() as writer:
            await audited(writer, "backup_restore", archive.name)
    finally:
        await database.close()
    return restored


def _show(rows: int, taken: str, restored: Restored) -> None:
    typer.echo(
        f"Restored in {restored.seconds:.1f} s as it was at {taken}: {rows:,} rows, each as it was saved."
    )
    if restored.migrated_to is not None:
        typer.echo(f"It was of an older schema and is at {restored.migrated_to} now.")
    if restored.files:
        typer.echo(f"Files put in their places: {', '.join(restored.files)}.")
    for path in restored.aside:
        typer.echo(f"What was there before is {path}.")
    if restored.identity is not None:
        typer.echo(f"The identity is in {restored.identity} now: later backups open with the same one.")
    if restored.aside_database is not None:
        typer.echo(
            f"Somebody wrote into what was there after it was saved, so it is kept: database "
            f"{restored.aside_database}. Drop it once it is not needed."
        )
    if restored.saved_before is not None:
        typer.echo(f"What was in the database before is in {restored.saved_before}.")
