"""Commands that work on the database itself: which one, whether it fits, and how far they have come."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import logs
from core.errors import DatabaseUnavailableError, LotkeeperError
from core.process import collect_rarely, give_way_quickly
from core.settings import Profile, Settings, load_settings
from models.migrate import require_current, sentence_for_disconnects
from models.queries.stored_ledger import cost_methods
from models.session import Database, is_passing
from services.cli.progress import terminal_line
from services.cli.target import running_stack
from services.position_sync.examine import RowDifference
from services.position_sync.rebuild import Progress

Answer = TypeVar("Answer")

KEPT_DIFFERENCES = 10_000
"""So that a ledger that is wrong everywhere fills no memory: the rest is counted."""


class UnknownAccountError(LotkeeperError):
    """No such account was ever seen."""

    code = "unknown_account"
    exit_code = 2


def settings_with_servers(profile: Profile | None) -> Settings:
    """The settings; without a database of their own, those of the stack that runs on this machine.

    Raises:
        SettingsError: a setting is wrong.
    """
    settings = load_settings() if profile is None else load_settings(profile=profile)
    logs.configure_command(settings.log_level, settings.log_format)
    if settings.database_url is not None:
        return settings
    stack = running_stack(settings, profile)
    if stack is None:
        return settings
    return settings.model_copy(
        update={
            "database_url": SecretStr(stack.database_url),
            "database_direct_url": None,
            "redis_url": SecretStr(stack.redis_url),
            "profile": stack.profile,
        }
    )


def on_database(
    profile: Profile | None,
    account: str | Sequence[str] | None,
    work: Callable[[Database, Settings], Awaitable[Answer]],
) -> Answer:
    """Do ``work`` on the database, which must be of this version and profile and know each ``account``.

    Raises:
        DatabaseUnavailableError: it cannot be reached, or is not of this version.
        ProfileMismatchError: it belongs to another profile.
        UnknownAccountError: it knows no such account.
    """
    settings = settings_with_servers(profile)

    async def main() -> Answer:
        await require_current(settings.require_database_direct_url(), settings.profile)
        database = Database(
            settings.require_database_url(), application="cli", has_pooler=settings.has_pooler()
        )
        try:
            with sentence_for_disconnects():
                await _require_account(database, account)
                return await work(database, settings)
        except (DBAPIError, PoolTimeoutError) as error:
            if not is_passing(error):
                raise
            raise DatabaseUnavailableError(
                f"PostgreSQL could not go on just then ({type(error).__name__}). What was done stands: run "
                "the same again."
            ) from error
        finally:
            await database.close()

    collect_rarely()
    give_way_quickly()
    return asyncio.run(main())


async def _require_account(database: Database, account: str | Sequence[str] | None) -> None:
    wanted = [account] if isinstance(account, str) else list(account or ())
    if not wanted:
        return
    async with database.read() as reader:
        known = await cost_methods(reader)
    for one in wanted:
        if one not in known:
            names = ", ".join(sorted(known)) or "none yet"
            raise UnknownAccountError(f"There is no account {one} here. Known accounts: {names}.")


def progress_line() -> Progress | None:
    """A line on standard error that says how far it has come, where a person looks on."""
    line = terminal_line()
    if line is None:
        return None

    def tell(done: int, total: int) -> None:
        line(f"{done:,} of {total:,} executions", is_last=done >= total)

    return tell


class Differences:
    """The first differences, and how many there were."""

    def __init__(self) -> None:
        self.kept: list[RowDifference] = []
        self.count = 0

    def __call__(self, one: RowDifference) -> None:
        """Take one in."""
        self.count += 1
        if len(self.kept) < KEPT_DIFFERENCES:
            self.kept.append(one)

    def as_json(self) -> dict[str, Any]:
        """For programs: what was kept, and how many were not."""
        return {
            "differences": [one._asdict() for one in self.kept],
            "differences_left_out": self.count - len(self.kept),
        }
