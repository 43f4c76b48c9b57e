"""Which PostgreSQL a backup is of, or a restore goes into: also the embedded one while nothing runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from core import logs
from core.settings import Profile, Settings, load_settings
from services.backup.errors import BackupFailedError, BackupLockedError
from services.cli.target import running_stack
from services.stack import PostgresServer
from services.stack.app import only_stack


@contextmanager
def server_to_save(profile: Profile | None) -> Iterator[Settings]:
    """Settings with the database of the settings, of the running stack or, started for it, of the profile.

    Raises:
        LotkeeperError: there is none, or it cannot be started.
    """
    settings = load_settings() if profile is None else load_settings(profile=profile)
    logs.configure_command(settings.log_level, settings.log_format)
    if settings.database_url is not None:
        yield settings
        return
    stack = running_stack(settings, profile)
    if stack is not None:
        yield with_url(settings.model_copy(update={"profile": stack.profile}), stack.database_url)
        return
    if not (settings.data_dir / "postgres" / "data").exists():
        raise BackupFailedError(
            f"There is no database in {settings.data_dir}, and LOTKEEPER_DATABASE_URL is not set: there is "
            "nothing to back up."
        )
    with _embedded(settings) as started:
        yield started


@contextmanager
def server_to_fill(profile: Profile, into: str | None) -> Iterator[Settings]:
    """Settings with the database ``into``, else that of the settings, else the profile's embedded one.

    Raises:
        BackupLockedError: Lotkeeper runs on it.
        LotkeeperError: it cannot be started.
    """
    settings = load_settings(profile=profile)
    logs.configure_command(settings.log_level, settings.log_format)
    if into is not None:
        yield with_url(settings, into)
    elif settings.database_url is not None:
        yield settings
    else:
        stack = running_stack(settings, profile)
        if stack is not None:
            raise BackupLockedError(
                f"Lotkeeper runs on the database of {profile} (process {stack.pid}), and nothing was "
                "changed. Stop it first (Ctrl-C)."
            )
        with _embedded(settings) as started:
            yield started


def with_url(settings: Settings, url: str) -> Settings:
    """Settings of another database."""
    return settings.model_copy(update={"database_url": SecretStr(url), "database_direct_url": None})


@contextmanager
def _embedded(settings: Settings) -> Iterator[Settings]:
    postgres = PostgresServer(settings.data_dir / "postgres", binaries=settings.postgres_bin)
    with only_stack(settings), postgres as server:
        yield with_url(settings, server.url)
