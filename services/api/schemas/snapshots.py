from msgspec import Struct

from core.domain.snapshot_runs import RunStatus, SnapshotTrigger
from core.domain.snapshots import SnapshotSource
from core.errors import ErrorCategory
from services.api.schemas.common import Amount, Freshness, Moment


class Snapshot(Struct, frozen=True, kw_only=True):
    """What an account was worth at ``asof_ts``, the broker's time of ``net_liquidation``.

    Amounts are in ``base_currency`` and the broker's own; what it did not tell is null. ``hour`` is which
    hour it was taken for; null: somebody asked for it. ``coverage`` (0 to 1) is the share of what was held,
    by value in the base currency, that had a mark of that time and a rate. ``payload_sha256`` names what it
    was made of. ``thinned_at`` is when its positions and payload were dropped, as the owner wished of what is
    long ago; null: they are kept.
    """

    id: int
    run_id: int
    account: str
    hour: Moment | None
    asof_ts: Moment
    taken_at: Moment
    net_liquidation: Amount
    total_cash: Amount | None
    gross_position_value: Amount | None
    base_currency: str
    coverage: Amount
    source: SnapshotSource
    payload_sha256: str | None
    thinned_at: Moment | None = None


class SnapshotPage(Struct, frozen=True, kw_only=True):
    """Snapshots, newest first."""

    items: tuple[Snapshot, ...]
    next_cursor: str | None
    freshness: Freshness


class SnapshotPosition(Struct, frozen=True, kw_only=True):
    """What was held of an instrument, as the broker told it, and what it was worth.

    ``market_value`` and the profits are in ``currency``, ``market_value_base`` is that times ``fx_rate``.
    What is not known is null: without a mark that can be believed there is no value, without a rate none in
    the base currency. ``fresh``: the mark, told at ``mark_as_of``, was of that time. ``market_open`` says
    whether its regular trading hours went on; null: they are not known.
    """

    conid: int
    symbol: str
    sec_type: str
    quantity: Amount
    average_cost: Amount | None
    currency: str
    mark_price: Amount | None
    mark_as_of: Moment | None
    fresh: bool
    market_value: Amount | None
    fx_rate: Amount | None
    market_value_base: Amount | None
    unrealized_pnl: Amount | None
    daily_pnl: Amount | None
    market_open: bool | None


class SnapshotRate(Struct, frozen=True, kw_only=True):
    """What one unit of ``currency`` was worth in ``into_currency``, as the broker had told it ``at``."""

    currency: str
    into_currency: str
    rate: Amount
    at: Moment


class SnapshotCash(Struct, frozen=True, kw_only=True):
    """Cash in one currency; ``BASE_SUMMARY`` is all of it, in the base currency."""

    currency: str
    cash: Amount
    at: Moment


class SnapshotDetail(Snapshot, frozen=True, kw_only=True):
    """A snapshot with all that belongs to it; null: that is not kept any more, see ``thinned_at``."""

    positions: tuple[SnapshotPosition, ...] | None
    rates: tuple[SnapshotRate, ...]
    cash: tuple[SnapshotCash, ...]
    freshness: Freshness


class SnapshotFailure(Struct, frozen=True, kw_only=True):
    """Why an account has no snapshot of a run."""

    account: str
    category: ErrorCategory
    reason: str


class SnapshotRun(Struct, frozen=True, kw_only=True):
    """An attempt to take snapshots, of an ``hour`` or for who asked; of one ``account``, or of all.

    ``success``: every account has its snapshot; ``partial``: ``taken`` of them; ``fail``: none. A run of an
    hour that has not succeeded is tried again, ``attempts`` times so far, until the hour is over:
    then it is a gap.
    """

    id: int
    trigger: SnapshotTrigger
    hour: Moment | None
    account: str | None
    job_id: str | None
    status: RunStatus
    attempts: int
    taken: int
    failures: tuple[SnapshotFailure, ...]
    error_category: ErrorCategory | None
    summary: str
    schema_version: str
    app_version: str
    started_at: Moment
    finished_at: Moment | None


class SnapshotGap(Struct, frozen=True, kw_only=True):
    """Hours in a row of which an account has no snapshot, for one ``reason``: ``first`` to ``last``.

    ``reason`` is why the broker's word could not be taken then, ``not_running``: nothing ran at all.
    """

    account: str
    first: Moment
    last: Moment
    hours: int
    reason: str


class SnapshotGapPage(Struct, frozen=True, kw_only=True):
    """Gaps of the time from ``since`` until ``until``, newest first."""

    items: tuple[SnapshotGap, ...]
    next_cursor: str | None
    since: Moment
    until: Moment
    freshness: Freshness


class SnapshotRunPage(Struct, frozen=True, kw_only=True):
    """Runs, newest first."""

    items: tuple[SnapshotRun, ...]
    next_cursor: str | None
    freshness: Freshness
