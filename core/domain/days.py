"""Days of the broker, by which it states what has no time."""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

BROKER_ZONE: Final = ZoneInfo("America/New_York")
"""The zone of IBKR's days, and of times that name none (IBKR, "Flex Queries": times are Eastern Time)."""


def day_of(moment: datetime) -> date:
    """The broker's day that a time is in."""
    return moment.astimezone(BROKER_ZONE).date()
