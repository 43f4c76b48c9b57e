"""How long to wait before the next attempt to connect."""

import random

from core.clock import Clock

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0

QUICK_MOST_SECONDS = 2.0
QUICK_FOR_SECONDS = 300.0
"""A gateway that restarts is back within minutes."""

_CHEAP_REASONS = frozenset({"gateway_unreachable"})
"""Nobody listens there: it costs nobody anything to ask every second or so, for as long as it takes."""

STABLE_SECONDS = 30.0
"""A connection that lasted so long was a good one."""

CALM_FIRST_SECONDS = 4.0

_SLOW_REASONS = frozenset({"client_id_in_use"})
_CALM_REASONS = frozenset({"needs_login"})
"""Someone has to act; each attempt is a line in the gateway's log and may be a dialog on its screen."""


def backoff_seconds(
    attempt: int, down_seconds: float, reason: str, rng: random.Random, *, took_over: bool = False
) -> float:
    """Full jitter below a limit that doubles with each failed ``attempt`` (the first is 0).

    The limit is 2 s for the first minutes of an outage, and for as long as nobody listens there. It is 30 s
    where what listens does not serve for longer, or where a person has to act. One who has to log in takes
    longer than a few seconds: there the wait is never less than half its limit. After ``took_over`` nobody
    has to: the client id is that of the link which was replaced, and is free as soon as the gateway notices
    that nobody is there.
    """
    if reason in _CALM_REASONS:
        limit = min(CALM_FIRST_SECONDS * 2 ** min(attempt, 16), MOST_SECONDS)
        return rng.uniform(limit / 2, limit)
    is_long = down_seconds > QUICK_FOR_SECONDS and reason not in _CHEAP_REASONS
    slow = (reason in _SLOW_REASONS and not took_over) or is_long
    limit = min(FIRST_SECONDS * 2 ** min(attempt, 16), MOST_SECONDS if slow else QUICK_MOST_SECONDS)
    return rng.uniform(0, limit)


class Patience:
    """How long to wait after each attempt of one outage, and after connections that do not last."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._attempt = 0
        self._down_since = clock()

    def after_failure(self, reason: str, *, took_over: bool = False) -> float:
        """Seconds to wait after an attempt that made no connection."""
        down_seconds = (self._clock() - self._down_since).total_seconds()
        seconds = backoff_seconds(self._attempt, down_seconds, reason, self._rng, took_over=took_over)
        self._attempt += 1
        return seconds

    def after_connection(self, served_seconds: float, reason: str) -> float:
        """Seconds to wait after a connection that ended: none, unless those before it did not last either."""
        self._down_since = self._clock()
        self._attempt = 1 if served_seconds >= STABLE_SECONDS else self._attempt + 1
        if self._attempt == 1 and reason not in _CALM_REASONS:
            return 0.0
        return backoff_seconds(max(self._attempt - 2, 0), 0.0, reason, self._rng)

    def begin_anew(self) -> float:
        """What ended was no fault of the gateway's: it can be asked at once, and what was counted is void."""
        self._attempt, self._down_since = 0, self._clock()
        return 0.0
