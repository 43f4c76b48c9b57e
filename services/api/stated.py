"""How fresh that is which statements tell, or was kept of a moment: never live, and as old as that."""

from datetime import date, datetime

from core.domain.days import end_of
from services.api.freshness import whole_age
from services.api.live.feed import Judged
from services.api.schemas.common import Freshness


def end_of_day(day: date | None) -> datetime | None:
    """When a day of the broker's ended."""
    return None if day is None or day >= date.max else end_of(day)


def stated_freshness(as_of: datetime | None, judged: Judged) -> Freshness:
    """Of a list that statements fill, whose newest row is of this moment."""
    return _past(as_of, judged, "statement")


def kept_freshness(as_of: datetime | None, judged: Judged) -> Freshness:
    """Of snapshots, the newest of which is of this moment."""
    return _past(as_of, judged, "snapshot")


def checked_freshness(as_of: datetime | None, judged: Judged) -> Freshness:
    """Of what the rules found when they were last looked at."""
    return _past(as_of, judged, "check")


def _past(as_of: datetime | None, judged: Judged, reason: str) -> Freshness:
    return Freshness(
        source="last_known",
        as_of=as_of,
        received_at=as_of,
        age_seconds=None if as_of is None else whole_age(as_of, judged.now),
        stale=True,
        reason=reason,
        links=judged.verdict.links,
    )


def own_freshness(judged: Judged) -> Freshness:
    """Of what is our own record and was read just now: jobs, settings, what was set aside.

    It is no word of the broker's, so it is never live; and never stale.
    """
    return Freshness(
        source="last_known",
        as_of=judged.now,
        received_at=judged.now,
        age_seconds=0,
        stale=False,
        reason="own_record",
        links=judged.verdict.links,
    )
