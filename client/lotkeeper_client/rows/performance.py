"""What accounts were worth and earned."""

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field

from lotkeeper_client.rows.common import Freshness


class Performance(Struct, frozen=True, kw_only=True):
    """What an account was worth at the end of an hour or a day, and what it had earned."""

    account: str
    resolution: str
    ts: datetime
    day: date
    source: str
    currency: str | None
    net_liquidation: Decimal
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    daily_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    net_contribution: Decimal | None
    twr: Decimal | None
    drawdown: Decimal | None
    data_quality: str
    import_id: int | None


class AttributionItem(Struct, frozen=True, kw_only=True):
    """What an instrument, a class, a currency or a kind gained, and by what."""

    key: str
    conid: int | None
    symbol: str | None
    asset_class: str | None
    currency: str | None
    price: Decimal | None
    dividends: Decimal | None
    interest: Decimal | None
    fees: Decimal | None
    fx: Decimal | None
    total: Decimal
    complete: bool


class AttributionUnknown(Struct, frozen=True, kw_only=True):
    """A part that is not known, and why. Without a `kind` it is what the owner brought or took."""

    kind: str | None
    conid: int | None
    symbol: str | None
    asset_class: str | None
    currency: str | None
    reason: str


class AttributionUnclassified(Struct, frozen=True, kw_only=True):
    """Cash that came (or, negative, went) without anything that tells what it was; `worth`: in base."""

    currency: str
    amount: Decimal
    worth: Decimal | None


class Attribution(Struct, frozen=True, kw_only=True):
    """Where an account's gain came from, in `currency`, its base currency."""

    account: str
    since: datetime = field(name="from")
    until: datetime = field(name="to")
    start_source: str
    end_source: str
    by: str
    currency: str
    start_value: Decimal
    end_value: Decimal
    net_contribution: Decimal
    gain: Decimal
    items: tuple[AttributionItem, ...]
    unexplained: Decimal
    unknown: tuple[AttributionUnknown, ...]
    unclassified: tuple[AttributionUnclassified, ...]
    rate_age_seconds: int
    data_quality: str
    freshness: Freshness


class Snapshot(Struct, frozen=True, kw_only=True):
    """What an account was worth at `asof_ts`, the broker's time of `net_liquidation`."""

    id: int
    run_id: int
    account: str
    hour: datetime | None
    asof_ts: datetime
    taken_at: datetime
    net_liquidation: Decimal
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    base_currency: str
    coverage: Decimal
    source: str
    payload_sha256: str | None
    thinned_at: datetime | None = None


class SnapshotPosition(Struct, frozen=True, kw_only=True):
    """What was held of an instrument, as the broker told it, and what it was worth."""

    conid: int
    symbol: str
    sec_type: str
    quantity: Decimal
    average_cost: Decimal | None
    currency: str
    mark_price: Decimal | None
    mark_as_of: datetime | None
    fresh: bool
    market_value: Decimal | None
    fx_rate: Decimal | None
    market_value_base: Decimal | None
    unrealized_pnl: Decimal | None
    daily_pnl: Decimal | None
    market_open: bool | None


class SnapshotRate(Struct, frozen=True, kw_only=True):
    """What one unit of `currency` was worth in `into_currency`, as the broker had told it `at`."""

    currency: str
    into_currency: str
    rate: Decimal
    at: datetime


class SnapshotCash(Struct, frozen=True, kw_only=True):
    """Cash in one currency; `BASE_SUMMARY` is all of it, in the base currency."""

    currency: str
    cash: Decimal
    at: datetime


class SnapshotDetail(Snapshot, frozen=True, kw_only=True):
    """A snapshot with all that belongs to it; null: that is not kept any more, see `thinned_at`."""

    positions: tuple[SnapshotPosition, ...] | None
    rates: tuple[SnapshotRate, ...] | None
    cash: tuple[SnapshotCash, ...] | None
    freshness: Freshness


class SnapshotGap(Struct, frozen=True, kw_only=True):
    """Hours in a row of which an account has no snapshot, for one `reason`: `first` to `last`."""

    account: str
    first: datetime
    last: datetime
    hours: int
    reason: str


class SnapshotFailure(Struct, frozen=True, kw_only=True):
    """Why an account has no snapshot of a run."""

    account: str
    category: str
    reason: str


class SnapshotRun(Struct, frozen=True, kw_only=True):
    """An attempt to take snapshots, of an `hour` or for who asked; of one `account`, or of all."""

    id: int
    trigger: str
    hour: datetime | None
    account: str | None
    job_id: str | None
    status: str
    attempts: int
    taken: int
    failures: tuple[SnapshotFailure, ...]
    error_category: str | None
    summary: str
    schema_version: str
    app_version: str
    started_at: datetime
    finished_at: datetime | None
