"""A pretended Flex Web Service over real HTTP, which behaves, or misbehaves, as it is told.

It knows one token and some queries, refuses as IBKR's does (the numbers are of IBKR's own list), watches the
rate of requests itself, and takes down what it was asked. HTTP is spoken by hand here, because half of what
it is for is HTTP that no server's library would let out.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from services.simulator.server import Listener

Step: TypeAlias = Literal["send", "get"]
Content: TypeAlias = bytes | Path | Callable[[], bytes]
End: TypeAlias = Literal["whole", "cut", "silent", "endless"]

BASE: Final = "/AccountManagement/FlexWebService"
LEGACY: Final = "/Universal/servlet/FlexStatementService.GetStatement"
"""Where the service itself says to get statements: not beside where they are asked for."""

MESSAGES: Final = {
    1001: "Statement could not be generated at this time. Please try again shortly.",
    1012: "Token has expired.",
    1013: "IP restriction.",
    1014: "Query is invalid.",
    1015: "Token is invalid.",
    1017: "Reference code is invalid.",
    1018: "Too many requests have been made from this token. Please try again shortly.",
    1019: "Statement generation in progress. Please try again shortly.",
    1020: "Invalid request or unable to validate request.",
}
_TIMESTAMP: Final = "28 August, 2012 10:37 AM EDT"
_PER_MINUTE: Final = 10
_MINUTE_SECONDS: Final = 60.0
_FILLER: Final = b"x" * 65536


class Asked(NamedTuple):
    """A request as it came. ``number`` is a query's, or a statement's."""

    step: Step | None
    path: str
    number: str
    user_agent: str


class Reply(NamedTuple):
    """What is answered; ``end`` is how it ends. A ``declared`` length may be another than the body has."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    end: End = "whole"
    declared: bool = True


def refusal(code: int, status: str = "Fail", message: str | None = None) -> Reply:
    """The service's own way to say no."""
    said = MESSAGES.get(code, "Something is wrong.") if message is None else message
    inside = f"<ErrorCode>{code}</ErrorCode>\n<ErrorMessage>{escape(said)}</ErrorMessage>"
    return Reply(_about(status, inside))


def http_status(status: int) -> Reply:
    """An answer of something in front of the service."""
    return Reply(b"<html><body>Service Unavailable</body></html>", status)


def web_page() -> Reply:
    """A page for people, as of a maintenance, with HTTP 200."""
    return Reply(b"<!DOCTYPE html>\n<html><body>We will be back soon.</body></html>")


def redirect(url: str) -> Reply:
    """Go elsewhere."""
    return Reply(b"", HTTPStatus.FOUND, (("Location", url),))


class FlexService:
    """The service's state. ``now`` is the clock by which it counts requests."""

    def __init__(
        self,
        statements: Mapping[str, Content],
        *,
        token: str = "528191644107458877539776",  # noqa: S107 - the one of IBKR's own example
        now: Callable[[], float] = time.monotonic,
        counts_requests: bool = True,
        port: int = 0,
    ) -> None:
        self.statements = dict(statements)
        self.token = token
        self.expired = False
        self.counts_requests = counts_requests
        self.asked: list[Asked] = []
        self.statement_url: str | None = None
        self.listener = Listener(self._serve, port)
        self._now = now
        self._scripts: dict[Step, deque[Reply]] = {"send": deque(), "get": deque()}
        self._promised: dict[str, str] = {}
        self._numbers = itertools.count(1_234_567_890)
        self._times: deque[float] = deque(maxlen=_PER_MINUTE)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.listener.host}:{self.listener.port}"

    @property
    def url(self) -> str:
        """What ``LOTKEEPER_FLEX_URL`` is to be."""
        return f"{self.origin}{BASE}"

    def script(self, step: Step, *replies: Reply) -> None:
        """Answer the next sound requests of a step so; afterwards as usual."""
        self._scripts[step].extend(replies)

    def unscript(self) -> None:
        """Answer as usual from now on."""
        for replies in self._scripts.values():
            replies.clear()

    def still_generating(self, times: int) -> None:
        """Be so long about a statement."""
        self.script("get", *[refusal(1019, "Warn")] * times)

    def cut(self, number: str, *, declared: bool = True, at: int | None = None) -> Reply:
        """The statement of a query, broken off."""
        body = self._body_of(number)
        return Reply(body[: len(body) // 2 if at is None else at], end="cut", declared=declared)

    def silent(self, number: str) -> Reply:
        """The statement of a query, which stops to come and stays open."""
        body = self._body_of(number)
        return Reply(body[: len(body) // 2], end="silent")

    def endless(self) -> Reply:
        """A statement that never ends."""
        return Reply(b"<FlexQueryResponse>", end="endless", declared=False)

    def reply_to(self, path: str, parameters: Mapping[str, str], user_agent: str) -> Reply:
        """What a request is answered."""
        step = _step_of(path)
        number = parameters.get("q", "")
        self.asked.append(Asked(step, path, number, user_agent))
        if step is None or not user_agent:
            return http_status(404 if step is None else 403)
        code = self._refuses(step, number, parameters)
        if code is not None:
            return refusal(code)
        if self._scripts[step]:
            return self._scripts[step].popleft()
        return self._promise(number) if step == "send" else Reply(self._body_of(self._promised[number]))

    def _refuses(self, step: Step, number: str, parameters: Mapping[str, str]) -> int | None:
        known = number in (self.statements if step == "send" else self._promised)
        reasons = (
            (self.counts_requests and self._too_fast(), 1018),
            (parameters.get("v") != "3", 1020),
            (parameters.get("t") != self.token, 1015),
            (self.expired, 1012),
            (not known, 1014 if step == "send" else 1017),
        )
        return next((code for holds, code in reasons if holds), None)

    def _promise(self, query_id: str) -> Reply:
        reference = str(next(self._numbers))
        self._promised[reference] = query_id
        url = f"{self.origin}{LEGACY}" if self.statement_url is None else self.statement_url
        return Reply(
            _about("Success", f"<ReferenceCode>{reference}</ReferenceCode>\n<Url>{escape(url)}</Url>")
        )

    def _too_fast(self) -> bool:
        now = self._now()
        second = bool(self._times) and now - self._times[-1] < 1
        minute = len(self._times) == _PER_MINUTE and now - self._times[0] < _MINUTE_SECONDS
        self._times.append(now)
        return second or minute

    def _body_of(self, query_id: str) -> bytes:
        content = self.statements[query_id]
        if isinstance(content, Path):
            return content.read_bytes()
        return content if isinstance(content, bytes) else content()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            target = urlsplit(request[0].split(" ")[1])
            parameters = {name: values[0] for name, values in parse_qs(target.query).items()}
            headers = dict(line.lower().split(": ", 1) for line in request[1:] if ": " in line)
            reply = self.reply_to(target.path, parameters, headers.get("user-agent", ""))
            await _send(reply, reader, writer)
        writer.close()


@asynccontextmanager
async def serve_flex(service: FlexService) -> AsyncIterator[FlexService]:
    """Serve on loopback while the block runs."""
    await service.listener.open()
    try:
        yield service
    finally:
        await service.listener.close()


async def _send(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    phrase = HTTPStatus(reply.status).phrase
    length = len(reply.body) + (0 if reply.end == "whole" else 1)
    headers = [
        ("Content-Type", "text/xml;charset=utf-8"),
        ("Connection", "close"),
        *([("Content-Length", str(length))] if reply.declared else []),
        *reply.headers,
    ]
    head = f"HTTP/1.1 {reply.status} {phrase}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in headers
    )
    writer.write(f"{head}\r\n".encode("latin-1") + reply.body)
    await writer.drain()
    if reply.end == "silent":
        await reader.read()  # until the client has had enough
    while reply.end == "endless":
        writer.write(_FILLER)
        await writer.drain()


def _step_of(path: str) -> Step | None:
    if path == f"{BASE}/SendRequest":
        return "send"
    return "get" if path in {f"{BASE}/GetStatement", LEGACY} else None


def _about(status: str, inside: str) -> bytes:
    return (
        f"<FlexStatementResponse timestamp='{_TIMESTAMP}'>\n<Status>{status}</Status>\n{inside}\n"
        "</FlexStatementResponse>\n"
    ).encode()
