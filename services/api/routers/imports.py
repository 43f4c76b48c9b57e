"""Statements: hand one in, and see what became of those that were imported."""

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, NoReturn

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core import logs
from core.domain.formats import HEAD_BYTES, Format, format_of
from models.queries.disputes.compare import difference_counts
from models.queries.imports import Imported, find_import, imports_page
from models.stores.imports import File
from models.stores.jobs_imports import ask_import, ask_undo
from services.api.context import MOST_RECEIVED_AT_ONCE, Shared
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
from services.api.schemas.imports import DifferenceCount, Import, ImportDetail, ImportPage
from services.api.schemas.sync import Job, JobAnswer
from services.api.security.audit import TARGET
from services.api.stated import stated_freshness

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1/imports", tags=["imports"])

MOST_BYTES = 1 << 30
"""A year of a busy account is some 200 MB of XML."""

MOST_KEPT_BYTES = 1 << 28
"""Of the file as it is kept, deflated: text becomes a tenth."""

MOST_RATIO = 500
RATIO_FROM_BYTES = 1 << 24
"""From this size on, what becomes smaller by more than that ratio was made to fill a disk."""

STALLED_SECONDS = 60.0
"""Who sends nothing for so long is not waited for: others may have a file, too."""

GRACE_SECONDS = 60.0
LEAST_BYTES_PER_SECOND = 1 << 14
"""Nor is who sends less than that on average, once the grace is over: an hour of it is 56 MiB."""

COME_AGAIN_SECONDS = 10

_AT_ONCE_BYTES = 1 << 20


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
        freshness=stated_freshness(max((row.imported_at for row in rows), default=None), context.hub.judge()),
    )
    return json_response(encode(page))


@router.get("/{import_id}", summary="One import", responses=answers(ImportDetail, 404))
async def one_import(context: Shared, import_id: int) -> Response:
    """The import with this number, with its report, and in how many figures the ledger differs from it."""
    row, counts = None, []
    if is_row_number(import_id):
        async with context.database.read() as reader:
            row = await find_import(reader, import_id)
            counts = await difference_counts(reader, import_id=import_id)
    if row is None:
        raise not_found("import_not_found", "There is no import with this number.")
    differences = tuple(
        DifferenceCount(kind=kind, cause=cause, figures=figures) for kind, cause, figures in counts
    )
    freshness = stated_freshness(row.imported_at, context.hub.judge())
    return json_response(encode(ImportDetail(**row._asdict(), differences=differences, freshness=freshness)))


@router.post(
    "",
    status_code=202,
    summary="Import a statement",
    responses=answers(JobAnswer, 408, 413, status=202),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}}
                for media in ("application/xml", "text/csv")
            },
        }
    },
)
async def hand_in(
    context: Shared,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=255, description="the file's name")] = "upload",
    kind: Annotated[Format | None, Query(description="its format; without it, as it begins")] = None,
    dry_run: Annotated[bool, Query(description="only say what would change")] = False,
) -> Response:
    """The body is the file itself. A worker imports it; the job's ``result`` is the report."""
    context.need_all_accounts()  # a file tells of whichever accounts it likes
    request.scope[TARGET] = name
    if context.receiving.locked():
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_files",
            f"{MOST_RECEIVED_AT_ONCE} statements are being handed in already; try again in a moment.",
            headers={"retry-after": str(COME_AGAIN_SECONDS)},
        )
    async with context.receiving:
        file = await _receive(request, name.rpartition("/")[2].replace("\0", ""), kind)
        job_id = job_id_of(request)
        async with context.database.write() as writer:
            status = await ask_import(writer, job_id, file, dry_run=dry_run, now=context.clock())
    log.info("import_requested", job=str(job_id), size_bytes=file.size_bytes)
    job = Job(id=str(job_id), kind="import", status=status, progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


@router.post(
    "/{import_id}/undo",
    status_code=202,
    summary="Take an import back",
    responses=answers(JobAnswer, 404, 409, status=202),
)
async def take_back(context: Shared, request: Request, import_id: int) -> Response:
    """What only it stated goes, what it changed is as before; the job's ``result`` says what that was."""
    context.need_all_accounts()  # a file tells of whichever accounts it likes
    row = None
    if is_row_number(import_id):
        async with context.database.read() as reader:
            row = await find_import(reader, import_id)
    if row is None:
        raise not_found("import_not_found", "There is no import with this number.")
    if row.undone_at is not None:
        raise ProblemError(HTTPStatus.CONFLICT, "import_undone", "This import was taken back already.")
    job_id = job_id_of(request)
    async with context.database.write() as writer:
        status = await ask_undo(writer, job_id, import_id, now=context.clock())
    log.info("undo_requested", job=str(job_id), import_id=import_id)
    job = Job(id=str(job_id), kind="undo", status=status, progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


class _Deflating:
    """Takes a body in, piece by piece: a statement is text, and a large one need not be held as it is."""

    def __init__(self) -> None:
        self.head = b""
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._deflater = zlib.compressobj(6)
        self._parts: list[bytes] = []
        self._kept_bytes = 0

    def take(self, piece: bytes) -> None:
        """Take in what came.

        Raises:
            ProblemError: it becomes more than can be taken.
        """
        self.head = self.head or piece[:HEAD_BYTES]
        self.size_bytes += len(piece)
        if self.size_bytes > MOST_BYTES:
            _refuse("A statement of more than 1 GiB cannot be handed in; ask for a shorter period.")
        self._digest.update(piece)
        self._keep(self._deflater.compress(piece))

    def end(self, name: str, kind: Format | None) -> File:
        """All of it.

        Raises:
            ProblemError: it is nothing of a statement.
        """
        self._keep(self._deflater.flush())
        if self.size_bytes > RATIO_FROM_BYTES and self.size_bytes > MOST_RATIO * self._kept_bytes:
            _refuse("This is the same over and over, and no statement.")
        content = b"".join(self._parts)
        return File(name, kind or format_of(self.head), self._digest.hexdigest(), self.size_bytes, content)

    def _keep(self, deflated: bytes) -> None:
        self._kept_bytes += len(deflated)
        if self._kept_bytes > MOST_KEPT_BYTES:
            _refuse("This is too large, and no text: a statement becomes much smaller when it is packed.")
        self._parts.append(deflated)


def _refuse(detail: str) -> NoReturn:
    raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "file_too_large", detail)


async def _receive(request: Request, name: str, kind: Format | None) -> File:
    """Take the body in, deflating it in a thread as it comes."""
    deflating = _Deflating()
    waiting = bytearray()
    async for chunk in _chunks(request):
        waiting += chunk
        if len(waiting) >= _AT_ONCE_BYTES:
            await asyncio.to_thread(deflating.take, bytes(waiting))
            waiting.clear()
    if waiting:
        await asyncio.to_thread(deflating.take, bytes(waiting))
    if not deflating.size_bytes:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "file_empty", "Send the statement itself as the request's body."
        )
    return await asyncio.to_thread(deflating.end, name or "upload", kind)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        ProblemError: nothing of it came for a while, or all in all too little.
    """
    chunks = aiter(request.stream())
    clock = asyncio.get_running_loop().time
    too_slow_at = clock() + GRACE_SECONDS
    while True:
        stalled_at = clock() + STALLED_SECONDS
        try:
            async with asyncio.timeout_at(min(stalled_at, too_slow_at)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise _not_waited_for(too_slow=too_slow_at < stalled_at) from None
        if chunk is None:
            return
        too_slow_at += len(chunk) / LEAST_BYTES_PER_SECOND
        yield chunk


def _not_waited_for(*, too_slow: bool) -> ProblemError:
    if too_slow:
        code = "file_too_slow"
        rate = f"{LEAST_BYTES_PER_SECOND >> 10} KiB a second"
        detail = f"The statement came with less than {rate}. Send it over a faster line, or in smaller parts."
    else:
        code = "file_stalled"
        detail = f"Nothing of the statement came for {STALLED_SECONDS:.0f} seconds. Send it again."
    return ProblemError(HTTPStatus.REQUEST_TIMEOUT, code, detail)
