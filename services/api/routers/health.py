"""What machines ask: alive, ready, figures."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from core.metrics.machine import of_process
from models.migrate import current_revision, head_revision
from models.session import pools_in_use
from services.api import metrics
from services.api.context import Shared
from services.api.figures.of_database import of_database, of_ledger
from services.api.figures.of_picture import of_picture, of_streams
from services.api.live.load import DATABASE_AWAY
from services.api.paging import json_response
from services.api.problems import ProblemError, database_unavailable
from services.api.routers.sync import stream_reports

router = APIRouter(tags=["health"])

READY_SECONDS = 2.0


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


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def prometheus(context: Shared) -> Response:
    """Answers also while database or Redis are away, and says so."""
    context.need_all_accounts()
    # Before ours is taken: what others have is what matters.
    pools = pools_in_use()
    counts = await context.counting.counts(context.clock())
    if counts.counted is not None:
        context.names.update(counts.counted.names)
    settings = context.settings
    # A disk may be elsewhere, and slow to say how full it is.
    process = await asyncio.to_thread(
        lambda: list(of_process(head_revision(), settings.profile, settings.data_dir, pools))
    )
    families = [
        *process,
        *of_picture(context, context.names),
        *of_database(counts, settings, context.clock()),
        *of_ledger(context.realized.latest()),
        *of_streams(await stream_reports(context)),
    ]
    return Response(metrics.render(lambda: families), media_type=CONTENT_TYPE_LATEST)
