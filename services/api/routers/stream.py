"""The WebSocket: sign in, subscribe, be told."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from core import logs
from services.api import failures, metrics
from services.api.bodies import NOT_READABLE
from services.api.context import Context
from services.api.live.admission import admitted, greet
from services.api.live.client import AtOnce, Client
from services.api.live.load import DATABASE_AWAY
from services.api.problems import ProblemError, database_unavailable, unauthorized
from services.api.protocol import AT_ONCE
from services.api.schemas.common import encode
from services.api.schemas.stream import (
    Authenticate,
    StreamError,
    Subscribe,
    decode_client,
)
from services.api.security.auth import bearer_of, is_secure
from services.api.security.guard import client_address, counted
from services.api.security.identity import Identity
from services.api.security.origin import is_same_origin
from services.api.security.permissions import check_factor

log = logs.get_logger(__name__)

router = APIRouter()

UNAUTHORIZED = 4401
FORBIDDEN = 4403
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
_CLOSE_CODES = {HTTPStatus.FORBIDDEN: FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS: TRY_AGAIN_LATER}
_MOST_REFUSED = 20


class _SignedOutError(Exception):
    """The client is not let in; what it was told is the text. ``close_code`` says whether to come again."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(problem.detail)
        self.close_code = _CLOSE_CODES.get(HTTPStatus(problem.status), UNAUTHORIZED)
        self.error = StreamError(code=problem.code, detail=problem.detail)


async def _receive(socket: WebSocket) -> str | bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get("text") or message.get("bytes") or b""


async def _identify(context: Context, socket: WebSocket) -> Identity:
    """By header, by the cookie of our own page, or by a first message.

    Raises:
        _SignedOutError: none of them; or not now, or not before a second factor was set up.
    """
    headers, address = socket.headers, client_address(socket.scope)
    try:
        token = bearer_of(headers)
        if token is not None:
            return await context.auth.check_token(token, address)
        secret = context.auth.session_cookie(headers, secure=is_secure(socket.scope["scheme"]))
        # A cookie is sent by itself: it counts only where a page of ours opened the socket.
        if secret is not None and is_same_origin(headers):
            identity = await context.auth.check_session(secret)
            check_factor(identity)
            return identity
        return await context.auth.check_token(await _first_message(context, socket), address)
    except ProblemError as problem:
        raise _SignedOutError(problem) from None


async def _first_message(context: Context, socket: WebSocket) -> str:
    try:
        async with asyncio.timeout(context.auth_seconds):
            message = decode_client(await _receive(socket))
    except TimeoutError:
        raise unauthorized("No token came in time.") from None
    except NOT_READABLE:
        raise unauthorized('The first message must be {"type": "auth", "token": "…"}.') from None
    if not isinstance(message, Authenticate):
        raise unauthorized('The first message must be {"type": "auth", "token": "…"}.')
    return message.token


async def _refuse_socket(socket: WebSocket, code: int, error: StreamError) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_text(encode(error).decode())
    await _close(socket, code, error.code)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(code, reason)


@router.websocket("/api/v1/stream")
async def stream(socket: WebSocket) -> None:
    """One client, from its first word to its last."""
    context: Context = socket.app.state.context
    if "origin" in socket.headers and not is_same_origin(socket.headers):
        metrics.REFUSED.labels("cross_site").inc()
        detail = "This socket was opened by a page of another site."
        problem = ProblemError(HTTPStatus.FORBIDDEN, "cross_site", detail)
        await socket.send_denial_response(problem.response())
        return
    await socket.accept()
    client = Client(frames=context.queue_frames, at_once=_way_at_once(socket))
    try:
        identity = await _identify(context, socket)
        context = context.seen_by(identity)
        await _serve(context, socket, client, identity)
    except _SignedOutError as refusal:
        await _refuse_socket(socket, refusal.close_code, refusal.error)
    except DATABASE_AWAY:
        # Sessions are kept there. Who comes with one is neither let in nor told that it is over.
        away = database_unavailable()
        await _refuse_socket(socket, TRY_AGAIN_LATER, StreamError(code=away.code, detail=away.detail))
    except WebSocketDisconnect:
        pass


def _way_at_once(socket: WebSocket) -> AtOnce:
    """The server's, where it has one: ASGI itself has none that never waits."""
    extensions = socket.scope.get("extensions", {})
    send: AtOnce = extensions.get(AT_ONCE, {}).get("send", lambda _: False)
    return send


async def _serve(context: Context, socket: WebSocket, client: Client, identity: Identity) -> None:
    with admitted(context, client, identity):
        greet(context, client)
        reader = asyncio.create_task(_read(context, socket, client, identity))
        sender = asyncio.create_task(client.pump(socket.send_text, context.hub.subscribers.give_anew))
        try:
            await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, sender):
                task.cancel()
            results = await asyncio.gather(reader, sender, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
            raise result
    await _close(socket, client.close_code, "")


async def _read(context: Context, socket: WebSocket, client: Client, identity: Identity) -> None:
    refused = 0
    while refused < _MOST_REFUSED:
        data = await _receive(socket)
        try:
            # Each may ask for as much as a request does.
            counted(context, identity)
            message = decode_client(data)
        except ProblemError as problem:
            refused += 1
            _refuse(client, problem.code, problem.detail)
            continue
        except NOT_READABLE as error:
            refused += 1
            _refuse(client, "malformed_message", f"That is no message of ours: {error}.")
            continue
        match message:
            case Authenticate():
                _refuse(client, "already_authenticated", "This socket is signed in.")
            case Subscribe():
                for wanted in message.topics:
                    context.hub.subscribers.subscribe(client, wanted)
            case _:
                client.topics.difference_update(message.topics)
    client.close_code = POLICY_VIOLATION


def _refuse(client: Client, code: str, detail: str) -> None:
    client.push(encode(StreamError(code=code, detail=detail)).decode())


async def keep_checking(context: Context) -> None:
    """Close the sockets of whoever would not be let in again, or as somebody who may do or see otherwise.

    What changed in this process is looked at once, the rest at every heartbeat.
    """
    while True:
        await context.auth.changed_within(context.hub.pace.heartbeat_seconds)
        for identity in set(context.sockets.values()):
            try:
                valid = await context.auth.still_valid(identity)
            except DATABASE_AWAY:
                continue  # a database that is away ends no session
            except Exception as error:  # noqa: BLE001 - one that cannot be checked leaves no other unchecked
                failures.tell(log, "socket_unchecked", error)
                continue
            if not valid:
                farewell = encode(StreamError(code="unauthorized", detail="The session is over.")).decode()
                for client in [each for each, who in context.sockets.items() if who == identity]:
                    client.close_code = UNAUTHORIZED
                    client.finish(farewell)
