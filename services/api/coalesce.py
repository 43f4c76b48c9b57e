"""The same question asked many times at once is answered once."""

import asyncio
from collections.abc import Hashable, Iterator
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import metrics
from services.api.exchange import exchange_of
from services.api.problems import MEDIA_TYPE
from services.api.schemas.common import encode

MOST_BYTES: Final = 4_000_000
"""Longer answers are not kept for others: each of those asks by itself."""

_SHARED_UNDER: Final = ("/api/v1/", "/metrics", "/readyz")
_TELLING: Final = ("accept", "last-event-id")
"""Headers by which the answers of routes to one address differ; by others the layers around them decide."""


class _Answer:
    """An answer on its way to whoever asked first, and kept until it is whole for those who asked after."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.whole: asyncio.Future[tuple[Message, ...] | None] = asyncio.get_running_loop().create_future()
        self._messages: list[Message] = []
        self._bytes = 0

    def take(self, message: Message) -> None:
        """Keep a message, unless this is an answer that cannot be shared."""
        if self.whole.done():
            return
        self._messages.append(message)
        if message["type"] == "http.response.start":
            # A length is known of what is made in one piece. Nobody knows when a stream will end.
            if not any(name == b"content-length" for name, _ in message.get("headers", ())):
                self.whole.set_result(None)
            return
        self._bytes += len(message.get("body", b""))
        if self._bytes > MOST_BYTES:
            self.whole.set_result(None)
        elif not message.get("more_body", False):
            self.whole.set_result(tuple(self._messages))

    def end(self) -> None:
        """Nothing more will come."""
        if not self.whole.done():
            self.whole.set_result(None)
        self._messages = []


def _told_to(scope: Scope, messages: tuple[Message, ...]) -> Iterator[Message]:
    """The answer for another request. A problem names the request that it is told of."""
    start, *bodies = messages
    headers = start["headers"]
    if Headers(raw=headers).get("content-type") == MEDIA_TYPE:
        told = msgspec.json.decode(b"".join(message.get("body", b"") for message in bodies))
        body = encode({**told, "request_id": exchange_of(scope).request_id})
        headers = [pair for pair in headers if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        bodies = [{"type": "http.response.body", "body": body}]
    # Copies: whoever passes them on adds headers of its own.
    yield {**start, "headers": [*headers]}
    yield from (dict(message) for message in bodies)


class Coalesce:
    """ASGI middleware, the innermost: only who is the same to the guard gets the same answer.

    That is who shows the same credential, and may still do and see the same. What is shared is what the route
    says: names, packing and files are made of it for each by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: dict[Hashable, _Answer] = {}
        self._writes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or wait for the answer that is under way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] != "GET" or not scope["path"].startswith(_SHARED_UNDER):
            try:
                await self._app(scope, receive, send)
            finally:
                # Whoever changed something must not be answered from before it.
                self._writes += scope["method"] not in {"GET", "HEAD", "OPTIONS"}
        else:
            await self._get(scope, receive, send)

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        under_way = self._under_way.get(key)
        if under_way is not None:
            messages = await asyncio.shield(under_way.whole)
            if messages is not None:
                metrics.COALESCED.inc()
                scope["route"] = under_way.scope.get("route")
                for message in _told_to(scope, messages):
                    await send(message)
                return
            await self._app(scope, receive, send)
            return
        answer = self._under_way[key] = _Answer(scope)

        async def kept(message: Message) -> None:
            answer.take(dict(message))
            if answer.whole.done():
                self._forget(key, answer)
            await send(message)

        try:
            await self._app(scope, receive, kept)
        finally:
            answer.end()
            self._forget(key, answer)

    def _forget(self, key: Hashable, answer: _Answer) -> None:
        if self._under_way.get(key) is answer:
            del self._under_way[key]

    def _key(self, scope: Scope) -> Hashable:
        headers = Headers(scope=scope)
        return (
            self._writes,
            scope.get("identity"),
            scope["path"],
            scope["query_string"],
            *(headers.get(name) for name in _TELLING),
        )
