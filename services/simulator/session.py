"""One client's connection: greeting, requests in, messages out, and what it has subscribed to."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from core.logs import get_logger
from services.simulator import messages, wire
from services.simulator.executions import Key
from services.simulator.faults import TEXTS, FaultState
from services.simulator.requests import CurrentTime, Request, RequestError, StartApi, decode

log = get_logger(__name__)

# (tag, currency, value, the message that says so)
Row = tuple[str, str, str, wire.Fields]

# A client that reads nothing is hung up on, as a gateway does, before it eats the memory.
LARGEST_BACKLOG = 256 * 1024 * 1024
READ_SIZE = 64 * 1024
_PIECE_MESSAGES = 1_000

# What a gateway knows without asking anybody: order id, accounts, time.
OF_ITS_OWN = frozenset({"9", "15", "49"})

CANNOT_PARSE = 320
CLIENT_ID_IN_USE = 326


@dataclass(slots=True)
class Subscriptions:
    """What a client hears without asking again. ``sent`` is the last value of each row it knows."""

    positions: bool = False
    account: str | None = None
    values: dict[int, tuple[str, bool]] = field(default_factory=dict)
    positions_multi: dict[int, str] = field(default_factory=dict)
    summaries: dict[int, str] = field(default_factory=dict)
    pnl: dict[int, str] = field(default_factory=dict)
    pnl_single: dict[int, Key] = field(default_factory=dict)
    quotes: dict[int, int] = field(default_factory=dict)
    sent: dict[tuple[str, int, str, str], str] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything, as a 1101 says the gateway has."""
        fresh = Subscriptions()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


class Session:
    """A connection from greeting to hang-up."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        faults: FaultState,
        greet: Callable[[int], wire.Fields],
        start: Callable[["Session"], bool],
        answer: Callable[["Session", Request], None],
        newest_version: int,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._faults = faults
        self._greet, self._start, self._answer = greet, start, answer
        self._newest_version = newest_version
        self._held = bytearray()
        self._streaming: set[asyncio.Task[None]] = set()
        self.version = 0
        self.client_id: int | None = None
        self.subscriptions = Subscriptions()

    @property
    def ready(self) -> bool:
        """Whether the client has started the API and not gone yet."""
        return self.client_id is not None and not self._writer.is_closing()

    @property
    def closing(self) -> bool:
        """Whether the connection is on its way out."""
        return self._writer.is_closing()

    async def serve(self) -> None:
        """Talk until either side hangs up."""
        try:
            await self._talk()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except wire.WireError as error:
            log.warning("simulator_client_unintelligible", reason=str(error))
        finally:
            for task in self._streaming:
                task.cancel()
            self.drop()

    def send(self, *out: Sequence[str]) -> None:
        """Queue messages for the client; while stalled they are kept back."""
        if self._faults.time_only and self.client_id is not None:
            out = tuple(fields for fields in out if fields[0] in OF_ITS_OWN)
        if out:
            self.send_bytes(wire.frames(out))

    def send_bytes(self, data: bytes) -> None:
        """Queue bytes as they are."""
        if self._writer.is_closing():
            return
        if self._faults.stalled:
            self._held += data
        else:
            self._writer.write(data)
        if len(self._held) + self._writer.transport.get_write_buffer_size() > LARGEST_BACKLOG:
            log.warning("simulator_client_too_slow", client_id=self.client_id)
            self.drop()

    def stream(self, out: Iterable[Sequence[str]]) -> None:
        """Send a long answer in pieces, at the pace at which the client reads.

        Whatever else there is to say comes between them.
        """
        messages_left = iter(out)
        piece = list(islice(messages_left, _PIECE_MESSAGES))
        self.send(*piece)
        if len(piece) == _PIECE_MESSAGES:
            task = asyncio.create_task(self._stream(messages_left))
            self._streaming.add(task)
            task.add_done_callback(self._streaming.discard)

    async def _stream(self, messages_left: Iterator[Sequence[str]]) -> None:
        while not self.closing and (piece := list(islice(messages_left, _PIECE_MESSAGES))):
            await self._faults.moving.wait()
            self.send(*piece)
            try:
                await self._writer.drain()
            except ConnectionError:
                return
            await asyncio.sleep(0)

    async def send_all(self, chunks: Sequence[bytes]) -> None:
        """Send a lot at the pace at which the client reads."""
        for chunk in chunks:
            if self._writer.is_closing():
                return
            if self._faults.time_only:
                continue
            await self._faults.moving.wait()
            self._writer.write(chunk)
            try:
                await self._writer.drain()
            except ConnectionError:
                return

    def send_changed(self, kind: str, req_id: int, rows: Iterable[Row]) -> None:
        """Of these rows, send those whose value the client does not know yet."""
        known = self.subscriptions.sent
        out: list[wire.Fields] = []
        for tag, currency, value, message in rows:
            name = (kind, req_id, tag, currency)
            if known.get(name) != value:
                known[name] = value
                out.append(message)
        self.send(*out)

    def forget(self, kind: str, req_id: int) -> None:
        """Take it that the client knows nothing of this subscription."""
        known = self.subscriptions.sent
        for name in [name for name in known if name[:2] == (kind, req_id)]:
            del known[name]

    def release(self) -> None:
        """The stall is over: send what was kept back."""
        if self._held and not self._writer.is_closing():
            self._writer.write(bytes(self._held))
        self._held.clear()

    def drop(self) -> None:
        """Hang up at once; what is still queued is lost."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Hang up after what is queued has gone out."""
        self._writer.close()

    async def _talk(self) -> None:
        if self._faults.never_answer:
            while await self._reader.read(READ_SIZE):
                pass
            return
        greeting = await self._reader.readexactly(len(wire.GREETING))
        if greeting != wire.GREETING:
            raise wire.WireError(f"the greeting was {greeting!r}")
        frames = wire.FrameReader()
        while not self.closing and (data := await self._reader.read(READ_SIZE)):
            await self._faults.moving.wait()
            for body in frames.feed(data):
                self._handle(body)
            await self._writer.drain()

    def _handle(self, body: bytes) -> None:
        if not self.version:
            _, newest = wire.client_versions(body)
            self.version = min(self._newest_version, newest)
            self.send(self._greet(self.version))
            return
        try:
            request = decode(wire.split(body))
        except RequestError as error:
            log.warning("simulator_request_unreadable", reason=str(error))
            self.send(messages.error(self.version, CANNOT_PARSE, f"Error reading request. {error}"))
            return
        if isinstance(request, StartApi):
            self._begin(request.client_id)
        elif self.ready and (isinstance(request, CurrentTime) or not self._faults.time_only):
            self._answer(self, request)

    def _begin(self, client_id: int) -> None:
        self.client_id = client_id
        if not self._start(self):
            self.client_id = None
            self.send(messages.error(self.version, CLIENT_ID_IN_USE, TEXTS[CLIENT_ID_IN_USE]))
            self.close()
