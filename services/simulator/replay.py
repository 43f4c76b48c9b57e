"""Plays recordings of real gateways to a client: the recording's own server version, its fields unchanged.

A recording holds what the gateway said, and sometimes what the client asked. What a client asks that is not
in the recording gets the shortest answer that lets it go on (an end without rows), so that an unmodified
client can start up.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from core.logs import get_logger
from services.simulator import wire
from services.simulator.server import Listener
from services.simulator.wire import Fields

log = get_logger(__name__)

_START_API = "71"
_START_API_FIELDS = 4
_MANAGED_ACCOUNTS, _NEXT_VALID_ID = "15", "9"
_RAW_LINE = re.compile(r'^\s*(?P<response>- )?raw: "(?P<raw>.*)"\s*$')
_VERSION_LINE = re.compile(r"^\s*server_version: (\d+)\s*$")

# Request id -> the end of an answer without rows; {1}, {2}, … are fields of the request.
_SHORTEST = {
    "5": ["53", "1"],
    "6": ["54", "1", "{3}"],
    "7": ["55", "1", "{2}"],
    "49": ["49", "1", "0"],
    "61": ["62", "1"],
    "74": ["72", "1", "{2}"],
    "76": ["74", "1", "{2}"],
    "99": ["102"],
}


class RecordingError(ValueError):
    """The file is not a recording that we can read."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What one gateway said: in answer to requests, and of its own accord."""

    server_version: int
    story: tuple[Fields, ...]
    interactions: tuple[tuple[Fields, tuple[Fields, ...]], ...] = ()

    @property
    def account(self) -> str:
        """The login's accounts as recorded, else a placeholder."""
        listed = [fields for fields in self._said() if fields[0] == _MANAGED_ACCOUNTS]
        return listed[0][2] if listed else "DU1234567"

    @property
    def next_valid_id(self) -> str:
        """The first order id as recorded, else 1."""
        given = [fields for fields in self._said() if fields[0] == _NEXT_VALID_ID]
        return given[0][2] if given else "1"

    def answers_to(self, request: Fields) -> list[Fields] | None:
        """The recorded answers to exactly this request; ``None`` if it was never asked."""
        for asked, answers in self.interactions:
            if asked == request:
                return list(answers)
        return None

    def _said(self) -> list[Fields]:
        return [*self.story, *(fields for _, answers in self.interactions for fields in answers)]


def load_recording(path: Path) -> Recording:
    """Read a recorded sequence (JSON) or recorded interactions (the ``raw:`` lines of YAML).

    Raises:
        RecordingError: there is nothing recorded in it.
    """
    text = path.read_text("utf-8")
    recording = _from_json(text) if path.suffix == ".json" else _from_raw_lines(text)
    if not recording.server_version or not (recording.story or recording.interactions):
        raise RecordingError(f"{path} holds no recording")
    return recording


def _from_json(text: str) -> Recording:
    entries = json.loads(text)
    versions = {int(entry["server_version"]) for entry in entries}
    said = [
        [str(value) for value in entry["fields"]]
        for entry in entries
        # A short 71 is the client's own "start the API"; the gateway's 71 is a position with many fields.
        if not (entry["fields"][0] == _START_API and len(entry["fields"]) == _START_API_FIELDS)
    ]
    return Recording(versions.pop() if len(versions) == 1 else 0, tuple(said))


def _from_raw_lines(text: str) -> Recording:
    version = 0
    interactions: list[tuple[Fields, list[Fields]]] = []
    for line in text.splitlines():
        if found := _VERSION_LINE.match(line):
            version = int(found.group(1))
        elif found := _RAW_LINE.match(line):
            fields = found.group("raw").split(r"\0")[:-1]
            if found.group("response"):
                interactions[-1][1].append(fields)
            else:
                interactions.append((fields, []))
    return Recording(version, (), tuple((asked, tuple(answers)) for asked, answers in interactions))


class Replay:
    """A port that plays one recording to every client that connects."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.received: list[Fields] = []
        self._listener = Listener(self._serve)
        self._clients: set[asyncio.StreamWriter] = set()
        self._started = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def start(cls, recording: Recording | Path) -> AsyncIterator[Self]:
        """Serve the recording while the block runs."""
        replay = cls(recording if isinstance(recording, Recording) else load_recording(recording))
        await replay._listener.open()
        try:
            yield replay
        finally:
            for writer in replay._clients:
                writer.transport.abort()
            await replay._listener.close()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._listener.port

    async def play(self) -> None:
        """Once a client has started the API, send it all that the gateway said of its own accord."""
        await self._started.wait()
        opening = {_MANAGED_ACCOUNTS, _NEXT_VALID_ID}
        self._send([fields for fields in self.recording.story if fields[0] not in opening])

    def _send(self, told: Sequence[Fields]) -> None:
        for writer in self._clients:
            writer.write(wire.frames(told))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = wire.FrameReader()
        try:
            await reader.readexactly(len(wire.GREETING))
            greeted = False
            while data := await reader.read(wire.LARGEST_FRAME):
                for body in frames.feed(data):
                    if greeted:
                        self._answer(writer, wire.split(body))
                    else:
                        greeted = True
                        stamp = "20250715 19:05:13 Greenwich Mean Time"
                        writer.write(wire.frame([str(self.recording.server_version), stamp]))
        except (ConnectionError, asyncio.IncompleteReadError, wire.WireError) as error:
            log.info("replay_client_gone", reason=str(error))
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    def _answer(self, writer: asyncio.StreamWriter, request: Fields) -> None:
        self.received.append(request)
        if request[0] == _START_API:
            self._clients.add(writer)
            self._started.set()
            opening = [
                [_MANAGED_ACCOUNTS, "1", self.recording.account],
                [_NEXT_VALID_ID, "1", self.recording.next_valid_id],
            ]
            writer.write(wire.frames(opening))
            return
        answers = self.recording.answers_to(request)
        if answers is None:
            shortest = _SHORTEST.get(request[0])
            answers = [[part.format(*request) for part in shortest]] if shortest else []
        if answers:
            writer.write(wire.frames(answers))
