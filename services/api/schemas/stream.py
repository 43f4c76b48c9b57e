"""The messages of the WebSocket. ``snapshot`` and ``delta`` are put together from rows encoded once."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from core.domain.link import LinkState
from services.api.schemas.common import Freshness, Links, Moment
from services.api.schemas.sync import DatasetReport, DueReport, LinkReport, StreamReport

TOPICS = ("positions", "summary", "executions", "sync", "jobs")


class _Client(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client may say."""


class Authenticate(_Client, frozen=True, kw_only=True, tag="auth"):
    """The first message of a client without a session cookie."""

    token: Annotated[str, Meta(max_length=512)]


class Subscription(Struct, frozen=True, kw_only=True):
    """A topic, and where to go on from after a reconnect."""

    topic: Annotated[str, Meta(max_length=64)]
    epoch: str | None = None
    after_seq: Annotated[int, Meta(ge=0)] | None = None


class Subscribe(_Client, frozen=True, kw_only=True, tag="subscribe"):
    """Asks for topics; a topic asked for again starts again."""

    topics: Annotated[tuple[Subscription, ...], Meta(min_length=1, max_length=16)]


class Unsubscribe(_Client, frozen=True, kw_only=True, tag="unsubscribe"):
    """Ends topics."""

    topics: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]


decode_client = msgspec.json.Decoder(Authenticate | Subscribe | Unsubscribe).decode


class SyncPart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of the topic ``sync``: one of these, as ``GET /api/v1/sync`` has it.

    Keys are ``links``, ``dataset/{account}/{dataset}``, ``stream/{name}``, ``outbox`` and ``jobs_due``.
    """

    links: LinkReport | None = None
    dataset: DatasetReport | None = None
    stream: StreamReport | None = None
    outbox_entries: int | None = None
    jobs_due: DueReport | None = None


class _Server(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What the server says."""


class Hello(_Server, frozen=True, kw_only=True, tag="hello"):
    """The client is known: it may subscribe."""

    server_time: Moment
    profile: str
    version: str
    heartbeat_seconds: float
    topics: tuple[str, ...]


class Resumed(_Server, frozen=True, kw_only=True, tag="resumed"):
    """The deltas after ``after_seq`` follow."""

    topic: str
    epoch: str
    after_seq: int
    replayed: int
    freshness: Freshness


class Reset(_Server, frozen=True, kw_only=True, tag="reset"):
    """What the client knows of the topic is void; a snapshot follows."""

    topic: str
    reason: str


class Heartbeat(_Server, frozen=True, kw_only=True, tag="heartbeat"):
    """The newest sequence of each subscribed topic."""

    seqs: dict[str, int]
    server_time: Moment


class Status(_Server, frozen=True, kw_only=True, tag="status"):
    """The links, or what follows from them, changed. ``state`` is the link's own; null while it is silent."""

    links: Links
    state: LinkState | None
    since: Moment | None
    reason: str | None
    freshness: Freshness
    server_time: Moment


class StreamError(_Server, frozen=True, kw_only=True, tag="error"):
    """A message of the client could not be followed."""

    code: str
    detail: str
    topic: str = ""


class Bye(_Server, frozen=True, kw_only=True, tag="bye"):
    """The server is going; come back after ``retry_after_ms``."""

    retry_after_ms: int
