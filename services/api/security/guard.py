"""The gate before every route: host, site, identity, headers; and the last net under every failure."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import logs
from services.api import metrics
from services.api.exchange import exchange_of
from services.api.problems import ProblemError, problem_of
from services.api.security import audit
from services.api.security.auth import is_secure
from services.api.security.identity import Identity
from services.api.security.origin import SAFE_METHODS, check_query, check_site
from services.api.security.permissions import PUBLIC
from services.api.security.throttle import network_of

if TYPE_CHECKING:
    from services.api.context import Context

log = logs.get_logger(__name__)

API_PREFIX = "/api/"
NEEDS_TOKEN = frozenset({"/api", "/metrics", "/openapi.json", "/asyncapi.json"})

_API_POLICY = (
    b"default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"content-security-policy", _API_POLICY),
)
_ONLY_BY_TLS = (b"strict-transport-security", b"max-age=31536000")
_API_HEADERS = (
    *_HEADERS,
    (b"cache-control", b"no-store"),
    (b"vary", b"Cookie, Authorization"),
)


def client_address(scope: Scope) -> str:
    """The peer's address; what one of our own proxies says it is. Of others no such word is believed."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def needs_identity(method: str, path: str) -> bool:
    """Everything but the page, and what is public.

    What a new route forgets to ask for is asked for here.
    """
    if f"{method} {path}" in PUBLIC:
        return False
    return is_limited(path)


def is_limited(path: str) -> bool:
    """Whether requests for it are counted: all but the page, ``/livez`` and ``/readyz``."""
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
        elapsed_ms = logs.stopwatch()
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=scope)
        status = 0
        limits: dict[str, str] = {}

        async def sealed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _seal(message, path, limits, is_tls=is_secure(scope["scheme"]))
                await audit.note(context, scope, status)
            await send(message)

        try:
            context.hosts.check(headers)
            check_query(scope["query_string"])
            check_site(method, headers)
            if needs_identity(method, path):
                scope["identity"] = await _identity(context, scope, headers)
                limits = counted(context, scope["identity"])
            elif is_limited(path):
                limits = _counted_stranger(context, scope)
            await self._app(scope, receive, sealed)
        except Exception as error:
            problem = problem_of(error)
            if status:
                raise
            scope["problem"] = problem.code
            if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                metrics.REFUSED.labels(problem.code).inc()
            await problem.response()(scope, receive, sealed)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            metrics.REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
            took = elapsed_ms()
            if not exchange_of(scope).lasts:
                metrics.SECONDS.labels(route).observe(took / 1000)
            # Not its address: that may name an account.
            tell = log.debug if method in SAFE_METHODS else log.info
            tell("request_answered", method=method, route=route, status=int(status), duration_ms=took)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _identity(context: "Context", scope: Scope, headers: Headers) -> Identity:
    # What is remembered is some seconds old: enough to look by, not to leave something behind that stays.
    anew, secure = scope["method"] not in SAFE_METHODS, is_secure(scope["scheme"])
    try:
        return await context.auth.identify(headers, client_address(scope), secure=secure, anew=anew)
    except ProblemError as problem:
        if problem.status is HTTPStatus.UNAUTHORIZED:
            _counted_stranger(context, scope)
        raise


def counted(context: "Context", identity: Identity) -> dict[str, str]:
    """Count a request, or a message of a socket; what is left, as headers.

    Raises:
        ProblemError: 429.
    """
    # The owner's own programs are not held up: whoever has that token has the machine.
    left = None if identity.kind == "owner" else context.rates.take(identity.credential)
    return {} if left is None else context.rates.headers(left)


def _counted_stranger(context: "Context", scope: Scope) -> dict[str, str]:
    left = context.rates.take(network_of(client_address(scope)))
    return {} if left is None else context.rates.headers(left)


def _seal(message: Message, path: str, limits: dict[str, str], *, is_tls: bool) -> None:
    sealed = list(message.get("headers", ()))
    known = {name for name, _ in sealed}
    sealed.extend((name.encode(), value.encode()) for name, value in limits.items())
    wanted = _API_HEADERS if is_limited(path) else _HEADERS
    if is_tls:
        wanted = (*wanted, _ONLY_BY_TLS)
    sealed.extend(pair for pair in wanted if pair[0] not in known)
    message["headers"] = sealed
