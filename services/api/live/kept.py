"""How much of the frames stream is worth keeping: so many entries, and so many bytes."""

from collections import deque
from collections.abc import Sequence


class Kept:
    """How large each entry is that this replica has read or added, the newest last."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def add(self, payloads: Sequence[bytes], most_entries: int) -> int:
        """Count in what comes last. Returns how many of the newest are to stay: these in any case."""
        sizes = [len(payload) for payload in payloads]
        self._sizes.extend(sizes)
        self._bytes += sum(sizes)
        while len(self._sizes) > len(sizes) and (
            len(self._sizes) > most_entries or self._bytes > self._most_bytes
        ):
            self._bytes -= self._sizes.popleft()
        return len(self._sizes)

    def forget(self) -> None:
        """Whatever came before is worth nothing to anybody."""
        self._sizes.clear()
        self._bytes = 0
