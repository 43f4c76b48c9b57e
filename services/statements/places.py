"""Where the token may be sent: to IBKR over TLS, and to the address that was configured. Nowhere else."""

from typing import Final

import httpx

from core.errors import SettingsError
from core.settings import PREFIX

_IBKR: Final = "interactivebrokers.com"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final = {"https": 443, "http": 80}


class Places:
    """Judges addresses by the one that was configured, as the client itself reads them.

    Raises:
        SettingsError: the configured one is no address, or would send the token in clear over a network.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        base = address(self.base_url)
        if base is None:
            raise SettingsError(f"{PREFIX}FLEX_URL is not an address that can be read.")
        self.is_loopback = base.host in _LOOPBACK
        if base.scheme != "https" and not self.is_loopback:
            raise SettingsError(
                f"{PREFIX}FLEX_URL must start with https://: the token would travel in clear otherwise "
                "(http:// is for this machine itself only)."
            )
        self._origin = _origin(base)

    def may_have_token(self, url: httpx.URL) -> bool:
        """Whether a request with the token may go there."""
        if url.scheme not in _PORTS or url.userinfo:
            return False
        origin = _origin(url)
        if origin == self._origin:
            return True
        ours = url.host == _IBKR or url.host.endswith(f".{_IBKR}")
        return ours and origin == ("https", url.host, _PORTS["https"])


def address(url: str) -> httpx.URL | None:
    """An absolute address of the web; ``None`` for anything else."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return parsed if parsed.scheme in _PORTS and parsed.host else None


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]
