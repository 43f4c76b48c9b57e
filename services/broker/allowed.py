"""What may leave the process: the requests of a read-only recorder, and nothing else.

The check sits on the socket's transport, where every byte of ib_async goes through, whoever asked for it. It
reads what is written as the gateway will: as whole messages, each by its own id. What is no such message is
not written at all.
"""

import re
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from ib_async.connection import Connection as IbConnection

from core import logs
from core.errors import LotkeeperError
from services.broker import metrics

log = logs.get_logger(__name__)

ALLOWED: Final = {
    b"6": "reqAccountUpdates",
    b"7": "reqExecutions",
    b"9": "reqContractDetails",
    b"17": "reqManagedAccts",
    b"49": "reqCurrentTime",
    b"61": "reqPositions",
    b"62": "reqAccountSummary",
    b"63": "cancelAccountSummary",
    b"71": "startApi",
    b"74": "reqPositionsMulti",
    b"75": "cancelPositionsMulti",
    b"76": "reqAccountUpdatesMulti",
    b"77": "cancelAccountUpdatesMulti",
    b"92": "reqPnL",
    b"93": "cancelPnL",
    b"94": "reqPnLSingle",
    b"95": "cancelPnLSingle",
}
"""Message ids as they stand on the wire: ``03`` is not ``3``, and neither is here."""

_GREETING = re.compile(rb"API\0(?P<length>.{4})v[0-9]{3}\.\.[0-9]{3}(?: [+A-Za-z]*)?", re.DOTALL)
_PREFIX = struct.Struct(">I")
_MOST_SHOWN = 12


class ForbiddenMessageError(LotkeeperError):
    """Something was to be sent that a read-only link must not send. Nothing of it was written."""

    code = "forbidden_message"


class OutgoingCheck:
    """Checks one connection's bytes: a greeting first and once, then allowed messages, whole ones."""

    def __init__(self) -> None:
        self._greeted = False

    def check(self, data: bytes) -> None:
        """Let ``data`` pass.

        Raises:
            ForbiddenMessageError: there is something else in it.
        """
        reason = self._check_greeting(data) if not self._greeted else _check_messages(data)
        if reason:
            metrics.FORBIDDEN.inc()
            log.error("message_forbidden", reason=reason)
            raise ForbiddenMessageError(
                f"Lotkeeper only reads from the broker, so this was not sent: {reason}."
            )
        self._greeted = True

    def _check_greeting(self, data: bytes) -> str:
        found = _GREETING.fullmatch(data)
        if found is None:
            return "something before the greeting"
        (length,) = _PREFIX.unpack(found["length"])
        return "" if length == len(data) - len(b"API\0") - _PREFIX.size else "a greeting of another length"


def _check_messages(data: bytes) -> str:
    """Why ``data`` must not be sent; empty where it may."""
    position = 0
    while position < len(data):
        body_at = position + _PREFIX.size
        if body_at > len(data):
            return "a part of a message"
        (length,) = _PREFIX.unpack_from(data, position)
        position = body_at + length
        if position > len(data):
            return "a part of a message"
        body = data[body_at:position]
        message, end, _ = body.partition(b"\0")
        if not end or not body.endswith(b"\0"):
            return "a message without an end"
        if message not in ALLOWED:
            return f"message {message[:_MOST_SHOWN]!r}"
    return ""


class GuardedTransport:
    """The socket's transport as far as ib_async and the link need it, behind the check."""

    __slots__ = (
        "_check",
        "_write",
        "abort",
        "close",
        "is_closing",
        "pause_reading",
        "resume_reading",
        "write_eof",
    )

    def __init__(self, transport: Any) -> None:
        self._check = OutgoingCheck()
        self._write: Callable[[bytes], None] = transport.write
        self.abort: Callable[[], None] = transport.abort
        self.close: Callable[[], None] = transport.close
        self.is_closing: Callable[[], bool] = transport.is_closing
        self.pause_reading: Callable[[], None] = transport.pause_reading
        self.resume_reading: Callable[[], None] = transport.resume_reading
        self.write_eof: Callable[[], None] = transport.write_eof

    def write(self, data: bytes) -> None:
        """Write ``data`` if all of it is allowed.

        Raises:
            ForbiddenMessageError: it is not.
        """
        data = bytes(data)
        self._check.check(data)
        self._write(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """The same for several pieces."""
        self.write(b"".join(lines))


class GuardedConnection(IbConnection):
    """ib_async's socket, whose transport lets out allowed messages only."""

    async def connectAsync(self, host: str, port: int) -> None:  # noqa: N802 - ib_async's name
        """As in ib_async; nobody gets hold of the transport before it is guarded."""
        await super().connectAsync(host, port)  # type: ignore[no-untyped-call]
        self.transport: Any = GuardedTransport(self.transport)
