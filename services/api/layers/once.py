"""Idempotency-Key: a POST that is sent again has the answer of the first one, and no second effect.

Whoever begins takes the key on in the database, under an id for the job that the request may begin. Before a
route has its whole body, what the request is stands there; before the client has its answer, the answer does.
A process that dies in between leaves a key that nobody is heard at any more: the next attempt takes it over
with the same id for its job, and finds the job there if the first one had come so far.
"""

import asyncio
import hashlib
import hmac
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from core import logs
from models.stores.idempotency import (
    Claim,
    KeptAnswer,
    RequestKey,
    claim,
    forget,
    keep_alive,
    keep_answer,
    let_go,
    note_fingerprint,
)
from services.api.bodies import SECONDS, stalled
from services.api.context import Context
from services.api.exchange import Exchange, exchange_of
from services.api.live.load import DATABASE_AWAY
from services.api.problems import ProblemError
from services.api.security.identity import Identity

log = logs.get_logger(__name__)

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotency-replayed"
BEAT_SECONDS: Final = 10.0
"""How often who is at a long request says so."""

MOST_READ_FIRST: Final = 1 << 16
"""A body up to this size is read before the route is asked; of a larger one it is known after it has come."""

MOST_KEPT: Final = 1 << 18
STALLED_SECONDS: Final = 60.0
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


def owner_of(identity: Identity) -> str:
    """Whose key it is, by whatever session they come: two people may choose the same one."""
    who = f"{identity.kind} {identity.user_id or ''} {identity.token_id or ''}"
    return hashlib.sha256(who.encode()).hexdigest()


class _Body:
    """The body of a request, and what the request is.

    The fingerprint tells nothing of it to who does not know the key: there may be a password in it.
    """

    def __init__(self, scope: Scope, receive: Receive, key: str) -> None:
        self._receive = receive
        self._digest = hmac.new(key.encode(), digestmod=hashlib.sha256)
        for part in (scope["method"].encode(), scope["path"].encode(), scope["query_string"]):
            self._digest.update(b"%d:%b" % (len(part), part))
        self._read: list[Message] = []
        self.fingerprint: str | None = None

    async def next(self) -> Message:
        """The next message of the server's."""
        if self._read:
            return self._read.pop(0)
        message = await self._receive()
        if message["type"] == "http.request" and self.fingerprint is None:
            self._digest.update(message.get("body", b""))
            if not message.get("more_body", False):
                self.fingerprint = self._digest.hexdigest()
        return message

    async def read(self) -> None:
        """Read it, and have it ready for the route.

        Raises:
            ProblemError: 422; it does not come.
        """
        read = []
        try:
            async with asyncio.timeout(SECONDS):
                while self.fingerprint is None:
                    message = await self.next()
                    read.append(message)
                    if message["type"] == "http.disconnect":
                        break
        except TimeoutError:
            raise stalled() from None
        self._read = read

    async def drain(self) -> None:
        """Read it for what it is, and keep nothing of it."""
        while self.fingerprint is None:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    message = await self.next()
            except TimeoutError:
                raise _in_progress("The request came only in part.") from None
            if message["type"] == "http.disconnect":
                return


class _Answer:
    """The answer of a route, held until it is kept."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def headers(self) -> Headers:
        return Headers(raw=self.messages[0]["headers"])


class Once:
    """ASGI middleware for whatever is posted with a key by somebody who was let in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has no key."""
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        if key is None or scope["method"] != "POST" or scope.get("identity") is None:
            await self._app(scope, receive, send)
            return
        if _KEY.fullmatch(key) is None:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "validation_failed",
                "header.Idempotency-Key: use 1 to 255 visible ASCII characters, such as a UUID.",
            )
        context: Context = scope["app"].state.context
        exchange, body = exchange_of(scope), _Body(scope, receive, key)
        if _is_small(Headers(scope=scope)):
            await body.read()
        named = RequestKey(owner_of(scope["identity"]), hashlib.sha256(key.encode()).hexdigest())
        async with context.database.write() as writer:
            held = await claim(
                writer,
                named,
                attempt=uuid.uuid4(),
                job_id=exchange.job_id,
                fingerprint=body.fingerprint,
                now=context.clock(),
            )
        if isinstance(held, KeptAnswer):
            await _again(held, body, send)
            return
        if held.job_id != exchange.job_id:
            exchange.job_id = held.job_id
            # Of what an attempt began that died everything is told under one id.
            bind_contextvars(correlation_id=str(held.job_id), request_id=exchange.request_id)
        answer = await self._first(scope, body, context, held)
        await _keep(context, held, body, answer, exchange)
        for message in answer.messages:
            await send(message)

    async def _first(self, scope: Scope, body: _Body, context: Context, held: Claim) -> _Answer:
        """Have the route do it."""
        answer, noted = _Answer(), body.fingerprint

        async def give() -> Message:
            nonlocal noted
            message = await body.next()
            if noted is None and body.fingerprint is not None:
                # An attempt that died may have been another request.
                if held.fingerprint not in {None, body.fingerprint}:
                    raise _reused()
                noted = body.fingerprint
                async with context.database.write() as writer:
                    await note_fingerprint(writer, held, noted)
            return message

        try:
            async with _being_heard(context, held):
                await self._app(scope, give, answer.take)
        except BaseException:
            with suppress(*DATABASE_AWAY):
                async with context.database.write() as writer:
                    await let_go(writer, held, context.clock())
            raise
        return answer


def _is_small(headers: Headers) -> bool:
    length = headers.get("content-length")
    if length is None:
        return "transfer-encoding" not in headers
    return (
        length.isdecimal() and len(length) < len(str(MOST_READ_FIRST)) + 1 and int(length) <= MOST_READ_FIRST
    )


@asynccontextmanager
async def _being_heard(context: Context, held: Claim) -> AsyncIterator[None]:
    async def say_so() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(*DATABASE_AWAY):
                async with context.database.write() as writer:
                    await keep_alive(writer, held, context.clock())

    saying = asyncio.create_task(say_so(), name="api-idempotency-heard")
    try:
        yield
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying


async def _keep(context: Context, held: Claim, body: _Body, answer: _Answer, exchange: Exchange) -> None:
    """Keep an answer that tells of something begun; of what was refused nothing was begun."""
    begun = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    if begun and body.fingerprint is None:
        # The route did it without reading all of the body: then nobody can tell whether another is the same.
        begun = False
    shown = answer.body
    secret = exchange.secret or len(shown) > MOST_KEPT or (begun and "set-cookie" in answer.headers)
    try:
        async with context.database.write() as writer:
            if begun:
                media_type = answer.headers.get("content-type")
                kept = None if secret else shown
                await keep_answer(writer, held, status=answer.status, media_type=media_type, body=kept)
            elif held.fingerprint in {None, body.fingerprint}:
                await forget(writer, held)
            else:
                await let_go(writer, held, context.clock())
    except DATABASE_AWAY as error:
        # It was done, and that is what the client wants to know; asked again, its job is found by its id.
        log.warning("answer_not_kept", reason=error.__class__.__name__)


async def _again(kept: KeptAnswer, body: _Body, send: Send) -> None:
    """Answer a key that is taken."""
    if kept.status is None:
        if kept.fingerprint is not None and body.fingerprint not in {None, kept.fingerprint}:
            raise _reused()
        raise _in_progress("The first request with this Idempotency-Key is not finished; ask again.")
    await body.drain()
    if body.fingerprint != kept.fingerprint:
        raise _reused()
    if kept.body is None:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "answer_not_kept",
            "This was done already, and its answer showed what is shown only once.",
        )
    headers = [(REPLAYED.encode(), b"true"), (b"cache-control", b"no-store")]
    if kept.media_type is not None:
        headers.append((b"content-type", kept.media_type.encode()))
    headers.append((b"content-length", str(len(kept.body)).encode()))
    start: dict[str, Any] = {"type": "http.response.start", "status": kept.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})


def _in_progress(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "request_in_progress", detail, headers={"retry-after": "2"})


def _reused() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request. Use a new key for each thing that you ask for.",
    )
