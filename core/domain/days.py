"""Days of the broker, by which it states what has no time."""

from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

BROKER_ZONE: Final = ZoneInfo("America/New_York")
"""The zone of IBKR's days, and of times that name none (IBKR, "Flex Queries": times are Eastern Time)."""

HELD: Final = time(20, 30)
HELD_OF_FUTURES: Final = time(17, 30)
"""What is traded later belongs to the broker's next day: overnight trading in shares begins at 20:00, that in
futures at 18:00."""

FUTURES: Final = frozenset({"FUT", "FOP"})


def day_of(moment: datetime) -> date:
    """The broker's day that a time is in."""
    return moment.astimezone(BROKER_ZONE).date()


def moment_of(day: date, clock: time) -> datetime:
    """A time of a day, in UTC."""
    return datetime.combine(day, clock, BROKER_ZONE).astimezone(UTC)


def held_at(day: date, sec_type: str) -> datetime:
    """When that was held which is stated for the end of a day: after its trades and what is booked then."""
    return moment_of(day, HELD_OF_FUTURES if sec_type in FUTURES else HELD)
