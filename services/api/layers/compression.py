"""gzip and Brotli for what is text, however it comes: whole, or piece by piece."""

import asyncio
import zlib
from typing import Any, Final, Literal, Protocol

import brotli
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.accepted import weighed
from services.api.exchange import exchange_of

Coding = Literal["br", "gzip"]

LEAST_BYTES: Final = 1024
"""What is smaller fits into a packet or two anyway."""

_AT_ONCE_BYTES: Final = 1 << 14
"""Up to so much is compressed in the loop: it takes less than a thread costs."""

_GZIP_LEVEL, _BROTLI_QUALITY = 5, 4
_GZIP: Final = 16 + zlib.MAX_WBITS
_TEXT: Final = (
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "text/csv",
    "text/plain",
)


class _Compressor(Protocol):
    def add(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, data: bytes) -> bytes:
        # Flushed, so that what streams goes on streaming.
        return self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._packer.flush()


class _Brotli:
    def __init__(self) -> None:
        self._packer: Any = brotli.Compressor(mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)

    def add(self, data: bytes) -> bytes:
        packed: bytes = self._packer.process(data) + self._packer.flush()
        return packed

    def end(self) -> bytes:
        packed: bytes = self._packer.finish()
        return packed


def coding_for(accept_encoding: str) -> Coding | None:
    """What the client would rather have; of two that it likes as much the smaller one."""
    weights = dict(weighed(accept_encoding))
    others = weights.get("*", 0)
    best = max(("gzip", "br"), key=lambda name: (weights.get(name, others), name == "br"))
    if not weights.get(best, others):
        return None
    return "br" if best == "br" else "gzip"


def _whole(coding: Coding, body: bytes) -> bytes:
    if coding == "br":
        packed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)
        return packed
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


async def _off_loop(work: Any, data: bytes) -> bytes:
    packed: bytes = work(data) if len(data) <= _AT_ONCE_BYTES else await asyncio.to_thread(work, data)
    return packed


class Compression:
    """ASGI middleware. An answer that is compressed already, or that shows a secret, stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the answer where the client can read it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coding = coding_for(Headers(scope=scope).get("accept-encoding", ""))
        packing = _Packing(scope, send, coding)
        await self._app(scope, receive, packing.take)


class _Packing:
    """One answer on its way."""

    def __init__(self, scope: Scope, send: Send, coding: Coding | None) -> None:
        self._scope = scope
        self._send = send
        self._coding = coding
        self._start: Message | None = None
        self._packer: _Compressor | None = None

    async def take(self, message: Message) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            if self._may_be_packed(message):
                message = {**message, "headers": _varying(message["headers"])}
                if self._coding is not None:
                    self._start = message
                    return
            await self._send(message)
        elif self._start is not None:
            await self._first(message)
        elif self._packer is not None:
            await self._next(message)
        else:
            await self._send(message)

    def _may_be_packed(self, start: Message) -> bool:
        headers = Headers(raw=start["headers"])
        return (
            headers.get("content-type", "").partition(";")[0] in _TEXT
            and "content-encoding" not in headers
            # Their length would tell of their content (BREACH).
            and not exchange_of(self._scope).secret
        )

    async def _first(self, message: Message) -> None:
        start, self._start = self._start, None
        if start is None or self._coding is None:
            return
        body = message.get("body", b"")
        streams = message.get("more_body", False)
        if not streams and len(body) < LEAST_BYTES:
            await self._send(start)
            await self._send(message)
            return
        coded = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        coded.append((b"content-encoding", self._coding.encode()))
        if streams:
            self._packer = _Brotli() if self._coding == "br" else _Gzip()
            await self._send({**start, "headers": coded})
            await self._next(message)
            return
        coding = self._coding
        packed = await _off_loop(lambda data: _whole(coding, data), body)
        coded.append((b"content-length", str(len(packed)).encode()))
        await self._send({**start, "headers": coded})
        await self._send({"type": "http.response.body", "body": packed, "more_body": False})

    async def _next(self, message: Message) -> None:
        packer = self._packer
        if packer is None:
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        packed = await _off_loop(packer.add, body) if body else b""
        if not more:
            packed += packer.end()
        if packed or not more:
            await self._send({"type": "http.response.body", "body": packed, "more_body": more})


def _varying(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    told = next(
        (value for name, value in headers if name.lower() == b"vary"), b"Cookie, Authorization, Accept"
    )
    others = [pair for pair in headers if pair[0].lower() != b"vary"]
    return [*others, (b"vary", told + b", Accept-Encoding")]
