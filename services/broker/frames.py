"""The byte stream cut into messages, in place of ib_async's own reader.

ib_async forgets the zone in the handshake, copies its buffer once a message, waits forever for a length that
makes no sense, and a message it cannot read before it is ready stops it. Until the connection is ready its
own reader still does the work, one whole message at a time.
"""

import struct
from collections.abc import Callable

from ib_async.client import Client

LENGTH_LIMIT = 64 * 1024 * 1024
"""No message is that long; a longer one means that the stream is out of step."""

_HANDSHAKE_FIELDS = 2


class FrameReader:
    """Feeds ``client`` the messages in what the socket brings.

    ``on_data`` is called before each piece, ``on_handshake`` with the gateway's own time and zone,
    ``on_message`` with the fields of each message, ``on_desync`` when a length makes no sense; nothing is
    read after that.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_data: Callable[[], None],
        on_handshake: Callable[[str], None],
        on_message: Callable[[list[str]], None],
        on_broken: Callable[[str, list[str]], None],
        on_desync: Callable[[int], None],
    ) -> None:
        self._client = client
        self._interpret: Callable[[list[str]], None] = client.decoder.interpret
        self._handshake: Callable[[bytes], None] = client._onSocketHasData  # noqa: SLF001 - see the module
        self._on_data = on_data
        self._on_handshake = on_handshake
        self._on_message = on_message
        self._on_broken = on_broken
        self._on_desync = on_desync
        self._buffer = bytearray()
        self._lost_step = False

    def feed(self, data: bytes) -> None:
        """Take what arrived. Never raises: it is called by the event loop."""
        if self._lost_step:
            return
        self._on_data()
        buffer = self._buffer
        buffer += data
        position = 0
        available = len(buffer)
        while available - position >= 4:  # noqa: PLR2004 - the length prefix
            (length,) = struct.unpack_from(">I", buffer, position)
            if length > LENGTH_LIMIT:
                self._lost_step = True
                self._on_desync(length)
                return
            end = position + 4 + length
            if end > available:
                break
            self._message(bytes(buffer[position + 4 : end]))
            position = end
        del buffer[:position]

    def _message(self, payload: bytes) -> None:
        fields = payload.decode(errors="backslashreplace").split("\0")
        fields.pop()
        self._on_message(fields)
        client = self._client
        if client.isReady():
            self._interpret(fields)
            return
        try:
            if not client.serverVersion() and len(fields) == _HANDSHAKE_FIELDS:
                self._on_handshake(fields[1])
            self._handshake(len(payload).to_bytes(4, "big") + payload)
        except Exception as error:  # noqa: BLE001 - a stranger's bytes
            self._on_broken(type(error).__name__, fields)
