"""The API process: the contract over HTTP and WebSocket, and the dashboard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import Response

from core.clock import Clock, utc_now
from core.domain.watched import Look
from core.process import run_service
from core.settings import Settings
from core.streams.port import StreamPort
from core.streams.redis import RedisStreams
from core.version import installed_version
from models.restricted import RestrictedPool
from models.session import Database
from services.api import asyncapi, problems
from services.api.attention import Watch
from services.api.coalesce import Coalesce
from services.api.context import Context
from services.api.figures.counted import Counting
from services.api.layers.compression import Compression
from services.api.layers.etags import ETags
from services.api.layers.exports import Exports
from services.api.layers.heads import Heads
from services.api.layers.once import Once
from services.api.layers.requests import Requests
from services.api.live.hub import Hub
from services.api.live.pace import Pace
from services.api.openapi import document
from services.api.page import Page
from services.api.paging import json_response
from services.api.realized_totals import RealizedTotals
from services.api.routers import (
    accounts,
    alerts,
    allocation,
    attribution,
    audit,
    cash,
    comparison,
    dead,
    events,
    executions,
    health,
    imports,
    instruments,
    issues,
    jobs,
    lots,
    measures,
    meta,
    notes,
    performance,
    portfolio,
    positions,
    prices,
    realized,
    reconciliations,
    second_factor,
    session,
    setup,
    snapshots,
    statements,
    statistics,
    stream,
    sync,
    tokens,
    users,
    validation,
    valuation,
)
from services.api.schemas.common import encode
from services.api.security.auth import Authenticator
from services.api.security.guard import Guard
from services.api.security.origin import HostList
from services.api.security.permissions import permit
from services.api.security.rates import Rates
from services.api.security.setup import SetupToken
from services.api.server import serve

STATIC = Path(__file__).parent / "static"
READ_SECONDS = 10
"""How long PostgreSQL may take for one query of a request; then it stops it."""

POOL_SECONDS = 3
"""How long a request waits for a connection while others have all of them."""

Companion = Callable[[Settings, Database, Look], Awaitable[None]]
"""What an API process does besides: runs until cancelled, over connections that no request can take."""


def _build_context(
    settings: Settings, clock: Clock, streams: StreamPort | None, pace: Pace | None
) -> Context:
    url, direct = settings.require_database_url(), settings.require_database_direct_url()
    limits = {"pool_seconds": POOL_SECONDS, "read_seconds": READ_SECONDS}
    has_pooler = settings.has_pooler()
    database = Database(url, application="api", has_pooler=has_pooler, **limits)
    # Apart, so that what is asked of the API never keeps the live picture waiting.
    behind_live = Database(url, application="api-live", pool_size=2, has_pooler=has_pooler)
    connected = streams or RedisStreams.connect(settings)
    return Context(
        settings=settings,
        version=installed_version(),
        clock=clock,
        database=database,
        people=database,
        streams=connected,
        hub=Hub(settings, behind_live, connected, clock=clock, pace=pace),
        behind_live=behind_live,
        realized=RealizedTotals(database),
        counting=Counting(database),
        auth=Authenticator(settings, database, clock),
        setup=SetupToken(settings),
        rates=Rates(settings.api_requests_per_minute, settings.api_requests_burst),
        hosts=HostList(settings),
        restricted=RestrictedPool(direct, database, application="api", **limits),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    context.hub.start()
    look = Watch(context).look
    besides = [
        asyncio.create_task(stream.keep_checking(context), name="api-keep-checking"),
        *(
            asyncio.create_task(_accompany(one, context, look), name="api-companion")
            for one in app.state.companions
        ),
    ]
    try:
        yield
    finally:
        for task in besides:
            task.cancel()
        await asyncio.gather(*besides, return_exceptions=True)
        await context.hub.stop()
        await context.realized.close()
        await context.counting.close()
        context.auth.close()
        await context.streams.close()
        await context.restricted.close()
        await context.database.close()
        await context.behind_live.close()


async def _accompany(companion: Companion, context: Context, look: Look) -> None:
    await companion(context.settings, context.behind_live, look)


@cache
def _routes() -> APIRouter:
    """What is served; nobody comes to it who may not."""
    routes = APIRouter(dependencies=[Depends(permit)])
    for module in (
        health,
        meta,
        session,
        setup,
        tokens,
        users,
        second_factor,
        audit,
        accounts,
        portfolio,
        positions,
        lots,
        comparison,
        notes,
        prices,
        executions,
        realized,
        statistics,
        attribution,
        performance,
        measures,
        cash,
        reconciliations,
        imports,
        snapshots,
        instruments,
        allocation,
        valuation,
        statements,
        issues,
        validation,
        alerts,
        sync,
        jobs,
        dead,
        stream,
        events,
    ):
        routes.include_router(module.router)
    return routes


def create_app(
    settings: Settings,
    *,
    static: Path = STATIC,
    streams: StreamPort | None = None,
    clock: Clock = utc_now,
    pace: Pace | None = None,
    companions: Sequence[Companion] = (),
) -> FastAPI:
    """The application. Nothing is connected to before it starts.

    Raises:
        SettingsError: a setting it needs is missing or wrong.
    """
    app = FastAPI(
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(permit)],
    )
    app.state.context = _build_context(settings, clock, streams, pace)
    app.state.companions = companions
    problems.install(app)
    # Each router as it stands there: what is made of a route by its first request serves every application.
    app.router.routes.extend(_routes().routes)
    page = Page(static)
    described: dict[str, Any] = {}

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        if not described:
            described.update(document(app, installed_version()))
        return json_response(encode(described))

    spoken: dict[str, Any] = {}

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_document() -> Response:
        if not spoken:
            spoken.update(asyncapi.document(installed_version()))
        return json_response(encode(spoken))

    app.router.default = page
    # The last is the outermost. The innermost has every page of JSON, those of whole lists as well.
    for layer in (Coalesce, Exports, Once, ETags, Compression, Heads, Guard, Requests):
        app.add_middleware(layer)
    return app


async def main(settings: Settings, companions: Sequence[Companion] = ()) -> None:
    """Serve until cancelled."""
    app = create_app(settings, companions=companions)
    context: Context = app.state.context
    await serve(app, settings, farewell=context.hub.say_bye)


def run(settings: Settings, companions: Sequence[Companion] = ()) -> None:
    """The process: serves until it is told to stop."""

    async def serve_all(settings: Settings) -> None:
        await main(settings, companions)

    run_service("api", settings, serve_all)
