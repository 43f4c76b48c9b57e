"""Where a request comes from: host names that are ours, and pages that are ours."""

import ipaddress
import socket
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers

from core.exposure import is_loopback
from core.settings import Settings
from services.api.problems import ProblemError
from services.api.security.tokens import TOKEN_PREFIX

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_NAMES = frozenset(
    (
        *("token", "access_token", "api_token", "setup_token", "flex_token", "api_key", "apikey"),
        *("auth", "authorization", "bearer", "password"),
    )
)


def host_name(value: str) -> str:
    """The name in a Host header, without its port and in lower case; empty when it is none."""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class HostList:
    """The exact names we answer to, so that a page elsewhere cannot point its own name at us (DNS rebinding).

    An instance that listens on a real interface also answers to its own name and to plain addresses: a
    rebinding page always has a name.
    """

    def __init__(self, settings: Settings) -> None:
        configured = settings.api_host.strip("[]").lower()
        self._exposed = not is_loopback(configured)
        self._names = LOOPBACK_NAMES | {configured, *settings.api_names}
        if self._exposed:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def check(self, headers: Headers) -> None:
        """Refuse a Host that is not ours.

        Raises:
            ProblemError: 421.
        """
        name = host_name(headers.get("host", ""))
        if name in self._names or (self._exposed and _is_address(name)):
            return
        raise ProblemError(
            HTTPStatus.MISDIRECTED_REQUEST,
            "host_not_allowed",
            "This server does not answer to that name. Use localhost, or one of those in LOTKEEPER_API_HOST "
            "and LOTKEEPER_API_NAMES.",
        )


def is_same_origin(headers: Headers) -> bool:
    """Whether the Origin header names the very host that was asked."""
    origin = headers.get("origin", "")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == headers.get("host", "").lower()


def check_site(method: str, headers: Headers) -> None:
    """Refuse what a page of another site makes a browser send.

    A request with neither header comes from no browser, and no page made it.

    Raises:
        ProblemError: 403.
    """
    if method in SAFE_METHODS or "authorization" in headers:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
    elif "origin" not in headers or is_same_origin(headers):
        return
    raise ProblemError(
        HTTPStatus.FORBIDDEN, "cross_site", "This was sent by a page of another site, and was not followed."
    )


def check_query(query: bytes) -> None:
    """Refuse a token in the address: addresses end up in logs and histories.

    Raises:
        ProblemError: 400.
    """
    if not query:
        return
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.lower() in _TOKEN_NAMES or value.startswith(TOKEN_PREFIX):
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                "token_in_url",
                "Send the token in the Authorization header. The one in this address should be replaced.",
            )
