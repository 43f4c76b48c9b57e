"""How many requests somebody may send: so many a minute, and some of them at once."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from typing import NamedTuple

from services.api.problems import ProblemError

_ENTRIES = 20_000
_MINUTE = 60.0


class Left(NamedTuple):
    """What somebody has left."""

    requests: int
    seconds: int
    """Until all of it is there again."""


class Rates:
    """A bucket for each party, that fills up steadily (GCRA): one number is kept of each."""

    def __init__(
        self, per_minute: int, burst: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = _MINUTE / per_minute if per_minute else 0.0
        self._burst = burst
        self._now = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self.policy = f'"requests";q={burst};w={ceil(burst * self._interval)}'

    def take(self, party: str) -> Left | None:
        """Count a request; ``None`` where none are counted.

        Raises:
            ProblemError: 429; there were too many.
        """
        if not self._interval:
            return None
        now = self._now()
        full_at = max(self._full_at.get(party, now), now) + self._interval
        over = full_at - now - self._burst * self._interval
        if over > 1e-9:  # noqa: PLR2004 - what floats lose
            raise self._too_many(ceil(over), ceil(self._full_at[party] - now))
        self._full_at[party] = full_at
        self._full_at.move_to_end(party)
        while len(self._full_at) > _ENTRIES:
            self._full_at.popitem(last=False)
        waits = full_at - now
        return Left(int(self._burst - waits / self._interval + 1e-9), ceil(waits))

    def headers(self, left: Left) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers spells it."""
        return {
            "ratelimit-policy": self.policy,
            "ratelimit": f'"requests";r={left.requests};t={left.seconds}',
        }

    def _too_many(self, wait: int, full: int) -> ProblemError:
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_requests",
            f"Too many requests. Try again in {wait} seconds.",
            headers={"retry-after": str(wait), **self.headers(Left(0, full))},
        )
