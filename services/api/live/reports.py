"""Rows of what freshness follows from: links, downloads, streams and jobs, for REST and WebSocket alike."""

from msgspec.structs import asdict

from core.domain.freshness import CADENCES
from core.domain.money import plain
from core.errors import StreamUnavailableError
from core.settings import Settings
from core.streams.port import StreamInfo, StreamPort
from models.queries.jobs import DueCounts
from models.queries.sync import JobRow
from services.api.freshness import Verdict, whole_age
from services.api.live.feed import Feed, Judged
from services.api.schemas.sync import (
    DatasetReport,
    DueReport,
    GroupReport,
    JobRecord,
    LinkReport,
    LoginReport,
    StreamReport,
)

RECENT_JOBS = 20


def job_record(row: JobRow) -> JobRecord:
    """The row of a job."""
    return JobRecord(
        id=str(row.id),
        kind=row.kind,
        status=row.status,
        progress=None if row.progress is None else plain(row.progress),
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def link_report(feed: Feed, verdict: Verdict) -> LinkReport:
    """The links as the broker process last told."""
    link = feed.picture.links.get(verdict.login)
    return LinkReport(
        gateway=verdict.links.gateway,
        ibkr=verdict.links.ibkr,
        reason=verdict.reason,
        since=verdict.since,
        complete=link is not None and link.complete and verdict.reason is None,
        state=verdict.state,
        last_beat_at=link.beat_at if link else None,
        last_message_at=link.last_message_at if link else None,
        clock_offset_seconds=link.clock_offset_seconds if link else None,
    )


def login_reports(feed: Feed, judged: Judged) -> tuple[LoginReport, ...]:
    """The link of each login, with the accounts that it lists; last those that list none."""
    listed = [name for name, state in sorted(feed.picture.accounts.items()) if state.listed]
    found: dict[str, tuple[Verdict, list[str]]] = {}
    for name in listed:
        verdict = judged.of([name])
        found.setdefault(verdict.login, (verdict, []))[1].append(name)
    return tuple(
        LoginReport(
            login=verdict.login,
            accounts=tuple(accounts),
            **asdict(link_report(feed, verdict)),
        )
        for verdict, accounts in [*found.values(), *((verdict, []) for verdict in judged.waiting)]
    )


def dataset_reports(feed: Feed, judged: Judged) -> tuple[DatasetReport, ...]:
    """Every download of every account."""
    reports = []
    for (account, name), state in sorted(feed.picture.datasets.items()):
        cadence = CADENCES.get(name)
        as_of = feed.dataset_as_of(account, name) or state.as_of
        reports.append(
            DatasetReport(
                account=account,
                dataset=name,
                as_of=as_of,
                age_seconds=whole_age(as_of, judged.now),
                cadence_seconds=None if cadence is None else int(cadence.total_seconds()),
                complete=state.complete,
                error=state.error or None,
            )
        )
    return tuple(reports)


def due_report(due: DueCounts) -> DueReport:
    """What the workers have to do."""
    return DueReport(due=due.due, overdue_seconds=int(due.overdue_seconds), failing=due.failing)


def _stream(name: str, info: StreamInfo) -> StreamReport:
    return StreamReport(
        name=name,
        length_entries=info.length_entries,
        last_id=info.last_id,
        groups=tuple(
            GroupReport(name=group.name, pending_entries=group.pending_entries, lag_entries=group.lag_entries)
            for group in info.groups
        ),
    )


async def reports_of_streams(settings: Settings, streams: StreamPort) -> tuple[StreamReport, ...] | None:
    """The streams as Redis has them; ``None`` while it is away."""
    names = {
        "facts": settings.facts_stream,
        "ticks": settings.ticks_stream,
        "changes": settings.changes_stream,
        "requests": settings.requests_stream,
    }
    try:
        return tuple([_stream(name, await streams.info(key)) for name, key in names.items()])
    except StreamUnavailableError:
        return None
