"""Rows of the topics that are read from the database when something has changed: executions, jobs, sync."""

from core.errors import RestrictionUnavailableError
from core.settings import Settings
from core.streams.port import StreamPort
from models.queries.executions import executions_page
from models.queries.jobs import due_counts
from models.queries.sync import outbox_entries, recent_jobs
from models.session import Database
from services.api.live.feed import Feed, Judged
from services.api.live.load import DATABASE_AWAY
from services.api.live.reports import (
    RECENT_JOBS,
    dataset_reports,
    due_report,
    job_record,
    link_report,
    reports_of_streams,
)
from services.api.live.rows import execution_row
from services.api.live.shown import EXECUTIONS, JOBS, SYNC, Row
from services.api.schemas.stream import SyncPart

RECENT_EXECUTIONS = 500
"""As many as the first page of REST may have."""

LOOKED_AT = frozenset({SYNC, JOBS})
"""What has no change of its own for each thing that it shows: looked at while somebody follows it."""


class Readings:
    """What was read last. ``due`` names the topics of which something newer was committed.

    Without ``streams`` nothing is told of these: what is in them is of all accounts.
    """

    def __init__(
        self, settings: Settings, database: Database, streams: StreamPort | None, feed: Feed
    ) -> None:
        self.rows: dict[str, dict[str, Row]] = {EXECUTIONS: {}, SYNC: {}, JOBS: {}}
        self.due = {EXECUTIONS, SYNC, JOBS}
        self._settings = settings
        self._database = database
        self._streams = streams
        self._feed = feed
        self._of_database: dict[str, SyncPart] = {}

    async def read(self, topics: set[str], judged: Judged) -> set[str]:
        """Read these topics anew; returns those that were read.

        What the database would know stays as it was while that is away.
        """
        self.due -= topics
        read = set(topics)
        try:
            if EXECUTIONS in topics:
                await self._read_executions()
            if JOBS in topics:
                await self._read_jobs()
            if SYNC in topics:
                await self._count()
        except (*DATABASE_AWAY, RestrictionUnavailableError):
            self.due |= topics
            read &= {SYNC}  # what else is in it is known
        if SYNC in topics:
            await self._read_sync(judged)
        return read

    async def _read_executions(self) -> None:
        async with self._database.read() as reader:
            found = await executions_page(reader, limit=RECENT_EXECUTIONS)
        self.rows[EXECUTIONS] = {row.exec_id: execution_row(row) for row in found}

    async def _read_jobs(self) -> None:
        async with self._database.read() as reader:
            found = await recent_jobs(reader, limit=RECENT_JOBS)
        self.rows[JOBS] = {str(row.id): job_record(row) for row in found}

    async def _count(self) -> None:
        async with self._database.read() as reader:
            unpublished, due = await outbox_entries(reader), await due_counts(reader)
        self._of_database = {
            "outbox": SyncPart(outbox_entries=unpublished),
            "jobs_due": SyncPart(jobs_due=due_report(due)),
        }

    async def _read_sync(self, judged: Judged) -> None:
        streams = None if self._streams is None else await reports_of_streams(self._settings, self._streams)
        rows: dict[str, Row] = {
            "links": SyncPart(links=link_report(self._feed, judged.verdict)),
            **self._of_database,
        }
        for report in dataset_reports(self._feed, judged):
            rows[f"dataset/{report.account}/{report.dataset}"] = SyncPart(dataset=report)
        for stream in streams or ():
            rows[f"stream/{stream.name}"] = SyncPart(stream=stream)
        self.rows[SYNC] = rows
