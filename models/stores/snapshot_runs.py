"""Runs of snapshots: begun once an hour, tried again, ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from core.domain.snapshot_runs import RunStatus, SnapshotTrigger
from core.domain.snapshots import Refusal
from core.errors import ErrorCategory
from models.session import Reader, Writer

_COLUMNS = "id, trigger, hour, account, job_id, status, attempts, started_at, finished_at"
_open_hour = text(
    "INSERT INTO snapshot_runs (trigger, hour, status, schema_version, app_version, started_at) "
    "VALUES ('hourly', :hour, 'running', :schema, :app, :now) "
    "ON CONFLICT (hour) WHERE hour IS NOT NULL DO NOTHING"
)
_of_hour = text(f"SELECT {_COLUMNS} FROM snapshot_runs WHERE hour = :hour")  # noqa: S608 - no input in it
_open_asked = text(
    "INSERT INTO snapshot_runs (trigger, account, job_id, status, schema_version, app_version, started_at) "
    "VALUES (:trigger, :account, :job_id, 'running', :schema, :app, :now) "
    "ON CONFLICT (job_id) WHERE job_id IS NOT NULL DO NOTHING "
    "RETURNING id"
)
_asked = text(f"SELECT {_COLUMNS} FROM snapshot_runs WHERE id = :id OR job_id = :job_id")  # noqa: S608 - as above
_begin = text(
    "UPDATE snapshot_runs SET status = 'running', attempts = attempts + 1, finished_at = NULL, "
    "error_category = NULL, summary = '', failures = '{}', app_version = :app, schema_version = :schema "
    "WHERE id = :id RETURNING attempts"
)
_end = text(
    "UPDATE snapshot_runs SET status = :status, taken = :taken, failures = CAST(:failures AS jsonb), "
    "error_category = :category, summary = :summary, finished_at = :now WHERE id = :id"
)
_left = text(
    f"SELECT {_COLUMNS} FROM snapshot_runs WHERE status = 'running' AND job_id IS NULL "  # noqa: S608 - as above
    "AND started_at < :before ORDER BY id LIMIT 100"
)
_taken = text("SELECT account FROM snapshots WHERE run_id = :id")


class Run(NamedTuple):
    """A run: for an hour, or for who asked (``account``: only for that one)."""

    id: int
    trigger: SnapshotTrigger
    hour: datetime | None
    account: str | None
    job_id: UUID | None
    status: RunStatus
    attempts: int
    started_at: datetime
    finished_at: datetime | None


class Versions(NamedTuple):
    """What it is taken by: the schema's revision and the version of Lotkeeper."""

    schema: str
    app: str


async def open_hour(writer: Writer, hour: datetime, versions: Versions, now: datetime) -> Run:
    """The run of an hour: there is one, whoever begins it."""
    await writer.execute(_open_hour, {"hour": hour, "now": now, **versions._asdict()})
    return Run._make((await writer.execute(_of_hour, {"hour": hour})).one())


async def open_asked(
    writer: Writer,
    trigger: SnapshotTrigger,
    versions: Versions,
    now: datetime,
    *,
    account: str | None,
    job_id: UUID | None,
) -> Run:
    """The run that somebody asked for; of a job there is one."""
    asked = {"trigger": trigger, "account": account, "job_id": job_id, "now": now, **versions._asdict()}
    made = (await writer.execute(_open_asked, asked)).scalar_one_or_none()
    return Run._make((await writer.execute(_asked, {"id": made, "job_id": job_id})).one())


async def begin_attempt(writer: Writer, run: Run, versions: Versions) -> int:
    """Note that it is tried (again); how often that is now."""
    row = await writer.execute(_begin, {"id": run.id, **versions._asdict()})
    attempts: int = row.scalar_one()
    return attempts


async def end_attempt(
    writer: Writer,
    run_id: int,
    status: RunStatus,
    *,
    taken: int,
    category: ErrorCategory | None,
    failures: Mapping[str, Refusal],
    summary: str,
    now: datetime,
) -> None:
    """Note how it ended: ``taken`` accounts have their snapshot; ``category`` of the first that has none."""
    await writer.execute(
        _end,
        {
            "id": run_id,
            "status": status,
            "taken": taken,
            "failures": msgspec.json.encode({name: why._asdict() for name, why in failures.items()}).decode(),
            "category": category,
            "summary": summary,
            "now": now,
        },
    )


async def left_running(connection: Reader | Writer, before: datetime) -> list[Run]:
    """Runs that were begun before a moment and have not ended: at work still, or their process was killed."""
    return [Run._make(row) for row in await connection.execute(_left, {"before": before})]


async def accounts_taken(writer: Writer, run_id: int) -> set[str]:
    """The accounts that have their snapshot of a run."""
    return {row.account for row in await writer.execute(_taken, {"id": run_id})}
