"""Examples of snapshots and their runs."""

from datetime import datetime, timedelta

from msgspec import Struct

from services.api.schemas.common import Freshness, Links
from services.api.schemas.examples.common import AT, KEPT
from services.api.schemas.snapshots import (
    Snapshot,
    SnapshotCash,
    SnapshotDetail,
    SnapshotFailure,
    SnapshotGap,
    SnapshotGapPage,
    SnapshotPage,
    SnapshotPosition,
    SnapshotRate,
    SnapshotRun,
    SnapshotRunPage,
)

_HOUR: datetime = AT.replace(minute=0, second=0)
_KEPT = Freshness(
    source="last_known",
    as_of=_HOUR - timedelta(seconds=2),
    received_at=_HOUR - timedelta(seconds=2),
    age_seconds=3600,
    stale=True,
    reason="snapshot",
    links=Links(gateway="up", ibkr="up"),
)
_SNAPSHOT = Snapshot(
    id=812,
    run_id=406,
    account="U1234567",
    hour=_HOUR,
    asof_ts=_HOUR - timedelta(seconds=2),
    taken_at=_HOUR + timedelta(seconds=1),
    net_liquidation="118902.44",
    total_cash="20482.11",
    gross_position_value="98420.33",
    base_currency="USD",
    coverage="1",
    source="ibkr",
    payload_sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)

EXAMPLES: dict[type[Struct], Struct] = {
    SnapshotPage: SnapshotPage(items=(_SNAPSHOT,), next_cursor=None, freshness=_KEPT),
    SnapshotDetail: SnapshotDetail(
        **{name: getattr(_SNAPSHOT, name) for name in Snapshot.__struct_fields__},
        positions=(
            SnapshotPosition(
                conid=107550,
                symbol="VOD",
                sec_type="STK",
                quantity="1000",
                average_cost="0.701",
                currency="GBP",
                mark_price="72.4",
                mark_as_of=_HOUR - timedelta(seconds=4),
                fresh=True,
                market_value="724",
                fx_rate="1.3105",
                market_value_base="948.802",
                unrealized_pnl="23",
                daily_pnl="4.5",
                market_open=False,
            ),
        ),
        rates=(
            SnapshotRate(
                currency="GBP", into_currency="USD", rate="1.3105", at=_HOUR - timedelta(seconds=62)
            ),
        ),
        cash=(SnapshotCash(currency="USD", cash="20482.11", at=_HOUR - timedelta(seconds=2)),),
        freshness=_KEPT,
    ),
    SnapshotGapPage: SnapshotGapPage(
        items=(
            SnapshotGap(
                account="U1234567",
                first=_HOUR - timedelta(hours=9),
                last=_HOUR - timedelta(hours=8),
                hours=2,
                reason="gateway_unreachable",
            ),
        ),
        next_cursor=None,
        since=_HOUR - timedelta(days=31),
        until=_HOUR,
        freshness=_KEPT,
    ),
    SnapshotRunPage: SnapshotRunPage(
        items=(
            SnapshotRun(
                id=406,
                trigger="hourly",
                hour=_HOUR,
                account=None,
                job_id=None,
                status="partial",
                attempts=1,
                taken=1,
                failures=(
                    SnapshotFailure(account="U7654321", category="network", reason="incomplete: positions"),
                ),
                error_category="network",
                summary="1 of 2 accounts: network: incomplete: positions",
                schema_version="0010",
                app_version="0.1.0",
                started_at=_HOUR,
                finished_at=_HOUR + timedelta(seconds=1),
            ),
        ),
        next_cursor=None,
        freshness=KEPT,
    ),
}
