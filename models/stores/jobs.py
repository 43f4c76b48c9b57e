"""Job rows: how a resync that someone asked for went on."""

from datetime import datetime
from json import dumps
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text

from models.session import Writer
from models.tables.sync import SILENCE_SECONDS

_answer = text(
    "UPDATE jobs SET started_at = coalesce(started_at, :started_at), "
    "details = jsonb_build_object('logins', coalesce(details -> 'logins', '{}') || jsonb_build_object("
    "coalesce((SELECT login FROM broker_sessions WHERE epoch = :epoch), (SELECT login FROM broker_links "
    "WHERE epoch = :epoch ORDER BY login LIMIT 1), ''), CAST(:error AS text))) "
    "WHERE id = :id AND status IN ('queued', 'running') RETURNING details -> 'logins' AS answers"
)
_links = text(
    "SELECT l.login, l.gateway = 'up' AND l.ibkr <> 'down' "
    "AND l.heard_at > clock_timestamp() - make_interval(secs => :silence) IS TRUE AS can_answer "
    "FROM broker_links l WHERE EXISTS (SELECT FROM broker_accounts a WHERE a.login = l.login AND a.listed)"
)
_finish = text(
    "UPDATE jobs SET status = :status, error = :error, progress = 1, finished_at = :at, "
    "details = jsonb_build_object('logins', CAST(:answers AS jsonb)) "
    "WHERE id = :id AND status IN ('queued', 'running') RETURNING id, kind, status, progress, error"
)
_fail_unanswered = text(
    "UPDATE jobs SET status = 'failed', finished_at = :at, error = :error "
    "WHERE kind = 'resync' AND status IN ('queued', 'running') AND created_at < :before "
    "RETURNING id, kind, status, progress, error"
)
_expire_sessions = text("DELETE FROM user_sessions WHERE expires_at < :now")

NOT_ASKED = "it did not answer: its link does not run, or has no gateway"


class JobRow(NamedTuple):
    """A job as it now stands."""

    id: str
    kind: str
    status: str
    progress: float | None
    error: str | None


async def take_answer(
    connection: Writer, job_id: str, *, epoch: int, error: str, started_at: datetime, at: datetime
) -> JobRow | None:
    """Record what the link of this epoch answered to a resync: ``error``, or that all was well; how it ended.

    It ends once every link has answered that has IBKR and was heard of lately. One that has not fails it
    only where no other can do it; ``details`` tells of each. Until then it is asked for again and again, and
    each answer looks anew who can still give one. ``None``: it has not ended, or had before, or there is no
    such job.
    """
    try:
        key = UUID(job_id)
    except ValueError:
        return None
    parameters = {"id": key, "epoch": epoch, "error": error, "started_at": started_at}
    answered = (await connection.execute(_answer, parameters)).one_or_none()
    if answered is None:
        return None
    answers: dict[str, str] = answered.answers
    links = (await connection.execute(_links, {"silence": SILENCE_SECONDS})).all()
    at_work = {one.login for one in links if one.can_answer}
    if at_work - answers.keys():
        return None
    counted = {login: told for login, told in answers.items() if login in at_work or not at_work}
    answers = {one.login: NOT_ASKED for one in links} | answers
    failed = {login: told for login, told in counted.items() if told}
    told = "; ".join(failed.values() if len(answers) == 1 else map(": ".join, sorted(failed.items())))
    status = "failed" if failed else "succeeded"
    ended = {"id": key, "status": status, "error": told or None, "at": at, "answers": dumps(answers)}
    row = (await connection.execute(_finish, ended)).one_or_none()
    return None if row is None else _job(row)


async def fail_unanswered(connection: Writer, *, before: datetime, at: datetime, error: str) -> list[JobRow]:
    """Fail the jobs that were asked for before a time and never answered."""
    rows = await connection.execute(_fail_unanswered, {"before": before, "at": at, "error": error})
    return [_job(row) for row in rows]


async def delete_expired_sessions(connection: Writer, now: datetime) -> int:
    """Forget logins that have expired; returns how many."""
    return (await connection.execute(_expire_sessions, {"now": now})).rowcount


def _job(row: Row[Any]) -> JobRow:
    progress = None if row.progress is None else float(row.progress)
    return JobRow(str(row.id), row.kind, row.status, progress, row.error)
