"""Fetches that are recorded: one process at a time for each query, and a row for each try."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, get_args

from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.errors import ErrorCategory, LotkeeperError
from core.settings import Settings
from models.queries.flex_fetches import FetchRow
from models.session import DISCONNECTS, Database, OwnConnection
from models.stores.flex_fetches import Fetched, begin_fetch, fetch_failed, fetch_succeeded, lock_query
from services.statements.errors import StatementError
from services.statements.fetch import FlexClient
from services.statements.flex_errors import FlexError
from services.statements.kept_file import KeptFile
from services.statements.schedule import Try

OnFile = Callable[[Path, str], Awaitable[None]]
"""What is done with a file, and the number of the query that it answers."""

DATABASE_AWAY: Final = (*DISCONNECTS, SQLAlchemyError, TimeoutError)

_LOCK_IDLE_SECONDS: Final = 3600.0
"""Longer than any fetch: a machine that is gone keeps its lock no longer than that."""

_CATEGORIES: Final[dict[str, ErrorCategory]] = {name: name for name in get_args(ErrorCategory)}


class Recorder:
    """Fetches and records. ``token_mark`` says with which token."""

    def __init__(
        self, settings: Settings, database: Database, client: FlexClient, token_mark: str, clock: Clock
    ) -> None:
        self._settings = settings
        self._database = database
        self._client = client
        self._mark = token_mark
        self._clock = clock

    async def fetch(
        self,
        query_id: str,
        *,
        asked: bool,
        folder: Path | None = None,
        name: str | None = None,
        wanted: Callable[[], Awaitable[bool]] | None = None,
        on_file: OnFile | None = None,
    ) -> KeptFile | None:
        """Fetch, and give the file to ``on_file``; ``None`` where another process does it just now.

        ``wanted`` is asked once more under the lock: another process may have done it in the meantime.

        Raises:
            FlexError: as ``FlexClient.fetch``; it is recorded.
            Exception: whatever ``on_file`` raises; it is recorded, and the file stays.
        """
        async with self._locked(query_id) as ours:
            if not ours or (wanted is not None and not await wanted()):
                return None
            async with self._database.write() as writer:
                fetch_id = await begin_fetch(
                    writer, query_id, asked=asked, token_mark=self._mark, now=self._clock()
                )
            kept: KeptFile | None = None
            into = folder or self._settings.statements_folder
            try:
                kept = await self._client.fetch(query_id, into, name)
                if on_file is not None:
                    await on_file(kept.path, query_id)
            except Exception as error:
                there = None if kept is None else _fetched(kept)
                why = category_of(error), sentence_of(error)
                async with self._database.write() as writer:
                    await fetch_failed(writer, fetch_id, *why, self._clock(), there)
                raise
            async with self._database.write() as writer:
                await fetch_succeeded(writer, fetch_id, _fetched(kept), self._clock())
            return kept

    @asynccontextmanager
    async def _locked(self, query_id: str) -> AsyncIterator[bool]:
        own = OwnConnection(
            self._settings.require_database_direct_url(),
            application="flex",
            answer_seconds=10,
            idle_seconds=_LOCK_IDLE_SECONDS,
        )
        try:
            async with own.write() as writer:
                ours = await lock_query(writer, query_id)
            yield ours
        finally:
            await own.close()


def category_of(error: Exception) -> ErrorCategory:
    """What kind of failure it was."""
    if isinstance(error, FlexError):
        return error.category
    if isinstance(error, StatementError):
        return "parsing"
    return "database" if isinstance(error, DATABASE_AWAY) else "validation"


def sentence_of(error: Exception) -> str:
    """What is told of a failure: the sentence of one that was foreseen, of another only its kind."""
    return str(error) if isinstance(error, LotkeeperError) else error.__class__.__name__


def tries_of(rows: list[FetchRow]) -> list[Try]:
    """What was recorded, as the schedule takes it: what has not ended counts as failed."""
    return [
        Try(
            row.started_at,
            None if row.outcome == "succeeded" else _CATEGORIES.get(row.error_category or "", "network"),
            row.token_mark,
            row.asked,
        )
        for row in rows
    ]


def _fetched(kept: KeptFile) -> Fetched:
    return Fetched(str(kept.path), kept.sha256, kept.size_bytes)
