"""Bring a database to the newest schema, one process at a time, and tie it to its profile."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import migrations
from core import logs
from core.errors import DatabaseUnavailableError, ProfileMismatchError
from models import access
from models.session import is_disconnect

log = logs.get_logger(__name__)

ADVISORY_LOCK = 0x10C7EEBE
"""Any constant of our own: whoever migrates holds it, the others wait."""

LOCK_TIMEOUT_SECONDS = 10.0
"""A migration that cannot get its lock gives up, instead of stopping everyone else behind it."""

_LOCK_NOT_AVAILABLE = "55P03"
_REFUSALS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["lock_timeout_seconds"] = LOCK_TIMEOUT_SECONDS
    return config


def head_revision() -> str:
    """The newest schema revision this version of Lotkeeper knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise DatabaseUnavailableError("This installation carries no migrations; reinstall Lotkeeper.")
    return head


def is_known_revision(revision: str) -> bool:
    """Whether this version of Lotkeeper knows a schema: it is no newer one's."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


async def current_revision(connection: AsyncConnection) -> str | None:
    """The database's revision; ``None`` before the first migration."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


@contextmanager
def sentence_for_disconnects() -> Iterator[None]:
    """Turn a lost or refused connection into ``DatabaseUnavailableError`` and its sentence."""
    try:
        yield
    except Exception as error:
        refusal = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
        if isinstance(refusal, _REFUSALS):
            raise DatabaseUnavailableError(
                f"PostgreSQL refuses the connection: {refusal}. Check LOTKEEPER_DATABASE_URL."
            ) from error
        if is_disconnect(error) or isinstance(refusal, asyncpg.OperatorInterventionError):
            raise DatabaseUnavailableError(
                f"PostgreSQL cannot be reached ({error.__class__.__name__}). Check LOTKEEPER_DATABASE_URL "
                "and that the server runs."
            ) from error
        raise


@contextmanager
def _sentence_for_locks() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise DatabaseUnavailableError(
            f"A table that this version changes was in use for {LOCK_TIMEOUT_SECONDS:g} s. Nothing was "
            "changed. Stop the broker link, the workers and the API, or wait for a long query or a backup to "
            "end, and run this again: lotkeeper migrate"
        ) from error


def _upgrade(connection: Connection, let_in: bool, to: str) -> str | None:
    """Upgrade; returns the revision that it was at before."""
    before: str | None = MigrationContext.configure(connection).get_current_revision()
    if before != head_revision():
        access.withdraw(connection)
    command.upgrade(_config(connection), to)
    if let_in and not access.apply(connection):
        log.info("no_restricted_role", reason="only who may see all accounts can be let in")
    return before


async def migrate(database_url: str, profile: str, *, let_in: bool = True, to: str = "head") -> None:
    """Migrate to the newest revision, or to one before it, and record, or check, the profile.

    All of it is one transaction: whatever ends it in between leaves the database as it was. Without
    ``let_in`` nobody who sees some accounts only is let in yet: their role is named after the database, which
    may not have its name yet.

    Raises:
        DatabaseUnavailableError: PostgreSQL cannot be reached, or others do not let go of a table.
        ProfileMismatchError: the database keeps the other profile's portfolio.
    """
    engine = create_async_engine(database_url, connect_args={"timeout": 5}, hide_parameters=True)
    try:
        with sentence_for_disconnects(), _sentence_for_locks():
            async with engine.connect() as guard:
                await guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
                elapsed_ms = logs.stopwatch()
                try:
                    async with engine.begin() as connection:
                        before = await connection.run_sync(_upgrade, let_in, to)
                        await _claim_profile(connection, profile)
                    after = head_revision() if to == "head" else to
                    if before != after:
                        log.info("migrated", before=before, after=after, duration_ms=elapsed_ms())
                finally:
                    # A connection that was lost has let go of it already.
                    with suppress(DBAPIError):
                        await guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
    finally:
        await engine.dispose()


async def require_current(database_url: str, profile: str) -> None:
    """Make sure that the database is at the newest revision and belongs to the profile.

    Raises:
        DatabaseUnavailableError: PostgreSQL cannot be reached, or the schema is another version's.
        ProfileMismatchError: the database keeps the other profile's portfolio.
    """
    engine = create_async_engine(database_url, connect_args={"timeout": 5}, hide_parameters=True)
    try:
        with sentence_for_disconnects():
            async with engine.connect() as connection:
                revision = await current_revision(connection)
                if revision != head_revision():
                    raise DatabaseUnavailableError(
                        f"The database is at schema {revision or 'nothing'}, and this version of Lotkeeper "
                        f"needs {head_revision()}. Run: lotkeeper migrate"
                    )
                await _require_profile(connection, profile)
    finally:
        await engine.dispose()


async def _claim_profile(connection: AsyncConnection, profile: str) -> None:
    statement = text(
        "INSERT INTO installation (id, profile) VALUES (1, :profile) ON CONFLICT (id) DO NOTHING"
    )
    await connection.execute(statement, {"profile": profile})
    await _require_profile(connection, profile)


async def _require_profile(connection: AsyncConnection, profile: str) -> None:
    kept = (await connection.execute(text("SELECT profile FROM installation"))).scalar_one()
    if kept != profile:
        raise ProfileMismatchError(
            f"This database keeps the {kept} portfolio, and it was asked for as {profile}. Use "
            f"`lotkeeper {'demo' if kept == 'demo' else 'up'}` with it, or another LOTKEEPER_DATABASE_URL."
        )
