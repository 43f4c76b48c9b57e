"""What machines ask: alive, ready, figures."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from starlette.responses import Response

from core.domain.disputes import DisputeCause, DisputeKind
from core.domain.snapshot_runs import RunStatus
from models.migrate import current_revision, head_revision
from models.queries.disputes.compare import difference_counts
from models.queries.issues import CheckRow, OpenCount, last_checked, open_counts, rule_checks_of
from models.queries.jobs import DueCounts, due_counts
from models.queries.realized_differences import RealizedTotal
from models.queries.rules.catalogue import BY_NAME, RULES
from models.queries.snapshots import hours_by_status, oldest_of_newest
from models.queries.sync import DeadRow, Tally, dead_by_category, tally
from services.api import metrics
from services.api.context import Context, Shared
from services.api.freshness import whole_age
from services.api.live.load import DATABASE_AWAY
from services.api.paging import json_response
from services.api.problems import ProblemError, database_unavailable
from services.api.routers.sync import stream_reports
from services.api.schemas.sync import StreamReport

router = APIRouter(tags=["health"])

READY_SECONDS = 2.0
_COUNTED = timedelta(hours=24)
_LINK_VALUE = {"up": 1, "down": 0, "unknown": None}


@router.get("/livez", summary="The process answers", include_in_schema=True)
async def livez() -> Response:
    """Constant: nothing is asked of anybody."""
    return json_response(b'{"status":"ok"}')


@router.get("/readyz", summary="The database answers and is migrated")
async def readyz(context: Shared) -> Response:
    """Ready once the first picture is loaded; never asks for the broker."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            async with context.database.read() as reader:
                revision = await current_revision(reader)
    except DATABASE_AWAY:
        raise database_unavailable() from None
    if revision != (head := head_revision()):
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "database_unavailable",
            f"The database is at schema {revision}, this version needs {head}. Run `lotkeeper migrate`.",
        )
    context.picture_ready()
    return json_response(b'{"status":"ready"}')


class _Counted(NamedTuple):
    """What the database counts."""

    dead: list[DeadRow]
    numbers: Tally
    due: DueCounts
    disputes: list[tuple[DisputeKind, DisputeCause, int]]
    snapshot_as_of: datetime | None
    snapshot_hours: dict[RunStatus, int]
    issues: list[OpenCount]
    checks: dict[str, CheckRow]


async def _counted(context: Context) -> _Counted | None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            async with context.database.read() as reader:
                return _Counted(
                    await dead_by_category(reader),
                    await tally(reader),
                    await due_counts(reader),
                    await difference_counts(reader),
                    await oldest_of_newest(reader),
                    await hours_by_status(reader, context.clock() - _COUNTED),
                    await open_counts(reader),
                    await rule_checks_of(reader),
                )
    except DATABASE_AWAY:
        return None


def _from_picture(context: Context) -> Iterable[GaugeMetricFamily]:
    judged, picture = context.hub.judge(), context.hub.picture
    verdict = judged.verdict
    yield metrics.gauge(
        "link_up",
        "Whether a link is up; absent while unknown.",
        ((("gateway",), _LINK_VALUE[verdict.links.gateway]), (("ibkr",), _LINK_VALUE[verdict.links.ibkr])),
        "link",
    )
    yield metrics.gauge("live", "Whether what is shown is live.", [((), 0 if verdict.reason else 1)])
    queued = [client.queued_bytes for client in context.hub.clients]
    yield metrics.gauge(
        "websocket_queued_bytes",
        "What waits for the slowest WebSocket reader.",
        [((), max(queued, default=0))],
    )
    ages: dict[str, int] = {}
    gaps: dict[str, int] = {}
    for (account, name), state in picture.datasets.items():
        as_of = context.hub.feed.dataset_as_of(account, name) or state.as_of
        ages[name] = max(ages.get(name, 0), whole_age(as_of, judged.now))
        gaps[name] = gaps.get(name, 0) + (not state.complete)
    yield metrics.gauge(
        "dataset_age_seconds",
        "Age of a download, the oldest account's.",
        [((name,), age) for name, age in ages.items()],
        "dataset",
    )
    yield metrics.gauge(
        "dataset_incomplete_accounts",
        "Accounts whose download has a gap.",
        [((name,), count) for name, count in gaps.items()],
        "dataset",
    )


def _from_database(counted: _Counted | None) -> Iterable[GaugeMetricFamily]:
    yield metrics.gauge("database_up", "Whether PostgreSQL answers.", [((), int(counted is not None))])
    if counted is None:
        return
    dead, numbers, due, disputes = counted[:4]
    yield metrics.gauge(
        "dead_facts",
        "Messages kept aside because they could not be read, by occurrence.",
        [((row.category,), row.occurrences) for row in dead],
        "category",
    )
    yield metrics.gauge(
        "positions",
        "Positions in the ledger.",
        ((("open",), numbers.open_positions), (("closed",), numbers.closed_positions)),
        "status",
    )
    yield metrics.gauge(
        "outbox_entries", "Changes committed and not published yet.", [((), numbers.outbox_entries)]
    )
    yield metrics.gauge(
        "observation_gaps_open",
        "Times of which the gateway can tell the executions no more, and no statement did yet.",
        [((), numbers.open_gaps)],
    )
    yield metrics.gauge("jobs_due", "Work that the workers should be at.", [((), due.due)])
    yield metrics.gauge(
        "jobs_overdue_seconds", "How long the oldest of it has been due.", [((), due.overdue_seconds)]
    )
    yield metrics.gauge("jobs_failing", "Work that failed and is to be tried again.", [((), due.failing)])
    yield metrics.gauge(
        "statement_differences",
        "Figures of statements that are not those of the ledger, as of the last import.",
        [((kind, cause), figures) for kind, cause, figures in disputes],
        "kind",
        "cause",
    )


def _from_snapshots(context: Context, counted: _Counted | None) -> Iterable[GaugeMetricFamily]:
    if counted is None:
        return
    profile, as_of = context.settings.profile, counted.snapshot_as_of
    yield metrics.gauge(
        "snapshot_age_seconds",
        "Age of the last snapshot, of the account that has gone longest without.",
        [((profile,), None if as_of is None else whole_age(as_of, context.clock()))],
        "profile",
    )
    yield metrics.gauge(
        "snapshot_hours",
        "Hours of the last day by how their snapshots went; those that are missing had no run.",
        [((profile, status), count) for status, count in counted.snapshot_hours.items()],
        "profile",
        "status",
    )


def _from_rules(counted: _Counted | None) -> Iterable[GaugeMetricFamily]:
    if counted is None:
        return
    # A rule of which nothing is open is told as well: what is not there cannot be watched.
    waiting = {(rule.name, str(rule.severity)): 0 for rule in RULES}
    waiting |= {(row.rule, row.severity): row.issues for row in counted.issues}
    yield metrics.gauge(
        "issues_open",
        "What rules found and nobody has acknowledged.",
        list(waiting.items()),
        "rule",
        "severity",
    )
    checks = counted.checks
    checked_at = last_checked(checks, BY_NAME)
    yield metrics.gauge(
        "validation_timestamp_seconds",
        "When the rule whose turn is longest ago was last looked at.",
        [((), None if checked_at is None else checked_at.timestamp())],
    )
    yield metrics.gauge(
        "validation_seconds",
        "How long looking at all rules took the last time.",
        [((), sum((one.seconds or Decimal(0) for one in checks.values()), Decimal(0)) if checks else None)],
    )
    yield metrics.gauge(
        "validation_failed_rules",
        "Rules of which the last look came to no end.",
        [((), sum(one.error is not None for one in checks.values()))],
    )


def _from_streams(reports: tuple[StreamReport, ...] | None) -> Iterable[GaugeMetricFamily]:
    yield metrics.gauge("redis_up", "Whether Redis answers.", [((), int(reports is not None))])
    listed = reports or ()
    yield metrics.gauge(
        "stream_entries", "Entries in a stream.", [((s.name,), s.length_entries) for s in listed], "stream"
    )
    groups = [(stream.name, group) for stream in listed for group in stream.groups]
    yield metrics.gauge(
        "stream_lag_entries",
        "Entries that a group was not given yet.",
        [((name, group.name), group.lag_entries) for name, group in groups],
        "stream",
        "group",
    )
    yield metrics.gauge(
        "stream_pending_entries",
        "Entries that a group was given and has not acknowledged.",
        [((name, group.name), group.pending_entries) for name, group in groups],
        "stream",
        "group",
    )


def _from_ledger(totals: list[RealizedTotal] | None) -> Iterable[GaugeMetricFamily]:
    if totals is None:
        return
    by_currency: dict[str, Decimal] = {}
    for total in totals:
        by_currency[total.currency] = by_currency.get(total.currency, Decimal(0)) + total.difference
    yield metrics.gauge(
        "realized_compared_fills",
        "Closing fills of which both our realized figure and the broker's are known.",
        [((), sum(total.compared for total in totals))],
    )
    yield metrics.gauge(
        "realized_differing_fills",
        "Of these, fills on which the two are more than half a cent apart.",
        [((), sum(total.differing for total in totals))],
    )
    yield metrics.gauge(
        "realized_difference",
        "What we say the compared fills realized less what the broker says.",
        [((currency,), difference) for currency, difference in sorted(by_currency.items())],
        "currency",
    )


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def prometheus(context: Shared) -> Response:
    """Answers also while database or Redis are away, and says so."""
    counted = await _counted(context)
    families = [
        *_from_picture(context),
        *_from_database(counted),
        *_from_snapshots(context, counted),
        *_from_rules(counted),
        *_from_ledger(context.realized.latest()),
        *_from_streams(await stream_reports(context)),
    ]
    return Response(metrics.render(families), media_type=CONTENT_TYPE_LATEST)
