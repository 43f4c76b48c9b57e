"""Statements: hand one in, and see what became of those that were imported."""

import hashlib
import uuid
import zlib
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core import logs
from models.queries.disputes.compare import difference_counts
from models.queries.imports import Imported, find_import, imports_page
from models.stores.imports import File
from models.stores.jobs_imports import ask_import
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, Cursor, Limit, cut, json_response, number_cursor, row_number
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.imports import DifferenceCount, Import, ImportDetail, ImportPage
from services.api.schemas.sync import Job, JobAnswer

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1/imports", tags=["imports"])

MOST_BYTES = 1 << 30
"""A year of a busy account is some 200 MB of XML."""

_MOST_ID = 2**63


def _import(row: Imported) -> Import:
    return Import(**row._asdict())


@router.get("", summary="Imported statements, newest first", responses=answers(ImportPage, 400))
async def list_imports(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """What was imported, what it came to, and whether it was taken back."""
    after = row_number(cursor, "imports")
    async with context.database.read() as reader:
        found = await imports_page(reader, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = ImportPage(
        items=tuple(_import(row) for row in rows),
        next_cursor=None if last is None else number_cursor("imports", last.id),
    )
    return json_response(encode(page))


@router.get("/{import_id}", summary="One import", responses=answers(ImportDetail, 404))
async def one_import(context: Shared, import_id: int) -> Response:
    """The import with this number, with its report, and in how many figures the ledger differs from it."""
    row, counts = None, []
    if 0 < import_id < _MOST_ID:
        async with context.database.read() as reader:
            row = await find_import(reader, import_id)
            counts = await difference_counts(reader, import_id=import_id)
    if row is None:
        raise not_found("import_not_found", "There is no import with this number.")
    differences = tuple(
        DifferenceCount(kind=kind, cause=cause, figures=figures) for kind, cause, figures in counts
    )
    return json_response(encode(ImportDetail(**row._asdict(), differences=differences)))


@router.post(
    "",
    status_code=202,
    summary="Import a statement",
    responses=answers(JobAnswer, 413, status=202),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/xml": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def hand_in(
    context: Shared,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=255, description="the file's name")] = "upload.xml",
    kind: Annotated[Literal["flex"], Query(description="its format")] = "flex",
    dry_run: Annotated[bool, Query(description="only say what would change")] = False,
) -> Response:
    """The body is the file itself. A worker imports it; the job's ``result`` is the report."""
    file = await _receive(request, name.rpartition("/")[2].replace("\0", ""), kind)
    job_id = uuid.uuid4()
    async with context.database.write() as writer:
        await ask_import(writer, job_id, file, dry_run=dry_run, now=context.clock())
    log.info("import_requested", job=str(job_id), size_bytes=file.size_bytes)
    job = Job(id=str(job_id), kind="import", status="queued", progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


async def _receive(request: Request, name: str, kind: str) -> File:
    """Take the body in, deflating it as it comes: a statement is text, and a large one need not be held."""
    digest = hashlib.sha256()
    deflater = zlib.compressobj(6)
    parts: list[bytes] = []
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > MOST_BYTES:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "file_too_large",
                "A statement of more than 1 GiB cannot be handed in; ask for a shorter period.",
            )
        digest.update(chunk)
        parts.append(deflater.compress(chunk))
    if not size_bytes:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "file_empty", "Send the statement itself as the request's body."
        )
    parts.append(deflater.flush())
    return File(name or "upload", kind, digest.hexdigest(), size_bytes, b"".join(parts))
