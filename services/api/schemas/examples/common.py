"""What several examples share."""

from datetime import UTC, datetime

from services.api.schemas.common import Freshness, Links

AT = datetime(2026, 11, 20, 20, 59, 58, tzinfo=UTC)
OPENED = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
POSITION_ID = "0b7e4b54-9a52-5b1e-8d39-3f4d2f0c7a10"

LIVE = Freshness(
    source="live",
    as_of=AT,
    received_at=AT,
    age_seconds=2,
    stale=False,
    reason=None,
    links=Links(gateway="up", ibkr="up"),
)
LAST_KNOWN = Freshness(
    source="last_known",
    as_of=AT,
    received_at=AT,
    age_seconds=5400,
    stale=True,
    reason="ib_1100",
    links=Links(gateway="up", ibkr="down"),
)
STATED = Freshness(
    source="last_known",
    as_of=AT,
    received_at=AT,
    age_seconds=46800,
    stale=True,
    reason="statement",
    links=Links(gateway="up", ibkr="up"),
)
OWN = Freshness(
    source="last_known",
    as_of=AT,
    received_at=AT,
    age_seconds=0,
    stale=False,
    reason="own_record",
    links=Links(gateway="up", ibkr="up"),
)
KEPT = Freshness(
    source="last_known",
    as_of=AT,
    received_at=AT,
    age_seconds=1800,
    stale=True,
    reason="snapshot",
    links=Links(gateway="up", ibkr="up"),
)
CHECKED = Freshness(
    source="last_known",
    as_of=AT,
    received_at=AT,
    age_seconds=32400,
    stale=True,
    reason="check",
    links=Links(gateway="up", ibkr="up"),
)
