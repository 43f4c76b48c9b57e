"""ETag and If-None-Match: who has an answer already is told so, and not sent it again."""

import hashlib
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.freshness_headers import freshness_headers, without_moving_parts

_API: Final = "/api/"
_LIVE: Final = frozenset(
    {
        "/api/v1/accounts",
        "/api/v1/accounts/{account}",
        "/api/v1/accounts/{account}/summary",
        "/api/v1/positions",
        "/api/v1/positions/{position_id}",
        "/api/v1/session",
        "/api/v1/sync",
    }
)
"""What moves all the time anyway, and is answered from memory: naming it would cost more than sending it."""

_OF_THE_PAST: Final = (b"as_of=", b"known_at=")


def etag_of(body: bytes) -> str:
    """The name of an answer's content. A weak one: two with the same may differ in the freshness's times."""
    return f'W/"{hashlib.blake2b(without_moving_parts(body), digest_size=16).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names this content. The comparison is weak (RFC 9110, 13.1.2)."""
    opaque = etag.removeprefix("W/")
    told = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return opaque in told or told == ["*"]


class ETags:
    """ASGI middleware for GET of the API: whatever is JSON, but for what is live."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the answer, and leave its body out where it is known."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_API):
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def name(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and _has_content(scope, message):
                held = message
            elif held is None:
                await send(message)
            else:
                start, held = held, None
                if message.get("more_body", False):  # it streams
                    await send(start)
                    await send(message)
                    return
                await _answer(scope, start, message, send)

        await self._app(scope, receive, name)


def _has_content(scope: Scope, start: Message) -> bool:
    route = getattr(scope.get("route"), "path", None)
    return (
        start["status"] == HTTPStatus.OK
        and (route not in _LIVE or any(name in scope["query_string"] for name in _OF_THE_PAST))
        and Headers(raw=start["headers"]).get("content-type") == "application/json"
    )


async def _answer(scope: Scope, start: Message, message: Message, send: Send) -> None:
    body = message.get("body", b"")
    etag = etag_of(body)
    about = [(b"etag", etag.encode()), *freshness_headers(body)]
    if matches(Headers(scope=scope).get("if-none-match", ""), etag):
        kept = [pair for pair in start["headers"] if pair[0] not in {b"content-length", b"content-type"}]
        await send({**start, "status": HTTPStatus.NOT_MODIFIED.value, "headers": [*kept, *about]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await send({**start, "headers": [*start["headers"], *about]})
    await send(message)
