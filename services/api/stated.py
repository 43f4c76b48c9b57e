"""How fresh that is which statements tell: never live, and as old as the day it is about."""

from datetime import UTC, date, datetime, time, timedelta

from core.domain.days import BROKER_ZONE
from services.api.freshness import whole_age
from services.api.live.feed import Judged
from services.api.schemas.common import Freshness


def end_of_day(day: date | None) -> datetime | None:
    """When a day of the broker's ended."""
    if day is None or day >= date.max:
        return None
    return datetime.combine(day + timedelta(days=1), time(), BROKER_ZONE).astimezone(UTC)


def stated_freshness(as_of: datetime | None, judged: Judged) -> Freshness:
    """Of a list that statements fill, whose newest row is of this moment."""
    return Freshness(
        source="last_known",
        as_of=as_of,
        received_at=as_of,
        age_seconds=None if as_of is None else whole_age(as_of, judged.now),
        stale=True,
        reason="statement",
        links=judged.verdict.links,
    )
