"""What a check comes to."""

from typing import Literal, NamedTuple

State = Literal["ok", "note", "warning", "error"]


class Finding(NamedTuple):
    """One thing that was looked at. ``todo`` is what to do about it; empty where there is nothing to do.

    An ``error`` keeps Lotkeeper from doing its work; with a ``warning`` it works, and not as well as it could
    or not for long; a ``note`` is something to know.
    """

    check: str
    state: State
    told: str
    todo: str = ""


def clock(whose: str, ahead_seconds: float, *, most_seconds: float, where: str = "") -> Finding:
    """How far another clock is ahead of this machine's; behind where that is negative."""
    direction = "ahead of" if ahead_seconds > 0 else "behind"
    told = f"{abs(ahead_seconds):.1f} s {direction} this machine's{where}"
    if abs(ahead_seconds) > most_seconds:
        return Finding(whose, "warning", told, "Let both machines keep their time by NTP.")
    return Finding(whose, "ok", told)
