"""Times as the gateway writes them: with a zone of any naming, or in the gateway's own."""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from services.broker.unreadable import UnreadableError
from services.broker.zone_names import JAVA_ZONES, WINDOWS_ZONES

LAST_RESORT = "US/Eastern"
"""IBKR's own home: the zone of times that carry none, when neither the settings nor the gateway name one."""

_TIME = re.compile(
    r"(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d)(?P<gap>-| +)"
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.\d+)?(?: +(?P<zone>\S.*))?",
    re.ASCII,
)
_zones: dict[str, ZoneInfo] = {}


def zone_named(name: str) -> ZoneInfo | None:
    """The zone that a gateway means by ``name``: IANA id, Windows id, Java's long name or abbreviation."""
    name = name.strip()
    known = _zones.get(name)
    if known is not None:
        return known
    try:
        zone = ZoneInfo(WINDOWS_ZONES.get(name) or JAVA_ZONES.get(name) or name)
    except (KeyError, ValueError, OSError):
        return None
    _zones[name] = zone
    return zone


def midnight_before(at: datetime, zone: tzinfo) -> datetime:
    """The midnight with which the day of ``at`` began in ``zone``; a gateway tells executions since then."""
    return datetime.combine(at.astimezone(zone).date(), time.min, zone).astimezone(UTC)


def seconds_to_midnight(at: datetime, zone: tzinfo) -> float:
    """How long the day of ``at`` still lasts in ``zone``."""
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    return (datetime.combine(tomorrow, time.min, zone) - at).total_seconds()


def filter_time(at: datetime) -> str:
    """A time as a filter of executions carries it: the dash says that it is UTC."""
    return at.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S")


class GatewayTimes:
    """Reads execution times. ``default_zone`` is for those that carry none."""

    def __init__(self, default_zone: tzinfo) -> None:
        self.default_zone = default_zone
        self._last: tuple[str, tzinfo, tuple[datetime, bool]] | None = None

    def read(self, text: str) -> tuple[datetime, bool]:
        """The time in UTC, and whether its zone had to be assumed.

        Raises:
            UnreadableError: it is not a time, or its zone is unknown.
        """
        # Of a long answer one after the other was traded in the same second.
        last = self._last
        if last is not None and last[0] == text and last[1] is self.default_zone:
            return last[2]
        told = self._read(text)
        self._last = text, self.default_zone, told
        return told

    def _read(self, text: str) -> tuple[datetime, bool]:
        if text.isascii() and text.isdigit() and len(text) > 8:  # noqa: PLR2004 - eight digits are a date
            try:
                return datetime.fromtimestamp(int(text), UTC), False
            except (ValueError, OverflowError, OSError) as error:
                raise UnreadableError("validation", "the execution time is out of range") from error
        found = _TIME.fullmatch(text.strip())
        if found is None:
            raise UnreadableError("parsing", "the execution time has an unknown form")
        year, month, day, gap, hour, minute, second, zone_name = found.groups()
        zone: tzinfo | None
        if zone_name is not None:
            zone = zone_named(zone_name)
        elif gap == "-":
            zone = UTC  # IBKR writes a dash between date and time for UTC
        else:
            zone = self.default_zone
        if zone is None:
            raise UnreadableError("parsing", f"the execution time has an unknown time zone: {zone_name!r}")
        try:
            local = datetime(
                int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=zone
            )
            return local.astimezone(UTC), zone is self.default_zone and zone_name is None
        except (ValueError, OverflowError) as error:
            raise UnreadableError("validation", "the execution time does not exist") from error
