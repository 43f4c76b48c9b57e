"""The WebSocket: sign in, subscribe, be told."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from services.api import metrics
from services.api.context import Context
from services.api.live.client import Client
from services.api.live.load import DATABASE_AWAY
from services.api.problems import ProblemError, database_unavailable, unauthorized
from services.api.schemas.common import encode
from services.api.schemas.stream import (
    TOPICS,
    Authenticate,
    Hello,
    StreamError,
    Subscribe,
    decode_client,
)
from services.api.security.auth import Identity, bearer_of
from services.api.security.guard import client_address
from services.api.security.origin import is_same_origin

router = APIRouter()

UNAUTHORIZED = 4401
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
_MALFORMED_LIMIT = 20


class _SignedOutError(Exception):
    """The client could not say who it is; what it was told is the text."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(problem.detail)
        self.error = StreamError(code=problem.code, detail=problem.detail)


async def _receive(socket: WebSocket) -> str | bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get("text") or message.get("bytes") or b""


async def _identify(context: Context, socket: WebSocket) -> Identity:
    """By header, by the cookie of our own page, or by a first message.

    Raises:
        _SignedOutError: none of them.
    """
    headers, address = socket.headers, client_address(socket.scope)
    try:
        token = bearer_of(headers)
        if token is not None:
            return context.auth.check_token(token, address)
        secret = context.auth.session_cookie(headers)
        # A cookie is sent by itself: it counts only where a page of ours opened the socket.
        if secret is not None and is_same_origin(headers):
            return await context.auth.check_session(secret)
        return context.auth.check_token(await _first_message(context, socket), address)
    except ProblemError as problem:
        raise _SignedOutError(problem) from None


async def _first_message(context: Context, socket: WebSocket) -> str:
    try:
        async with asyncio.timeout(context.auth_seconds):
            message = decode_client(await _receive(socket))
    except TimeoutError:
        raise unauthorized("No token came in time.") from None
    except msgspec.DecodeError:
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
    client = Client(frames=context.queue_frames)
    try:
        identity = await _identify(context, socket)
        await _serve(context, socket, client, identity)
    except _SignedOutError as refusal:
        await _refuse_socket(socket, UNAUTHORIZED, refusal.error)
    except DATABASE_AWAY:
        # Sessions are kept there. Who comes with one is neither let in nor told that it is over.
        away = database_unavailable()
        await _refuse_socket(socket, TRY_AGAIN_LATER, StreamError(code=away.code, detail=away.detail))
    except WebSocketDisconnect:
        pass
    finally:
        if context.sockets.pop(client, None) is not None:
            context.hub.clients.discard(client)
            metrics.CLIENTS.dec()


async def _serve(context: Context, socket: WebSocket, client: Client, identity: Identity) -> None:
    hub = context.hub
    hello = Hello(
        server_time=context.clock(),
        profile=context.settings.profile,
        version=context.version,
        heartbeat_seconds=hub.pace.heartbeat_seconds,
        topics=TOPICS,
    )
    client.push(encode(hello).decode())
    client.push(hub.status(hub.judge()))
    context.sockets[client] = identity
    hub.clients.add(client)
    metrics.CLIENTS.inc()
    reader = asyncio.create_task(_read(context, socket, client))
    sender = asyncio.create_task(client.pump(socket.send_text, hub.begin_anew))
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


async def _read(context: Context, socket: WebSocket, client: Client) -> None:
    malformed = 0
    while malformed < _MALFORMED_LIMIT:
        try:
            message = decode_client(await _receive(socket))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            malformed += 1
            _refuse(client, "malformed_message", f"That is no message of ours: {error}.")
            continue
        match message:
            case Authenticate():
                _refuse(client, "already_authenticated", "This socket is signed in.")
            case Subscribe():
                for wanted in message.topics:
                    context.hub.subscribe(client, wanted)
            case _:
                client.topics.difference_update(message.topics)
    client.close_code = POLICY_VIOLATION


def _refuse(client: Client, code: str, detail: str) -> None:
    client.push(encode(StreamError(code=code, detail=detail)).decode())


async def keep_checking(context: Context) -> None:
    """Close the sockets of whoever would no longer be let in: a session that ended, a token that changed."""
    while True:
        await asyncio.sleep(context.hub.pace.heartbeat_seconds)
        for identity in set(context.sockets.values()):
            try:
                valid = await context.auth.still_valid(identity)
            except DATABASE_AWAY:
                continue  # a database that is away ends no session
            if not valid:
                farewell = encode(StreamError(code="unauthorized", detail="The session is over.")).decode()
                for client in [each for each, who in context.sockets.items() if who == identity]:
                    client.close_code = UNAUTHORIZED
                    client.finish(farewell)
