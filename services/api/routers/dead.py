"""What could not be read or applied: look at it, have it tried again, or let it rest."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from core import logs
from core.errors import ErrorCategory
from models.queries.dead_facts import DeadChoice, DeadFactRow, dead_facts_by_id, dead_facts_page
from models.session import Reader
from models.stores.dead_facts import drop_dead_facts
from models.stores.jobs_dead import ask_retry
from services.api.context import Context, Shared
from services.api.exchange import job_id_of
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    is_row_number,
    json_response,
    number_cursor,
    row_number,
)
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.dead import DeadFact, DeadFactDetail, DeadFactPage
from services.api.schemas.sync import Job, JobAnswer
from services.api.spelling import spelled
from services.api.stated import own_freshness

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1/dead", tags=["dead"])


async def _found(reader: Reader, dead_id: int) -> DeadFactRow:
    rows = await dead_facts_by_id(reader, [dead_id]) if is_row_number(dead_id) else []
    if not rows:
        raise not_found(
            "dead_fact_not_found", "Nothing was set aside under this number. GET /api/v1/dead lists them."
        )
    return rows[0]


async def _detail(context: Context, dead_id: int) -> Response:
    async with context.database.read() as reader:
        row = await _found(reader, dead_id)
    return json_response(encode(DeadFactDetail(**spelled(row), freshness=own_freshness(context.hub.judge()))))


@router.get("", summary="What was set aside, newest first", responses=answers(DeadFactPage, 400, 404))
async def list_dead(
    context: Shared,
    status: DeadChoice = "open",
    category: ErrorCategory | None = None,
    account: str | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What could not be read or applied, with the reason; its content is told one by one."""
    after = row_number(cursor, "dead_facts")
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await dead_facts_page(
            reader,
            status=None if status == "all" else status,
            category=category,
            account=account,
            after=after,
            limit=limit + 1,
        )
    rows, last = cut(found, limit)
    page = DeadFactPage(
        items=tuple(DeadFact(**spelled(row, "payload")) for row in rows),
        next_cursor=None if last is None else number_cursor("dead_facts", last.id),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/{dead_id}", summary="One thing that was set aside", responses=answers(DeadFactDetail, 404))
async def one_dead(context: Shared, dead_id: int) -> Response:
    """With its whole content, as it came."""
    return await _detail(context, dead_id)


@router.post(
    "/{dead_id}/retry",
    status_code=202,
    summary="Try it again",
    responses=answers(JobAnswer, 404, 409, status=202),
)
async def retry_dead(context: Shared, request: Request, dead_id: int) -> Response:
    """A worker reads and applies it as if it had come just now; the job fails where that cannot be still."""
    async with context.database.read() as reader:
        row = await _found(reader, dead_id)
    if row.status == "retried":
        raise ProblemError(
            HTTPStatus.CONFLICT, "already_applied", "It was applied already: there is nothing to try again."
        )
    async with context.database.write() as writer:
        asked = await ask_retry(writer, job_id_of(request), dead_id, context.clock())
    if not asked.joined:
        log.info("dead_retry_requested", job=str(asked.id), dead_fact=dead_id)
    job = Job(id=str(asked.id), kind="dead_retry", status=asked.status, progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


@router.post("/{dead_id}/drop", summary="Let it rest", responses=answers(DeadFactDetail, 404))
async def drop_dead(context: Shared, dead_id: int) -> Response:
    """It is kept, and stands open no more; a retry that waits is called off. What was applied stays."""
    async with context.database.read() as reader:
        row = await _found(reader, dead_id)
    async with context.database.write() as writer:
        dropped = await drop_dead_facts(writer, [row.id], context.clock())
    if dropped:
        log.info("dead_fact_dropped", dead_fact=dead_id, category=row.category)
    return await _detail(context, dead_id)
