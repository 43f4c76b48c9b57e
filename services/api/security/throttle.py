"""How often secrets may be guessed from one address at this process, before anything is looked up.

Passwords and codes are besides counted by all processes together (``models.stores.sign_in_tries``).
"""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

ATTEMPTS = 10
WINDOW_SECONDS = 60.0
_ENTRIES = 10_000
_IPV6_NETWORK = 64

K = TypeVar("K")
V = TypeVar("V")


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What is one party: an IPv4 address, or the network that an IPv6 address can be chosen from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))


class Throttle:
    """At most so many wrong secrets a minute from one address; then none is looked at until it is over."""

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
        wrong = self._wrong.get(network_of(address))
        if wrong is None:
            return 0
        horizon = self._now() - self._window
        while wrong and wrong[0] <= horizon:
            wrong.popleft()
        if not wrong:
            del self._wrong[network_of(address)]
        if len(wrong) < self._attempts:
            return 0
        return int(wrong[0] - horizon) + 1

    def note_wrong(self, address: str) -> None:
        """Count a wrong secret."""
        key = network_of(address)
        wrong = self._wrong.get(key) or deque(maxlen=self._attempts)
        wrong.append(self._now())
        _keep(self._wrong, key, wrong)

    def take_back(self, address: str) -> None:
        """The one counted last was right after all."""
        wrong = self._wrong.get(network_of(address))
        if wrong:
            wrong.pop()


def _keep(entries: OrderedDict[K, V], key: K, value: V) -> None:
    """Strangers choose the keys: those of longest ago make room."""
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > _ENTRIES:
        entries.popitem(last=False)
