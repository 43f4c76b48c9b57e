"""Whether a market was open, from the hours that contract details tell.

IBKR tells some days ahead, in the exchange's own zone: ``20261120:0930-20261120:1600;20261121:CLOSED``, and
in an older spelling ``20261120:0930-1200,1300-1600`` (IBKR, "ContractDetails": TradingHours, LiquidHours).
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_SESSION = re.compile(r"(?:(\d{8}):)?(\d{4})-(?:(\d{8}):)?(\d{4})")
_CLOSED = "CLOSED"
_DAY = timedelta(days=1)


class Session(NamedTuple):
    """When it is open, from one moment until just before another."""

    start: datetime
    end: datetime


class Hours(NamedTuple):
    """Sessions, and which days they tell of: the first, and the one after the last."""

    sessions: tuple[Session, ...]
    first: datetime
    until: datetime


def open_at(spelled: str, zone_name: str, at: datetime) -> bool | None:
    """Whether a moment is in the hours that the text tells; ``None`` where it, or the zone, tells nothing."""
    hours = hours_in(spelled, zone_name)
    return None if hours is None else is_open(hours, at)


@lru_cache(maxsize=4096)
def hours_in(spelled: str, zone_name: str) -> Hours | None:
    """What the text tells by the clock of a zone; most instruments of an exchange have the same."""
    if not spelled or not zone_name:
        return None
    try:
        return read_hours(spelled, ZoneInfo(zone_name))
    except (KeyError, ValueError, OSError):
        return None


def read_hours(spelled: str, zone: ZoneInfo) -> Hours | None:
    """What the text tells; ``None`` where it tells nothing, or not all of it can be read."""
    sessions: list[Session] = []
    days: list[datetime] = []
    for told in filter(None, spelled.split(";")):
        day, _, rest = told.partition(":")
        try:
            days.append(_moment(day, "0000", zone))
            if rest == _CLOSED:
                continue
            for part in told[len(day) + 1 :].split(","):
                match = _SESSION.fullmatch(part)
                if match is None:
                    return None
                starts_on, start, ends_on, end = match.groups()
                sessions.append(
                    Session(_moment(starts_on or day, start, zone), _moment(ends_on or day, end, zone))
                )
        except ValueError:
            return None
    if not days:
        return None
    # A session that begins on the evening before belongs to the day that it ends on.
    first = min(*days, *(session.start for session in sessions), days[0])
    return Hours(tuple(sessions), first, max(days) + _DAY)


def is_open(hours: Hours, at: datetime) -> bool | None:
    """Whether a moment is in one of the sessions; ``None`` on days that are not told of."""
    if not hours.first <= at < hours.until:
        return None
    return any(session.start <= at < session.end for session in hours.sessions)


def _moment(day: str, clock: str, zone: ZoneInfo) -> datetime:
    # 2400 is how some venues spell the end of the day.
    add = _DAY if clock == "2400" else timedelta()
    parsed = datetime.strptime(f"{day}{'0000' if add else clock}", "%Y%m%d%H%M")  # noqa: DTZ007 - zone follows
    return (parsed.replace(tzinfo=zone) + add).astimezone(UTC)
