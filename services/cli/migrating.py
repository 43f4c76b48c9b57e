"""``migrate``: the database of the settings, or that of the stack that runs on this machine."""

import asyncio
import json

import typer
from pydantic import SecretStr

from core.settings import Profile, Settings, load_settings
from models.migrate import head_revision, migrate
from services.cli.target import running_stack


def run(profile: Profile | None, *, as_json: bool) -> None:
    """Migrate, and say to what.

    Raises:
        LotkeeperError: there is no database, it cannot be reached, or it belongs to another profile.
    """
    settings = _with_database(load_settings() if profile is None else load_settings(profile=profile), profile)
    asyncio.run(migrate(settings.require_database_url(), settings.profile))
    revision = head_revision()
    if as_json:
        typer.echo(json.dumps({"profile": settings.profile, "revision": revision}))
    else:
        typer.echo(f"The database of profile {settings.profile} is at schema {revision}.")


def _with_database(settings: Settings, profile: Profile | None) -> Settings:
    if settings.database_url is not None:
        return settings
    stack = running_stack(settings, profile)
    if stack is None:
        return settings
    return settings.model_copy(
        update={"database_url": SecretStr(stack.database_url), "profile": stack.profile}
    )
