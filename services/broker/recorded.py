"""Whether what was told has arrived: the end-to-end check of everything between the link and its database."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from models.queries import told as queries
from models.queries.told import RecordedFigures
from models.session import DISCONNECTS, Database

log = logs.get_logger(__name__)

_AWAY = (*DISCONNECTS, SQLAlchemyError, TimeoutError)
_PATIENCE_SECONDS = 10.0
_MOST_LOOKED_UP = 1_000
"""Of so many that are missing it is not looked up any more whether some are kept aside: they are lost."""


class Recorded:
    """What PostgreSQL has of the executions that were told. While it is away, nothing is known to be lost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heard_until(self, epoch: int) -> datetime | None:
        """By the broker's clock, up to when all that was told under ``epoch`` should be stored."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read() as reader:
                return await queries.heard_until(reader, epoch)
        except _AWAY as error:
            log.debug("executions_not_checked", reason=error.__class__.__name__)
            return None

    async def answered_until(self, accounts: Collection[str]) -> datetime | None:
        """By the broker's clock, up to when all executions of the accounts were told; ``None``: not known."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read() as reader:
                return await queries.answered_until(reader, accounts)
        except _AWAY as error:
            log.debug("executions_not_checked", reason=error.__class__.__name__)
            return None

    async def since(self, at: datetime, most: int) -> list[RecordedFigures] | None:
        """What is stored of executions that were told from ``at`` on, by our clock; ``None``: not known."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read() as reader:
                return await queries.executions_since(reader, at, most)
        except _AWAY as error:
            log.debug("executions_not_checked", reason=error.__class__.__name__)
            return None

    async def missing(self, told: Mapping[str, bool]) -> list[str]:
        """Those of the executions that are neither stored nor kept aside.

        ``told`` says of each whether its commission was told too; where that is missing the execution is.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read() as reader:
                missing = await queries.missing_executions(reader, told)
                if not 0 < len(missing) <= _MOST_LOOKED_UP:
                    return missing
                refused = await queries.kept_aside(reader, missing)
                return [exec_id for exec_id in missing if exec_id not in refused]
        except _AWAY as error:
            log.debug("executions_not_checked", reason=error.__class__.__name__)
            return []
