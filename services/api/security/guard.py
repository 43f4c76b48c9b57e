"""The gate before every route: host, site, identity, headers; and the last net under every failure."""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import metrics
from services.api.problems import ProblemError, problem_of
from services.api.security.origin import check_query, check_site

if TYPE_CHECKING:
    from services.api.context import Context

API_PREFIX = "/api/"
NEEDS_TOKEN = frozenset({"/api", "/metrics", "/openapi.json"})
SESSION_PATH = "/api/v1/session"

_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


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
                _seal(MutableHeaders(scope=message), path)
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


def _seal(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("content-security-policy", _API_POLICY)
    if path.startswith(API_PREFIX):
        headers.setdefault("cache-control", "no-store")
        headers.add_vary_header("Cookie, Authorization")
