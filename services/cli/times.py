"""Times as a person writes them on the command line: one spelling, and one meaning, for all commands."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from core.domain.days import moment_of
from core.errors import LotkeeperError

SPELLED: Final = "a day as 2026-01-31, or a time with its zone as 2026-01-31T16:00Z"
_A_DAY: Final = timedelta(days=1)


class WrongTimeError(LotkeeperError):
    """What was given for a time is none, or not one that can be meant."""

    code = "time_invalid"
    exit_code = 2


def start_at(spelled: str, option: str) -> datetime:
    """From when on is asked: a moment, or the start of a day of the broker's (midnight in New York).

    Raises:
        WrongTimeError: it is neither.
    """
    return _moment(spelled, option, days=timedelta())


def end_at(spelled: str, option: str) -> datetime:
    """Until when is asked, or as of when: a moment, or the end of a day of the broker's.

    Raises:
        WrongTimeError: it is neither.

    >>> end_at("2026-11-20", "--to").isoformat()
    '2026-11-21T05:00:00+00:00'
    """
    return _moment(spelled, option, days=_A_DAY)


def _moment(spelled: str, option: str, *, days: timedelta) -> datetime:
    try:
        try:
            return moment_of(date.fromisoformat(spelled) + days, time())
        except ValueError:
            moment = datetime.fromisoformat(spelled)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongTimeError(f"{option}: {spelled!r} is no time. Write {SPELLED}.") from None
    raise WrongTimeError(f"{option}: {spelled!r} has no zone. Write {SPELLED}.")
