"""How long to wait before the next attempt to connect."""

import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0

QUICK_MOST_SECONDS = 2.0
QUICK_FOR_SECONDS = 300.0
"""A gateway that restarts is back within minutes, and an address that refuses is cheap to ask."""

_SLOW_REASONS = frozenset({"client_id_in_use", "needs_login"})
"""Someone has to act; each attempt is a line in the gateway's log and may be a dialog on its screen."""


def backoff_seconds(attempt: int, down_seconds: float, reason: str, rng: random.Random) -> float:
    """Full jitter below a limit that doubles with each failed ``attempt`` (the first is 0).

    The limit is 2 s for the first minutes of an outage and 30 s after that, or where a person has to act.
    """
    slow = reason in _SLOW_REASONS or down_seconds > QUICK_FOR_SECONDS
    limit = min(FIRST_SECONDS * 2 ** min(attempt, 16), MOST_SECONDS if slow else QUICK_MOST_SECONDS)
    return rng.uniform(0, limit)
