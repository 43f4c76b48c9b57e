"""Days of the broker, by which it states what has no time."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

BROKER_ZONE: Final = ZoneInfo("America/New_York")
"""The zone of IBKR's days, and of times that name none (IBKR, "Flex Queries": times are Eastern Time)."""

EARLIEST: Final = datetime(1, 2, 1, tzinfo=UTC)
"""Some weeks before it are dates still. There is nothing to be known of such times."""

TRADED: Final = time(20)
"""From then on what is traded is the next day's: overnight trading in shares begins (IBKR, "Overnight Trading
Hours")."""

HELD: Final = time(20, 30)
HELD_OF_FUTURES: Final = time(17, 30)
"""When that was held which is stated for the end of a day: of shares after what is booked at 20:25. What is
traded in futures later is the next day's; that begins at 18:00."""

FUTURES: Final = frozenset({"FUT", "FOP"})


def day_of(moment: datetime) -> date:
    """The broker's day that a time is in."""
    return moment.astimezone(BROKER_ZONE).date()


def moment_of(day: date, clock: time) -> datetime:
    """A time of a day, in UTC."""
    return datetime.combine(day, clock, BROKER_ZONE).astimezone(UTC)


def end_of(day: date) -> datetime:
    """When a day ended: the midnight after it."""
    return moment_of(day + timedelta(days=1), time()) if day < date.max else datetime.max.replace(tzinfo=UTC)


def held_at(day: date, sec_type: str) -> datetime:
    """When that was held which is stated for the end of a day: after its trades and what is booked then."""
    return moment_of(day, HELD_OF_FUTURES if sec_type in FUTURES else HELD)


class TradingDays(NamedTuple):
    """Which of the broker's days the trades of a book count to.

    ``told`` are those days by the id without the revision, where statements say another one than the time
    does; of the others those are the next day's that are made once the day ``ends``.
    """

    ends: time = TRADED
    told: Mapping[str, date] = {}

    def day_of(self, base_id: str, executed_at: datetime) -> date:
        """The day that a trade counts to."""
        told = self.told.get(base_id)
        if told is not None:
            return told
        local = executed_at.astimezone(BROKER_ZONE)
        return local.date() + timedelta(days=local.time() >= self.ends)


def trading_days(sec_type: str, told: Mapping[str, date]) -> TradingDays:
    """Those of an instrument."""
    return TradingDays(HELD_OF_FUTURES if sec_type in FUTURES else TRADED, told)
