from collections import OrderedDict, deque
from collections.abc import Callable

ATTEMPTS = 10
WINDOW_SECONDS = 60.0
_ADDRESSES = 10_000


class Throttle:
    """At most so many wrong tokens a minute from one address; then none is looked at until it is over."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        attempts: int = ATTEMPTS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._now = monotonic
        self._attempts = attempts
        self._window = window_seconds
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long the address must wait; 0 when it may try."""
        wrong = self._wrong.get(address)
        if wrong is None:
            return 0
        horizon = self._now() - self._window
        while wrong and wrong[0] <= horizon:
            wrong.popleft()
        if not wrong:
            del self._wrong[address]
        if len(wrong) < self._attempts:
            return 0
        return int(wrong[0] - horizon) + 1

    def note_wrong(self, address: str) -> None:
        """Count a wrong token."""
        self._wrong.setdefault(address, deque(maxlen=self._attempts)).append(self._now())
        self._wrong.move_to_end(address)
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)
