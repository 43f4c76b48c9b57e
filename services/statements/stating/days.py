"""Days of the broker: Flex means those of Eastern Time."""

from datetime import date, datetime, time
from typing import Final

from core.domain.days import day_of, moment_of
from services.statements.values import Moment

EXERCISED: Final = time(16, 20)
"""When IBKR books exercises, assignments and expirations."""

REORGANIZED: Final = time(20, 25)
"""When IBKR books corporate actions: after the day's trades."""

ARRIVED: Final = time()
LEFT: Final = time(20, 29)
"""What comes on a day can be sold on it; what leaves may have been bought on it."""


def start_of(day: date) -> datetime:
    """When a day begins."""
    return moment_of(day, ARRIVED)


def when(moment: Moment | None, day: date | None, clock: time) -> datetime | None:
    """The time that is stated, or ``clock`` on the day that is; ``None`` where neither is."""
    if moment is not None:
        return moment.at if moment.timed else moment_of(day_of(moment.at), clock)
    return None if day is None else moment_of(day, clock)
