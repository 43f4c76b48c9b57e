"""Fetches once a day what is due, for as long as it runs, and hands each file on."""

import asyncio
import time
from datetime import datetime
from datetime import time as time_of_day
from typing import Final

from core import logs
from core.clock import Clock, utc_now
from core.domain.days import BROKER_ZONE
from core.errors import LotkeeperError, SettingsError
from core.settings import Settings
from models.queries.flex_fetches import last_fetches, last_successes
from models.session import Database
from services.statements import metrics
from services.statements.credentials import Credentials, credentials_of
from services.statements.fetch import FlexClient
from services.statements.flex_errors import FlexError
from services.statements.limiter import Monotonic, Sleep
from services.statements.recorded import (
    DATABASE_AWAY,
    OnFile,
    Recorder,
    category_of,
    sentence_of,
    tries_of,
)
from services.statements.schedule import due_at

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 60.0


async def run(
    settings: Settings,
    database: Database,
    on_file: OnFile,
    *,
    clock: Clock = utc_now,
    now: Monotonic = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Look again and again what is due, until cancelled.

    ``on_file`` is awaited before the fetch counts as done: what it raises is recorded, and the query is
    fetched again later, so it has to bear the same statement twice. Token and queries are read anew each
    time: ``lotkeeper flex setup`` needs no restart.
    """
    daily = Daily(settings, database, on_file, clock=clock, now=now, sleep=sleep)
    try:
        while True:
            await daily.look()
            await sleep(LOOK_SECONDS)
    finally:
        await daily.close()


class Daily:
    """What is due of the queries that are set, and what went wrong with them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        on_file: OnFile,
        *,
        clock: Clock,
        now: Monotonic,
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._database = database
        self._on_file = on_file
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._client: FlexClient | None = None
        self._mark = ""
        self._told: dict[str, str] = {}

    async def look(self) -> None:
        """Fetch what is due now, one after the other. Never raises for what may pass, or be put right."""
        try:
            credentials = credentials_of(self._settings)
            _measure_token(credentials)
            if credentials is None or not credentials.queries:
                metrics.LAST_SUCCESS.forget()
                return
            await self._connect(credentials)
            for query_id in await self._due(credentials.queries):
                with logs.caused_by():
                    await self._fetch(query_id)
            await self._measure(credentials.queries)
        except SettingsError as error:
            self._tell("", error.code, str(error))
        except DATABASE_AWAY as error:
            self._tell("", "database", error.__class__.__name__)
        else:
            self._well("")

    async def close(self) -> None:
        """Close the connections to the service."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connect(self, credentials: Credentials) -> None:
        if self._client is not None and self._mark == credentials.mark:
            return
        await self.close()
        self._client = FlexClient(
            credentials.token, self._settings.flex_url, clock=self._clock, now=self._now, sleep=self._sleep
        )
        self._mark = credentials.mark

    async def _measure(self, queries: tuple[str, ...]) -> None:
        async with self._database.read() as reader:
            successes = await last_successes(reader, queries)
        # A query that is not set up any more would grow old for ever.
        metrics.LAST_SUCCESS.forget()
        for query_id, at in successes.items():
            metrics.LAST_SUCCESS.labels(query_id).set(at.timestamp())

    async def _due(self, queries: tuple[str, ...]) -> list[str]:
        async with self._database.read() as reader:
            rows = await last_fetches(reader, queries)
        now = self._clock()
        hour = self._settings.flex_hour
        due = {
            query_id: due_at(query_id, tries_of(rows[query_id]), now, hour, self._mark) for query_id in rows
        }
        return sorted(query_id for query_id, at in due.items() if at is not None and at <= now)

    async def _fetch(self, query_id: str) -> None:
        async def wanted() -> bool:
            return await self._due((query_id,)) != []

        assert self._client is not None  # noqa: S101 - connected before anything is due
        elapsed_ms = logs.stopwatch()
        recorder = Recorder(self._settings, self._database, self._client, self._mark, self._clock)
        try:
            kept = await recorder.fetch(query_id, asked=False, wanted=wanted, on_file=self._on_file)
        except FlexError as error:
            self._tell(query_id, error.category, str(error))
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is done with one file, the next is another
            unforeseen = None if isinstance(error, LotkeeperError) else error
            self._tell(query_id, category_of(error), sentence_of(error), unforeseen)
        else:
            if kept is not None:
                self._well(query_id)
                log.info("flex_fetched", query=query_id, size_bytes=kept.size_bytes, duration_ms=elapsed_ms())

    def _tell(self, query_id: str, category: str, sentence: str, unforeseen: Exception | None = None) -> None:
        """Say once that something does not go, and again only when it is something else."""
        if self._told.get(query_id) != category:
            self._told[query_id] = category
            told = {"query": query_id, "category": category, "explanation": sentence}
            log.warning("flex_fetch_failed", **told, exc_info=unforeseen)

    def _well(self, query_id: str) -> None:
        if self._told.pop(query_id, None) is not None:
            log.info("flex_fetch_works_again", query=query_id)


def _measure_token(credentials: Credentials | None) -> None:
    """When the token's last day ends, by IBKR's clock."""
    if credentials is None or credentials.expires_on is None:
        metrics.TOKEN_EXPIRY.forget()
        return
    end = datetime.combine(credentials.expires_on, time_of_day.max, BROKER_ZONE)
    metrics.TOKEN_EXPIRY.set(end.timestamp())
