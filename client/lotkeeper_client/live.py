"""Live rows over the WebSocket: the whole of a topic, and each change as it comes."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from lotkeeper_client.address import is_loopback
from lotkeeper_client.errors import (
    Document,
    ExtraMissingError,
    ProblemError,
    UnexpectedAnswerError,
    refusal,
)
from lotkeeper_client.rows import Execution, Freshness, Position, Summary

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

ROWS: Final[dict[str, type[msgspec.Struct]]] = {
    "positions": Position,
    "summary": Summary,
    "executions": Execution,
}
"""What the rows of a topic are; of others they are plain values."""

RETRY_SECONDS: Final = 1.0
MOST_RETRY_SECONDS: Final = 30.0


class Update(NamedTuple):
    """A topic as it now is: ``rows`` by their keys, and which of them ``changed`` or were ``removed``.

    The first one of a connection, and each after a break that could not be made up for, has all rows as
    changed. ``rows`` is the same mapping each time: copy it to keep it.
    """

    topic: str
    rows: dict[str, Any]
    changed: frozenset[str]
    removed: frozenset[str]
    freshness: Freshness


class _Op(msgspec.Struct, frozen=True):
    op: str
    key: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class _Message(msgspec.Struct, frozen=True):
    type: str
    topic: str = ""
    epoch: str = ""
    seq: int = 0
    prev_seq: int = 0
    data: dict[str, msgspec.Raw] = {}
    ops: tuple[_Op, ...] = ()
    seqs: dict[str, int] = {}
    freshness: Freshness | None = None
    code: str = ""
    detail: str = ""


_decode = msgspec.json.Decoder(_Message).decode


class _BrokenError(Exception):
    """Something was missed: what is known is void, and the topic is to be asked for anew."""


class _NotNowError(Exception):
    """The server cannot tell now; it closes the connection, and can be asked again."""


class Follower:
    """What is known of a topic, and where in its numbering that is."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.rows: dict[str, Any] = {}
        self.epoch = ""
        self.seq = 0
        self._read = msgspec.json.Decoder(ROWS.get(topic, Any)).decode

    def subscription(self) -> dict[str, Any]:
        """The message that asks for the topic, from where we are in it."""
        wanted: dict[str, Any] = {"topic": self.topic}
        if self.epoch:
            wanted |= {"epoch": self.epoch, "after_seq": self.seq}
        return {"type": "subscribe", "topics": [wanted]}

    def forget(self) -> None:
        """Ask for all of it the next time."""
        self.epoch, self.seq = "", 0

    def take(self, message: Any) -> Update | None:
        """What a message changes; ``None``: nothing.

        Raises:
            _BrokenError: something was missed.
            _NotNowError: the server cannot tell now.
            ProblemError: the server refuses, and would do so again.
        """
        match message.type:
            case "snapshot":
                return self._snapshot(message)
            case "delta":
                return self._delta(message)
            case "heartbeat":
                if self.epoch and message.seqs.get(self.topic, self.seq) > self.seq:
                    raise _BrokenError
            case "error":
                raise _refusal(message)
            case _:
                pass
        return None

    def _snapshot(self, message: Any) -> Update:
        removed = frozenset(self.rows) - message.data.keys()
        self.rows.clear()
        self.rows |= {key: self._read(raw) for key, raw in message.data.items()}
        self.epoch, self.seq = message.epoch, message.seq
        return Update(self.topic, self.rows, frozenset(self.rows), removed, message.freshness)

    def _delta(self, message: Any) -> Update | None:
        if not self.epoch:
            return None  # it was under way when all was asked for anew
        if message.epoch != self.epoch or message.prev_seq > self.seq:
            raise _BrokenError
        if message.seq <= self.seq:
            return None
        changed, removed = set[str](), set[str]()
        for one in message.ops:
            if one.op == "delete":
                self.rows.pop(one.key, None)
                removed.add(one.key)
            else:
                self.rows[one.key] = self._read(one.value)
                changed.add(one.key)
        self.seq = message.seq
        return Update(self.topic, self.rows, frozenset(changed), frozenset(removed), message.freshness)


_LASTING: Final = {
    "unauthorized": 401,
    "second_factor_required": 403,
    "all_accounts_needed": 403,
    "unknown_topic": 404,
}
"""Refusals that would come again, with the statuses that REST has for them."""


def _refusal(message: Any) -> Exception:
    problem = _lasting(message.code, message.detail)
    return _NotNowError(message.code) if problem is None else problem


def _lasting(code: str, detail: str) -> ProblemError | None:
    status = _LASTING.get(code)
    return None if status is None else refusal(status, Document(status=status, code=code, detail=detail))


def _of_handshake(status: int) -> ProblemError | None:
    """Why there will be no connection; ``None``: it may be made another time."""
    if status in {408, 429} or not 400 <= status < 500:  # noqa: PLR2004 - what HTTP calls the client's fault
        return None
    return refusal(status, Document(status=status, detail=f"The connection is refused ({status})."))


def watch(
    url: str, token: str, topic: str, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Update]:
    """Each change of a topic, for ever: a lost connection is made again, and goes on where it was.

    Raises:
        ExtraMissingError: websockets is not installed.
        UnauthorizedError: the token is not the one of this server.
        ForbiddenError: the topic tells of accounts that the token does not see.
        NotFoundError: there is no such topic.
    """
    try:
        from websockets.exceptions import (  # noqa: PLC0415 - optional
            ConnectionClosed,
            InvalidHandshake,
            InvalidStatus,
        )
        from websockets.sync.client import connect  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ExtraMissingError("Install websockets: pip install 'lotkeeper-client[live]'.") from error
    address = f"ws{url.removeprefix('http')}/api/v1/stream"
    follower = Follower(topic)
    wait = RETRY_SECONDS
    while True:
        try:
            with connect(
                address,
                additional_headers={"Authorization": f"Bearer {token}"},
                max_size=None,
                # A proxy of the environment does not know of this machine.
                proxy=None if is_loopback(url) else True,
            ) as socket:
                for update in _follow(socket, follower):
                    wait = RETRY_SECONDS
                    yield update
        except InvalidStatus as error:
            problem = _of_handshake(error.response.status_code)
            if problem is not None:
                raise problem from error
        except ConnectionClosed as error:
            # Who is shut out before having asked for anything never gets to read why, but for the reason.
            reason = "" if error.rcvd is None else error.rcvd.reason
            problem = _lasting(reason, f"The server closed the connection ({reason}).")
            if problem is not None:
                raise problem from error
        except (InvalidHandshake, OSError, _NotNowError):
            pass
        # However it ended: one that is closed in good order is not asked again at once either.
        sleep(wait)
        wait = min(wait * 2, MOST_RETRY_SECONDS)


def _follow(socket: "ClientConnection", follower: Follower) -> Iterator[Update]:
    """What comes over one connection, until it ends."""
    _send(socket, follower.subscription())
    for text in socket:
        try:
            update = follower.take(_decode(text))
        except msgspec.MsgspecError as error:
            raise UnexpectedAnswerError(f"A message is not what this client knows: {error}") from error
        except _BrokenError:
            follower.forget()
            _send(socket, follower.subscription())
            continue
        if update is not None:
            yield update


def _send(socket: "ClientConnection", message: dict[str, Any]) -> None:
    socket.send(msgspec.json.encode(message).decode())
