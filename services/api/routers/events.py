"""The stream as server-sent events: what the WebSocket says, for a script that only reads."""

import asyncio
import re
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.api.context import Context, Shared
from services.api.exchange import exchange_of
from services.api.live.admission import admitted, greet
from services.api.live.client import Client
from services.api.openapi import answers
from services.api.problems import ProblemError
from services.api.schemas.common import FieldError
from services.api.schemas.stream import TOPICS, Subscription
from services.api.security.identity import Identity, identity_of

router = APIRouter(prefix="/api/v1", tags=["stream"])

_PLACE = re.compile(r"([a-z]{1,32})=([0-9a-f]{1,64}):([0-9]{1,15})")
_EVENT_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


class _Head(msgspec.Struct, frozen=True):
    """As much of a message as says where its topic stands."""

    type: str
    topic: str = ""
    epoch: str = ""
    seq: int = 0
    retry_after_ms: int = 0


_head = msgspec.json.Decoder(_Head).decode


def _asked(topics: str) -> list[str]:
    """The topics by name.

    Raises:
        ProblemError: 422, one of them does not exist.
    """
    names = list(dict.fromkeys(name.strip() for name in topics.split(",")))
    unknown = [name for name in names if name not in TOPICS]
    if unknown:
        detail = f"There is no such topic; there are {', '.join(TOPICS)}."
        wrong = (FieldError(location="query.topics", message=detail),)
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", detail, errors=wrong)
    return names


class _Events(Response):
    """One reader, from its first event to its last. Events wait in the same bounded queue as messages."""

    def __init__(
        self, context: Context, identity: Identity, topics: list[str], last_event_id: str | None
    ) -> None:
        super().__init__(
            headers={"cache-control": "no-store", "x-accel-buffering": "no"}, media_type="text/event-stream"
        )
        del self.headers["content-length"]
        self._context = context
        self._identity = identity
        self._client = Client(frames=context.queue_frames)
        self._topics = topics
        self._places: dict[str, tuple[str, int]] = {}
        self._after = {topic: (epoch, int(seq)) for topic, epoch, seq in _PLACE.findall(last_event_id or "")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the reader leaves or the server does."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        if exchange_of(scope).bodiless:
            await send({"type": "http.response.body", "body": b""})
            return

        async def tell(text: str) -> None:
            body = self._event(text).encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})

        with admitted(self._context, self._client, self._identity):
            greet(self._context, self._client)
            for topic in self._topics:
                epoch, after_seq = self._after.get(topic, (None, None))
                wanted = Subscription(topic=topic, epoch=epoch, after_seq=after_seq)
                self._context.hub.subscribers.subscribe(self._client, wanted)
            pumping = asyncio.create_task(
                self._client.pump(tell, self._context.hub.subscribers.give_anew), name="events-pump"
            )
            leaving = asyncio.create_task(_gone(receive), name="events-gone")
            try:
                await asyncio.wait((pumping, leaving), return_when=asyncio.FIRST_COMPLETED)
                is_over = pumping.done()
            finally:
                for task in (pumping, leaving):
                    task.cancel()
                results = await asyncio.gather(pumping, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result
        if is_over:
            await send({"type": "http.response.body", "body": b""})

    def _event(self, text: str) -> str:
        head = _head(text)
        if head.type == "heartbeat":
            return f": {text}\n\n"
        if head.type in {"snapshot", "delta"}:
            self._places[head.topic] = (head.epoch, head.seq)
        lines = [f"data: {text}"]
        if self._places:
            places = ",".join(f"{name}={epoch}:{seq}" for name, (epoch, seq) in sorted(self._places.items()))
            lines.insert(0, f"id: {places}")
        if head.retry_after_ms:
            lines.append(f"retry: {head.retry_after_ms}")
        return "\n".join(lines) + "\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/stream/events",
    summary="The stream as server-sent events",
    response_class=Response,
    responses=answers(None, 403)
    | {200: {"description": "Events, until either side ends it", "content": _EVENT_STREAM}},
)
async def events(
    request: Request,
    context: Shared,
    topics: Annotated[
        str, Query(max_length=200, description="names of topics, separated by commas")
    ] = "positions,summary",
    last_event_id: Annotated[
        str | None, Header(max_length=1000, description="the last id that was read, to resume from there")
    ] = None,
) -> Response:
    """The messages of the WebSocket, one an event; heartbeats are comments. `Last-Event-ID` resumes."""
    exchange_of(request.scope).lasts = True
    return _Events(context, identity_of(request), _asked(topics), last_event_id)
