from typing import Literal

from msgspec import Struct

from core.settings import Profile
from services.api.schemas.common import Freshness, Moment


class MetaLimits(Struct, frozen=True, kw_only=True):
    """What one question may have at most."""

    page_default: int
    page_most: int
    points_most: int
    import_bytes: int
    imports_at_once: int


class MetaLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here, on this server."""

    openapi: str
    asyncapi: str
    stream: str
    events: str
    livez: str
    readyz: str
    metrics: str


class Meta(Struct, frozen=True, kw_only=True):
    """What a client needs to begin.

    ``schema`` is the revision of the database that this version wants. All times of the API are UTC;
    ``server_time_zone`` is that of the machine, ``broker_time_zone`` the one of the broker's days.
    """

    name: Literal["lotkeeper"]
    version: str
    api_version: Literal["v1"]
    schema: str
    profile: Profile
    server_time: Moment
    server_time_zone: str
    broker_time_zone: str
    accounts: int
    features: tuple[str, ...]
    topics: tuple[str, ...]
    limits: MetaLimits
    links: MetaLinks
    freshness: Freshness
