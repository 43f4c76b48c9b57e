"""The gate before every route: host, site, identity, headers; and the last net under every failure."""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import metrics
from services.api.problems import ProblemError, problem_of
from services.api.security.origin import check_query, check_site

if TYPE_CHECKING:
    from services.api.context import Context

API_PREFIX = "/api/"
NEEDS_TOKEN = frozenset({"/api", "/metrics", "/openapi.json"})
SESSION_PATH = "/api/v1/session"

_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"content-security-policy", _API_POLICY),
)
_API_HEADERS = (
    *_HEADERS,
    (b"cache-control", b"no-store"),
    (b"vary", b"Cookie, Authorization"),
)


def client_address(scope: Scope) -> str:
    """The peer's address. Forwarded headers are not believed: anybody can send them."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def needs_identity(method: str, path: str) -> bool:
    """Everything but the page, ``/livez`` and ``/readyz``, and the exchange of a token for a session.

    What a new route forgets to ask for is asked for here.
    """
    if path == SESSION_PATH and method == "POST":
        return False
    return path.startswith(API_PREFIX) or path in NEEDS_TOKEN


class Guard:
    """ASGI middleware. WebSockets are checked for host and address here, and sign in by themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, and answer what fails."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: Context = scope["app"].state.context
        try:
            context.hosts.check(Headers(scope=scope))
            check_query(scope["query_string"])
        except ProblemError as problem:
            metrics.REFUSED.labels(problem.code).inc()
            # Nothing was accepted yet: the handshake itself is answered with the problem.
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: Context = scope["app"].state.context
        began = time.perf_counter()
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=scope)
        status = 0

        async def sealed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _seal(message, path)
            await send(message)

        try:
            context.hosts.check(headers)
            check_query(scope["query_string"])
            check_site(method, headers)
            if needs_identity(method, path):
                scope["identity"] = await context.auth.identify(headers, client_address(scope))
            await self._app(scope, receive, sealed)
        except Exception as error:
            problem = problem_of(error)
            if status:
                raise
            if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                metrics.REFUSED.labels(problem.code).inc()
            await problem.response()(scope, receive, sealed)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            metrics.REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
            metrics.SECONDS.labels(route).observe(time.perf_counter() - began)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _seal(message: Message, path: str) -> None:
    sealed = list(message.get("headers", ()))
    known = {name for name, _ in sealed}
    wanted = _API_HEADERS if path.startswith(API_PREFIX) else _HEADERS
    sealed.extend(pair for pair in wanted if pair[0] not in known)
    message["headers"] = sealed
