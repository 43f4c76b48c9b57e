"""``migrate``: the database of the settings, or that of the stack that runs on this machine."""

import asyncio
import json

import typer
from sqlalchemy.ext.asyncio import create_async_engine

from core.clock import utc_now
from core.errors import LotkeeperError
from core.settings import PREFIX, Profile, Settings
from models.databases import holds_data
from models.migrate import (
    current_revision,
    head_revision,
    is_known_revision,
    migrate,
    sentence_for_disconnects,
)
from models.session import Database
from services.backup.creating import Created, create
from services.backup.keys import KEEP_A_COPY
from services.backup.records import note_created
from services.cli.on_database import settings_with_servers


class NoBackupFirstError(LotkeeperError):
    """The schema was to be changed, and what there is could not be backed up before."""

    code = "no_backup_before_migration"


def run(profile: Profile | None, *, as_json: bool) -> None:
    """Migrate, and say to what. A database with data is backed up first if its schema changes.

    Raises:
        LotkeeperError: there is no database, it cannot be reached, or it belongs to another profile.
        NoBackupFirstError: it could not be backed up; nothing was changed.
    """
    settings = settings_with_servers(profile)
    created = asyncio.run(_migrate(settings))
    revision = head_revision()
    if created is not None and created.key_made is not None:
        typer.echo(KEEP_A_COPY.format(path=created.key_made), err=True)
    if as_json:
        told = {"profile": settings.profile, "revision": revision}
        typer.echo(json.dumps(told if created is None else {**told, "backup": str(created.path)}))
        return
    if created is not None:
        typer.echo(f"What it was before is in {created.path}.")
    typer.echo(f"The database of profile {settings.profile} is at schema {revision}.")


async def _migrate(settings: Settings) -> Created | None:
    url = settings.require_database_direct_url()
    created = await _back_up(settings) if await _changes_data(url, settings) else None
    await migrate(url, settings.profile)
    if created is not None:
        database = Database(url, application="cli", pool_size=1)
        try:
            async with database.write() as writer:
                await note_created(writer, created, utc_now())
        finally:
            await database.close()
    return created


async def _changes_data(url: str, settings: Settings) -> bool:
    """Whether a schema with somebody's data in it is about to change, and a backup of that is wanted."""
    if not settings.backs_up_before_migration:
        return False
    engine = create_async_engine(url, connect_args={"timeout": 5}, hide_parameters=True)
    try:
        with sentence_for_disconnects():
            async with engine.connect() as connection:
                revision = await current_revision(connection)
                # Of what a newer version made the migration itself says that it cannot be gone back on.
                if revision in {None, head_revision()} or not is_known_revision(str(revision)):
                    return False
                return await holds_data(connection)
    finally:
        await engine.dispose()


async def _back_up(settings: Settings) -> Created:
    try:
        return await create(settings, "migration")
    except LotkeeperError as error:
        raise NoBackupFirstError(
            f"The schema is to be changed, and no backup could be taken before, so nothing was: {error} "
            f"To migrate without one: {PREFIX}BACKUP_BEFORE_MIGRATION=false"
        ) from error
