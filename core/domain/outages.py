"""When the broker's data came and when it did not, as bars of which each shows the worst of its time."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

HistoryRange = Literal["24h", "7d", "90d"]
BarStatus = Literal["ok", "interrupted", "missing", "unknown"]

STEPS: Final[Mapping[HistoryRange, tuple[timedelta, int]]] = {
    "24h": (timedelta(hours=1), 24),
    "7d": (timedelta(hours=2), 84),
    "90d": (timedelta(days=1), 90),
}
"""How long each bar is, and how many there are."""

_NEW_YORK: Final = ZoneInfo("America/New_York")
_SUNDAY: Final = 6
_RELOGIN: Final = time(1)
"""After this on Sundays IBKR takes no earlier login. Source: IBKR's notes on the gateway's daily restart."""


class Missing(NamedTuple):
    """Full hours of which nothing is kept, ``first`` to ``last``, for one reason."""

    first: datetime
    last: datetime
    reason: str


class Bar(NamedTuple):
    """A part of the time: its worst status, and why it is that."""

    start: datetime
    end: datetime
    status: BarStatus
    reasons: tuple[str, ...]


def bars(
    chosen: HistoryRange,
    until: datetime,
    first: datetime | None,
    missing: Iterable[Missing],
    interrupted: Mapping[int, Iterable[str]],
) -> list[Bar]:
    """The bars of a range that ends at ``until``, the oldest first.

    ``first`` is the first hour of which anything is kept; what ends before is unknown. ``interrupted``
    has reasons by the number of the bar in which the link was away.
    """
    step, many = STEPS[chosen]
    start = until - step * many
    holes = sorted(missing)
    found = []
    for number in range(many):
        begins, ends = start + step * number, start + step * (number + 1)
        why = [one.reason for one in holes if one.first < ends and one.last + timedelta(hours=1) > begins]
        cuts = list(interrupted.get(number, ()))
        if first is None or ends <= first:
            status: BarStatus = "unknown"
        elif why:
            status = "missing"
        else:
            status = "interrupted" if cuts else "ok"
        found.append(Bar(begins, ends, status, tuple(dict.fromkeys([*why, *cuts]))))
    return found


def next_relogin(now: datetime) -> datetime:
    """When the gateway's login ends next: on Sunday in New York, once a week."""
    here = now.astimezone(_NEW_YORK)
    day = here.date() + timedelta(days=(_SUNDAY - here.weekday()) % 7)
    moment = datetime.combine(day, _RELOGIN, _NEW_YORK)
    if moment <= here:
        moment = datetime.combine(day + timedelta(days=7), _RELOGIN, _NEW_YORK)
    return moment.astimezone(now.tzinfo)
