"""What a client needs to begin, and what is set here."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from core.domain.days import BROKER_ZONE
from models.migrate import head_revision
from models.queries.history import MOST_POINTS
from services.api.context import MOST_RECEIVED_AT_ONCE, Shared
from services.api.openapi import answers
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, json_response
from services.api.routers.imports import MOST_BYTES
from services.api.schemas.common import encode
from services.api.schemas.meta import Meta, MetaLimits, MetaLinks
from services.api.schemas.settings import AccountSettings, SettingsReport
from services.api.schemas.stream import TOPICS
from services.api.settings_told import settings_told
from services.api.stated import own_freshness

router = APIRouter(prefix="/api/v1", tags=["meta"])

FEATURES: Final = (
    *("as_of", "known_at", "cost_methods", "account_groups", "benchmarks", "snapshots", "statements"),
    *("rules", "alerts", "websocket", "events"),
)
"""What a client may ask of this version, besides plain lists."""


@router.get("/meta", summary="What a client needs to begin", responses=answers(Meta))
async def meta(context: Shared) -> Response:
    """Version, profile, times and zones, limits, topics, and where the documentation is."""
    context.picture_ready()
    now = context.clock()
    told = Meta(
        name="lotkeeper",
        version=context.version,
        api_version="v1",
        schema=head_revision(),
        profile=context.settings.profile,
        server_time=now,
        server_time_zone=now.astimezone().tzname() or "UTC",
        broker_time_zone=BROKER_ZONE.key,
        accounts=len(context.hub.picture.accounts),
        features=FEATURES,
        topics=TOPICS,
        limits=MetaLimits(
            page_default=DEFAULT_LIMIT,
            page_most=MAX_LIMIT,
            points_most=MOST_POINTS,
            import_bytes=MOST_BYTES,
            imports_at_once=MOST_RECEIVED_AT_ONCE,
        ),
        links=MetaLinks(
            openapi="/openapi.json",
            asyncapi="/asyncapi.json",
            stream="/api/v1/stream",
            events="/api/v1/stream/events",
            livez="/livez",
            readyz="/readyz",
            metrics="/metrics",
        ),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(told))


@router.get("/settings", summary="What is set, and by what", responses=answers(SettingsReport))
async def show_settings(context: Shared) -> Response:
    """Each setting with its source and meaning; of a secret only whether it is set."""
    context.picture_ready()
    accounts = context.hub.picture.accounts
    report = SettingsReport(
        items=tuple(settings_told(context.settings)),
        accounts=tuple(
            AccountSettings(
                account=name,
                cost_method=accounts[name].cost_method,
                base_currency=accounts[name].base_currency,
            )
            for name in sorted(accounts)
        ),
        freshness=own_freshness(context.hub.judge()),
    )
    return json_response(encode(report))
