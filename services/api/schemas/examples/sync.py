"""Examples of links, jobs and sessions."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import asdict

from services.api.schemas.examples.common import AT, LAST_KNOWN
from services.api.schemas.sync import (
    DatasetReport,
    DeadReport,
    DueReport,
    ErrorReport,
    GapReport,
    GroupReport,
    Job,
    JobAnswer,
    JobRecord,
    LinkReport,
    LoginReport,
    StreamReport,
    SyncBar,
    SyncHistory,
    SyncReport,
)

_JOB = "7d9a1c52-1f6e-4a0e-9a55-1d2f7c3b9e01"
_LINK = LinkReport(
    gateway="up",
    ibkr="down",
    reason="ib_1100",
    since=AT,
    complete=False,
    state="degraded",
    last_beat_at=AT,
    last_message_at=AT,
    clock_offset_seconds=0.02,
)
_SYNC = SyncReport(
    links=_LINK,
    logins=(LoginReport(login="127.0.0.1:4001", accounts=("U1234567",), **asdict(_LINK)),),
    datasets=(
        DatasetReport(
            account="U1234567",
            dataset="positions",
            as_of=AT,
            age_seconds=5400,
            cadence_seconds=None,
            complete=True,
            error=None,
        ),
    ),
    gaps=(
        GapReport(
            account="U1234567",
            started_at=AT - timedelta(hours=40),
            ended_at=AT - timedelta(hours=10),
            reason="the broker link was stopped; then the gateway waited for a login",
            detected_at=AT,
        ),
    ),
    streams=(
        StreamReport(
            name="facts",
            length_entries=12,
            last_id="1763672398000-0",
            groups=(GroupReport(name="position_sync", pending_entries=0, lag_entries=0),),
        ),
    ),
    outbox_entries=0,
    dead_facts=(DeadReport(category="parsing", kinds=1, occurrences=3, last_seen_at=AT),),
    jobs=(
        JobRecord(
            id=_JOB,
            kind="resync",
            status="succeeded",
            progress=None,
            error=None,
            created_at=AT,
            started_at=AT,
            finished_at=AT,
        ),
    ),
    jobs_due=DueReport(due=1, overdue_seconds=2, failing=0),
    last_errors=(ErrorReport(at=AT, category="parsing", message="unknown message id 999"),),
    freshness=LAST_KNOWN,
)

EXAMPLES: dict[type[Struct], Struct] = {
    JobAnswer: JobAnswer(job=Job(id=_JOB, kind="resync", status="queued", progress=None, error=None)),
    SyncReport: _SYNC,
    SyncHistory: SyncHistory(
        range="24h",
        items=(SyncBar(start=AT, end=AT + timedelta(hours=1), status="interrupted", reasons=("ib_1100",)),),
        relogin_at=AT + timedelta(days=2),
        freshness=LAST_KNOWN,
    ),
}
