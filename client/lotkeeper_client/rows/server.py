"""The server itself."""

from datetime import datetime

from msgspec import Struct

from lotkeeper_client.rows.attention import JobRecord
from lotkeeper_client.rows.common import Freshness


class MetaLimits(Struct, frozen=True, kw_only=True):
    """What one question may have at most."""

    page_default: int
    page_most: int
    points_most: int
    import_bytes: int
    imports_at_once: int


class MetaLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here, on this server."""

    openapi: str
    asyncapi: str
    stream: str
    events: str
    livez: str
    readyz: str
    metrics: str


class Meta(Struct, frozen=True, kw_only=True):
    """What a client needs to begin."""

    name: str
    version: str
    api_version: str
    schema: str
    profile: str
    server_time: datetime
    server_time_zone: str
    broker_time_zone: str
    accounts: int
    features: tuple[str, ...]
    topics: tuple[str, ...]
    limits: MetaLimits
    links: MetaLinks
    freshness: Freshness


class Setting(Struct, frozen=True, kw_only=True):
    """A setting of this process, as it was when it began."""

    name: str
    variable: str
    meaning: str
    value: str | int | float | bool | tuple[str, ...] | None
    default: str | int | float | bool | tuple[str, ...] | None
    source: str
    secret: bool
    is_set: bool


class LinkReport(Struct, frozen=True, kw_only=True):
    """The links as the broker process last told; `complete` once this connection's resync ended well."""

    gateway: str
    ibkr: str
    reason: str | None
    since: datetime | None
    complete: bool
    state: str | None
    last_beat_at: datetime | None
    last_message_at: datetime | None
    clock_offset_seconds: float | None


class LoginReport(LinkReport, frozen=True, kw_only=True):
    """The link of one login, named by its gateway's `host:port`, and the accounts that it lists.

    One whose link was never connected lists none yet.
    """

    login: str = ""
    accounts: tuple[str, ...]


class DatasetReport(Struct, frozen=True, kw_only=True):
    """One download of one account. `cadence_seconds` null: it comes on change."""

    account: str
    dataset: str
    as_of: datetime
    age_seconds: int
    cadence_seconds: int | None
    complete: bool
    error: str | None


class GapReport(Struct, frozen=True, kw_only=True):
    """A time of which the gateway can tell an account's executions no more: a statement has to."""

    account: str
    started_at: datetime
    ended_at: datetime
    reason: str
    detected_at: datetime


class GroupReport(Struct, frozen=True, kw_only=True):
    """A consumer group of a stream."""

    name: str
    pending_entries: int
    lag_entries: int | None


class StreamReport(Struct, frozen=True, kw_only=True):
    """A stream's length and readers."""

    name: str
    length_entries: int
    last_id: str
    groups: tuple[GroupReport, ...]


class DeadReport(Struct, frozen=True, kw_only=True):
    """Messages that could not be read, kept aside."""

    category: str
    kinds: int
    occurrences: int
    last_seen_at: datetime


class DueReport(Struct, frozen=True, kw_only=True):
    """What the workers have to do: `due` now, for `overdue_seconds` at most, and `failing` so far."""

    due: int
    overdue_seconds: int
    failing: int


class ErrorReport(Struct, frozen=True, kw_only=True):
    """One recent failure."""

    at: datetime
    category: str
    message: str


class SyncReport(Struct, frozen=True, kw_only=True):
    """Why the data is as fresh as it is. `streams` is null while Redis is away."""

    links: LinkReport
    logins: tuple[LoginReport, ...]
    datasets: tuple[DatasetReport, ...]
    gaps: tuple[GapReport, ...]
    streams: tuple[StreamReport, ...] | None
    outbox_entries: int
    dead_facts: tuple[DeadReport, ...]
    jobs: tuple[JobRecord, ...]
    jobs_due: DueReport
    last_errors: tuple[ErrorReport, ...]
    freshness: Freshness
