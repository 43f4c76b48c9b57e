from typing import Any

from msgspec import Struct

from core.domain.link import LinkState, UpDown
from core.domain.outages import BarStatus, HistoryRange
from services.api.schemas.common import Amount, Freshness, Moment


class Job(Struct, frozen=True, kw_only=True):
    """Long work that was asked for. ``progress`` runs from 0 to 1 where it is known.

    ``result`` is what came of it, where there is anything to tell: an import's report.
    """

    id: str
    kind: str
    status: str
    progress: Amount | None
    error: str | None
    result: dict[str, Any] | None = None


class JobAnswer(Struct, frozen=True, kw_only=True):
    """The job to follow."""

    job: Job


class JobRecord(Struct, frozen=True, kw_only=True):
    """A job with its times."""

    id: str
    kind: str
    status: str
    progress: Amount | None
    error: str | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class LinkReport(Struct, frozen=True, kw_only=True):
    """The links as the broker process last told; ``complete`` once this connection's resync ended well.

    ``state`` is where the broker link is in its life; null while it says nothing.
    """

    gateway: UpDown
    ibkr: UpDown
    reason: str | None
    since: Moment | None
    complete: bool
    state: LinkState | None
    last_beat_at: Moment | None
    last_message_at: Moment | None
    clock_offset_seconds: float | None


class LoginReport(LinkReport, frozen=True, kw_only=True):
    """The link of one login, named by its gateway's ``host:port``, and the accounts that it lists.

    One whose link was never connected lists none yet.
    """

    login: str
    accounts: tuple[str, ...]


class DatasetReport(Struct, frozen=True, kw_only=True):
    """One download of one account. ``cadence_seconds`` null: it comes on change."""

    account: str
    dataset: str
    as_of: Moment
    age_seconds: int
    cadence_seconds: int | None
    complete: bool
    error: str | None


class GapReport(Struct, frozen=True, kw_only=True):
    """A time of which the gateway can tell an account's executions no more: a statement has to."""

    account: str
    started_at: Moment
    ended_at: Moment
    reason: str
    detected_at: Moment


class DueReport(Struct, frozen=True, kw_only=True):
    """What the workers have to do: ``due`` now, for ``overdue_seconds`` at most, and ``failing`` so far."""

    due: int
    overdue_seconds: int
    failing: int


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
    last_seen_at: Moment


class ErrorReport(Struct, frozen=True, kw_only=True):
    """One recent failure."""

    at: Moment
    category: str
    message: str


class SyncReport(Struct, frozen=True, kw_only=True):
    """Why the data is as fresh as it is. ``streams`` is null while Redis is away.

    ``links`` is what holds of all together: of several logins that of the one that is not live.
    """

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


class SyncBar(Struct, frozen=True, kw_only=True):
    """A part of the time, with the worst that was in it, and why.

    ``missing``: hours without a snapshot. ``interrupted``: the link was away for a while, nothing is missing.
    """

    start: Moment
    end: Moment
    status: BarStatus
    reasons: tuple[str, ...]


class SyncHistory(Struct, frozen=True, kw_only=True):
    """Whether data came, bar by bar, oldest first; the last bar is not over yet.

    After ``relogin_at`` IBKR wants the gateway logged in anew.
    """

    range: HistoryRange
    items: tuple[SyncBar, ...]
    relogin_at: Moment
    freshness: Freshness
