"""Whole lists as CSV, NDJSON or Parquet: the pages of the very same list, one after the other.

Each page is a request of its own to the list's route, with what the client asked: the same rows, the same
checks, no transaction that lasts as long as the slowest reader, and never more than a page in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import logs
from services.api import failures
from services.api.accepted import weighed
from services.api.context import Context
from services.api.exchange import Format, exchange_of
from services.api.formats.columns import columns_of, row_type
from services.api.formats.encoders import MEDIA_TYPES, CsvEncoder, Encoder, NdjsonEncoder
from services.api.formats.parquet import ParquetEncoder
from services.api.freshness_headers import freshness_headers
from services.api.openapi import answer_type
from services.api.paging import MAX_LIMIT
from services.api.problems import ProblemError, not_found, problem_of, unauthorized
from services.api.security.identity import Identity

log = logs.get_logger(__name__)

PAGES_AT_ONCE: Final = 2
"""Pages that are read for whole lists at the same time: others want the database, too."""

_ACCEPTED: Final[dict[str, Format | None]] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/json": None,
    "application/*": None,
    "*/*": None,
}
_WITHOUT_END: Final = "/api/v1/stream/"
"""What is there goes on as long as its reader stays, and so has no pages to wait for."""

_PAGING = frozenset({"limit", "cursor"})


class _Page(msgspec.Struct):
    items: msgspec.Raw
    next_cursor: str | None = None


_decode = msgspec.json.Decoder(_Page).decode


class _Answer(NamedTuple):
    """What the list's route answered."""

    start: Message
    body: bytes
    row: type[msgspec.Struct] | None

    async def pass_on(self, send: Send) -> None:
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def accepted_format(accept: str) -> Format | None:
    """The format that is wanted most; none where pages of JSON do."""
    known = [(weight, name) for name, weight in weighed(accept) if name in _ACCEPTED and weight > 0]
    if not known:
        return None
    # The first of those with the highest weight.
    return _ACCEPTED[max(known, key=lambda one: one[0])[1]]


class Exports:
    """ASGI middleware: answers GET with a whole list where that is wanted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no whole list."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        by_address = exchange_of(scope).format
        if scope["method"] != "GET" or scope["path"].startswith(_WITHOUT_END):
            if by_address is not None:
                raise _no_list()
            await self._app(scope, receive, send)
            return
        accept = Headers(scope=scope).get("accept", "")
        wanted = by_address or (accepted_format(accept) if accept else None)
        if wanted is None:
            await self._app(scope, receive, send)
            return
        await self._whole(scope, receive, send, wanted)

    async def _whole(self, scope: Scope, receive: Receive, send: Send, wanted: Format) -> None:
        exchange = exchange_of(scope)
        paged = _PAGING & {name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"))}
        first = await self._page(scope, None, paged=bool(paged))
        if first.row is None:
            if exchange.format is not None and first.start["status"] == HTTPStatus.OK:
                raise _no_list()
            await first.pass_on(send)
            return
        if paged:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "validation_failed",
                f"In this format the whole list is sent: leave out {' and '.join(sorted(paged))}.",
            )
        await send(_start(scope, first, wanted))
        if exchange.bodiless:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        encoder = _encoder(wanted, first.row)
        await _until_gone(self._send(scope, first, encoder, send), receive)

    async def _send(self, scope: Scope, first: _Answer, encoder: Encoder, send: Send) -> None:
        try:
            async for part in self._parts(scope, first, encoder):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must not take this for the end
            failures.tell(log, "list_cut_off", error)
            last = encoder.broken(problem_of(error))
            if last:
                await send({"type": "http.response.body", "body": last, "more_body": True})
            # Without an end the server cuts the connection: nobody takes this for the whole.
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _parts(self, scope: Scope, first: _Answer, encoder: Encoder) -> AsyncIterator[bytes]:
        page: _Page | None = _decode(first.body)
        head = await asyncio.to_thread(encoder.head)
        while page is not None:
            # In a thread: a page is some milliseconds of work, and others must not wait for them.
            part = head + await asyncio.to_thread(encoder.rows, page.items)
            head = b""
            if part:
                yield part
            page = None if page.next_cursor is None else await self._following(scope, page.next_cursor)
        yield await asyncio.to_thread(encoder.end)

    async def _following(self, scope: Scope, cursor: str) -> _Page:
        context: Context = scope["app"].state.context
        identity: Identity = scope["identity"]
        # It may take long, and whoever reads slowly makes it longer.
        if not await context.auth.still_valid(identity):
            raise unauthorized("You were let in when this began, and would not be any more.")
        answer = await self._page(scope, cursor)
        if answer.start["status"] != HTTPStatus.OK:
            told = msgspec.json.decode(answer.body)
            raise ProblemError(HTTPStatus(answer.start["status"]), told["code"], told["detail"])
        return _decode(answer.body)

    async def _page(self, scope: Scope, cursor: str | None, *, paged: bool = False) -> _Answer:
        """Ask the list's route for a page."""
        query = scope["query_string"]
        if not paged:
            place = b"" if cursor is None else b"&cursor=" + quote(cursor, safe="").encode()
            query = b"%b&limit=%d%b" % (query, MAX_LIMIT, place)
        asked: Scope = {**scope, "query_string": query}
        start: Message = {}
        body = bytearray()

        async def nothing_more() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        try:
            async with self._turns:
                await self._app(asked, nothing_more, take)
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]
        return _Answer(start, bytes(body), _row_type(asked, start))


def _no_list() -> ProblemError:
    return not_found("not_found", "Only what has a list's address can be had as a file. See /openapi.json.")


def _row_type(scope: Scope, start: Message) -> type[msgspec.Struct] | None:
    if start["status"] != HTTPStatus.OK:
        return None
    page = answer_type(scope.get("route"))
    return None if page is None else row_type(page)


def _encoder(wanted: Format, row: type[msgspec.Struct]) -> Encoder:
    if wanted == "ndjson":
        return NdjsonEncoder()
    columns = columns_of(row)
    return CsvEncoder(columns) if wanted == "csv" else ParquetEncoder(columns)


def _start(scope: Scope, first: _Answer, wanted: Format) -> Message:
    context: Context = scope["app"].state.context
    place = scope["path"].removeprefix("/api/v1/").replace("/", "-")
    letters = "".join(letter for letter in place if letter.isascii() and (letter.isalnum() or letter in "-_"))
    name = f"lotkeeper-{letters}-{context.clock():%Y-%m-%d}.{wanted}"
    headers = [
        (b"content-type", MEDIA_TYPES[wanted].encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept, Cookie, Authorization"),
        *freshness_headers(first.body),
    ]
    return {"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": headers}


async def _until_gone(sending: Any, receive: Receive) -> None:
    """Send until the end, or until nobody listens any more."""
    work = asyncio.create_task(sending, name="api-whole-list")
    gone = asyncio.create_task(_gone(receive), name="api-whole-list-reader")
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
    if not work.cancelled():
        work.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
