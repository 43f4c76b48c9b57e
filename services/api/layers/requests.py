"""The outermost layer: a name for each request, and the format that its address ends in."""

import re
import uuid
from typing import Final, cast, get_args

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.exchange import Exchange, Format

REQUEST_ID: Final = "x-request-id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_LISTS: Final = "/api/v1/"
_SECRETIVE: Final = ("/api/v1/session", "/api/v1/setup", "/api/v1/tokens")
"""Where answers show secrets, whether or not their routes say so (``show_once``)."""

_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


def _told_id(headers: Headers) -> str | None:
    told = headers.get(REQUEST_ID, "")
    # What is no id of that form could forge lines of a log.
    return told if _WELL_FORMED.fullmatch(told) else None


def _cut_format(scope: Scope) -> Format | None:
    """Take ``.csv`` and the like off the address: what guards an address guards it in every format."""
    path, dot, suffix = scope["path"].rpartition(".")
    # What is changed may be called so itself: a user's name may have a dot.
    if (
        scope["method"] not in {"GET", "HEAD"}
        or not dot
        or suffix not in get_args(Format)
        or not path.startswith(_LISTS)
        or path.endswith("/")
    ):
        return None
    scope["path"] = path
    scope["raw_path"] = path.encode()
    return cast("Format", suffix)


class Requests:
    """ASGI middleware. The id is the client's own (``X-Request-Id``) where it is one, else one of ours.

    It stands on every answer and in every problem document. Every line that is logged meanwhile has ours as
    ``correlation_id``, which is that of the job as well which the request begins, whichever process does it;
    the client's own stands beside it, for a client may send the same again and again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name it, pass it on, and put the name on the answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        told, job_id = _told_id(Headers(scope=scope)), uuid.uuid4()
        ours = str(job_id)
        request_id = told or ours
        scope["exchange"] = exchange = Exchange(request_id=request_id, job_id=job_id)
        if scope["type"] == "http":
            exchange.format = _cut_format(scope)
            exchange.secret = scope["path"].startswith(_SECRETIVE)
        named = (REQUEST_ID.encode(), request_id.encode())

        async def sign(message: Message) -> None:
            if message["type"] in _STARTS:
                message["headers"] = [*message.get("headers", ()), named]
            await send(message)

        names = {"correlation_id": ours} if told is None else {"correlation_id": ours, "request_id": told}
        with structlog.contextvars.bound_contextvars(**names):
            await self._app(scope, receive, sign)
