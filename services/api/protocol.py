"""HTTP as it comes in: the head of a request is small and comes soon, or it is not waited for.

And WebSocket as it goes out: what is told to a thousand clients is made into a frame once.
"""

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

MOST_HEAD_BYTES = 65_536
"""Browsers send some two thousand; uvicorn's parser itself would go on for ever."""

HEAD_SECONDS = 20.0

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a bound on what a request's head may be, and on how long it may take."""

    _head_bytes = 0
    _is_in_head = True
    _given_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody comes: the first head is waited for."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and refuse a head that does not end."""
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins: the first, or the next on a connection that is kept."""
        super().on_message_begin()
        self._head_bytes, self._is_in_head = 0, True
        if self._given_up is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._given_up = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None


_WHOLE_TEXT = 0x81
_SHORT, _LONG = 126, 127
_MOST_SHORT, _MOST_MEDIUM = 125, 65_535
_KEPT = 8
_MOST_KEPT_BYTES = 1 << 18


def frame_of(text: str) -> bytes:
    """The text as a WebSocket frame of a server's (RFC 6455, 5.2): whole, and not masked."""
    data = text.encode()
    length = len(data)
    if length <= _MOST_SHORT:
        head = bytes((_WHOLE_TEXT, length))
    elif length <= _MOST_MEDIUM:
        head = bytes((_WHOLE_TEXT, _SHORT)) + length.to_bytes(2, "big")
    else:
        head = bytes((_WHOLE_TEXT, _LONG)) + length.to_bytes(8, "big")
    return head + data


class Framer:
    """Frames of the texts that were sent last: to the next client goes the very same text."""

    def __init__(self) -> None:
        # By the text's id, which is nobody else's as long as the text is kept.
        self._kept: dict[int, tuple[str, bytes]] = {}

    def frame(self, text: str) -> bytes:
        """The frame, made once for all that are sent this text at about the same time."""
        known = self._kept.get(id(text))
        if known is not None:
            return known[1]
        frame = frame_of(text)
        if len(frame) <= _MOST_KEPT_BYTES:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[id(text)] = (text, frame)
        return frame


_framer = Framer()


AT_ONCE = "lotkeeper.text"
"""The extension of a WebSocket's scope that sends a text where that needs no waiting, and says whether."""


class WebSockets(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with a short way for texts: each is made into a frame once, however many get it."""

    def handle_connect(self, event: Request) -> None:
        """Somebody comes: tell the application of the short way."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][AT_ONCE] = {"send": self.send_at_once}

    def send_at_once(self, text: str) -> bool:
        """Send a text; ``False`` where the reader is behind, or nobody is there to read."""
        if not self.writable.is_set() or not self._is_open or self.transport.is_closing():
            return False
        self.transport.write(_framer.frame(text))
        return True

    async def send(self, message: "ASGISendEvent") -> None:
        """Send what the application says."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if not isinstance(text, str):
            await super().send(message)
            return
        await self.writable.wait()
        if self._is_open:
            self.transport.write(_framer.frame(text))
        else:
            await super().send(message)

    @property
    def _is_open(self) -> bool:
        return (
            self.conn.state is State.OPEN
            and self.handshake_complete
            and not (self.disconnected or self.close_sent or self.conn.extensions)
        )
