"""The API process: the contract over HTTP and WebSocket, and the dashboard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from core.clock import Clock, utc_now
from core.process import run_service
from core.settings import Settings
from core.streams.port import StreamPort
from core.streams.redis import RedisStreams
from core.version import installed_version
from models.session import Database
from services.api import problems
from services.api.context import Context
from services.api.live.hub import Hub, Pace
from services.api.openapi import document
from services.api.page import Page
from services.api.paging import json_response
from services.api.realized_totals import RealizedTotals
from services.api.routers import (
    accounts,
    allocation,
    attribution,
    cash,
    comparison,
    executions,
    health,
    imports,
    instruments,
    issues,
    lots,
    measures,
    performance,
    positions,
    realized,
    reconciliations,
    session,
    snapshots,
    statements,
    statistics,
    stream,
    sync,
    valuation,
)
from services.api.schemas.common import encode
from services.api.security.auth import Authenticator
from services.api.security.guard import Guard
from services.api.security.origin import HostList
from services.api.server import serve

STATIC = Path(__file__).parent / "static"


def _build_context(
    settings: Settings, clock: Clock, streams: StreamPort | None, pace: Pace | None
) -> Context:
    database = Database(settings.require_database_url(), application="api")
    connected = streams or RedisStreams.connect(settings)
    return Context(
        settings=settings,
        version=installed_version(),
        clock=clock,
        database=database,
        streams=connected,
        hub=Hub(settings, database, connected, clock=clock, pace=pace),
        realized=RealizedTotals(database),
        auth=Authenticator(settings, database, clock),
        hosts=HostList(settings),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    context.hub.start()
    checking = asyncio.create_task(stream.keep_checking(context), name="api-keep-checking")
    try:
        yield
    finally:
        checking.cancel()
        with suppress(asyncio.CancelledError):
            await checking
        await context.hub.stop()
        await context.realized.close()
        await context.streams.close()
        await context.database.close()


def create_app(
    settings: Settings,
    *,
    static: Path = STATIC,
    streams: StreamPort | None = None,
    clock: Clock = utc_now,
    pace: Pace | None = None,
) -> FastAPI:
    """The application. Nothing is connected to before it starts.

    Raises:
        SettingsError: a setting it needs is missing or wrong.
    """
    app = FastAPI(lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.context = _build_context(settings, clock, streams, pace)
    problems.install(app)
    for module in (
        health,
        session,
        accounts,
        positions,
        lots,
        comparison,
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
        sync,
        stream,
    ):
        app.include_router(module.router)
    page = Page(static)
    described: dict[str, Any] = {}

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        if not described:
            described.update(document(app, installed_version()))
        return json_response(encode(described))

    app.router.default = page
    app.add_middleware(Guard)
    return app


async def main(settings: Settings) -> None:
    """Serve until cancelled."""
    app = create_app(settings)
    context: Context = app.state.context
    await serve(app, settings.api_host, settings.api_port, farewell=context.hub.say_bye)


def run(settings: Settings) -> None:
    """The process: serves until it is told to stop."""
    run_service("api", settings, main)
