"""What every answer has."""

from datetime import datetime

from msgspec import Struct


class Links(Struct, frozen=True, kw_only=True):
    """From us to the gateway, and from the gateway to IBKR."""

    gateway: str
    ibkr: str


class Freshness(Struct, frozen=True, kw_only=True):
    """How far the values beside it can be trusted as current."""

    source: str
    as_of: datetime | None
    received_at: datetime | None
    age_seconds: int | None
    stale: bool
    reason: str | None
    links: Links


class Coverage(Struct, frozen=True, kw_only=True):
    """How many of the open positions have a fresh mark."""

    fresh: int
    total: int
