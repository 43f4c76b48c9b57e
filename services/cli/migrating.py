"""``migrate``: the database of the settings, or that of the stack that runs on this machine."""

import asyncio
import json

import typer

from core.settings import Profile
from models.migrate import head_revision, migrate
from services.cli.on_database import settings_with_servers


def run(profile: Profile | None, *, as_json: bool) -> None:
    """Migrate, and say to what.

    Raises:
        LotkeeperError: there is no database, it cannot be reached, or it belongs to another profile.
    """
    settings = settings_with_servers(profile)
    asyncio.run(migrate(settings.require_database_direct_url(), settings.profile))
    revision = head_revision()
    if as_json:
        typer.echo(json.dumps({"profile": settings.profile, "revision": revision}))
    else:
        typer.echo(f"The database of profile {settings.profile} is at schema {revision}.")
