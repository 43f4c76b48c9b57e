"""A snapshot and all that belongs to it, written in one transaction, once."""

import hashlib
import zlib
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text

from core.domain.days import day_of
from core.domain.snapshots import Valuation, snapshot_key
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import cash_balances, fx_rates, performance_metrics, snapshot_positions

_keep_payload = text(
    "INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) "
    "VALUES (:sha256, :size_bytes, :content, :now) ON CONFLICT DO NOTHING"
)
_insert_snapshot = text(
    "INSERT INTO snapshots (snapshot_key, run_id, account, hour, asof_ts, taken_at, net_liquidation, "
    "total_cash, gross_position_value, base_currency, coverage, source, payload_sha256) VALUES (:key, "
    ":run_id, :account, :hour, :asof_ts, :taken_at, :net_liquidation, :total_cash, :gross_position_value, "
    ":base_currency, :coverage, 'ibkr', :sha256) ON CONFLICT DO NOTHING RETURNING id"
)
_insert_positions = BulkInsert(
    snapshot_positions,
    (
        *("snapshot_id", "asof_ts", "conid", "quantity", "average_cost", "currency", "mark_price"),
        *("mark_as_of", "fresh", "market_value", "fx_rate", "market_value_base", "unrealized_pnl"),
        *("daily_pnl", "market_open"),
    ),
)
_insert_rates = BulkInsert(
    fx_rates, ("currency", "into_currency", "rate", "as_of", "at", "source", "snapshot_id")
)
_insert_cash = BulkInsert(
    cash_balances,
    ("account", "currency", "cash", "as_of", "at", "source", "snapshot_id", "accrued", "futures_pnl"),
)
_insert_performance = BulkInsert(
    performance_metrics,
    (
        *("account", "resolution", "ts", "source", "day", "currency", "net_liquidation", "total_cash"),
        *("gross_position_value", "daily_pnl", "unrealized_pnl", "realized_pnl", "data_quality"),
    ),
    conflict="ON CONFLICT DO NOTHING",
)
_MOMENT = timedelta(microseconds=1)


class Payload(NamedTuple):
    """What a snapshot was made of: a JSON document by its SHA-256, deflated."""

    sha256: str
    size_bytes: int
    content: bytes

    @classmethod
    def of(cls, document: bytes) -> "Payload":
        """A document as it is kept."""
        return cls(hashlib.sha256(document).hexdigest(), len(document), zlib.compress(document, 6))


async def store_snapshot(
    writer: Writer,
    valued: Valuation,
    payload: Payload,
    *,
    run_id: int,
    hour: datetime | None,
    now: datetime,
) -> int | None:
    """Write a snapshot; its number, or ``None`` where there is one of this account and hour (or run)."""
    await writer.execute(
        _keep_payload,
        {
            "sha256": payload.sha256,
            "size_bytes": payload.size_bytes,
            "content": payload.content,
            "now": now,
        },
    )
    told = {
        "key": snapshot_key(valued.account, hour, run_id),
        "run_id": run_id,
        "account": valued.account,
        "hour": hour,
        "asof_ts": valued.asof_ts,
        "taken_at": now,
        "net_liquidation": valued.net_liquidation,
        "total_cash": valued.total_cash,
        "gross_position_value": valued.gross_position_value,
        "base_currency": valued.base_currency,
        "coverage": valued.coverage,
        "sha256": payload.sha256,
    }
    snapshot_id: int | None = (await writer.execute(_insert_snapshot, told)).scalar_one_or_none()
    if snapshot_id is None:
        return None
    await _store_parts(writer, valued, snapshot_id)
    if hour is not None:
        await _store_performance(writer, valued, hour)
    return snapshot_id


async def _store_parts(writer: Writer, valued: Valuation, snapshot_id: int) -> None:
    day = day_of(valued.asof_ts)
    rates = {rate.currency: rate.rate for rate in valued.rates}
    await _insert_rates(
        writer,
        [
            (rate.currency, valued.base_currency, rate.rate, day, rate.as_of, "snapshot", snapshot_id)
            for rate in valued.rates
        ],
    )
    await _insert_cash(
        writer,
        [
            (
                *(valued.account, cash.currency, cash.cash, day, cash.as_of, "snapshot", snapshot_id),
                *(cash.accrued, cash.futures),
            )
            for cash in valued.cash
        ],
    )
    await _insert_positions(
        writer,
        [
            (
                *(snapshot_id, valued.asof_ts, held.conid, held.quantity, held.average_cost, held.currency),
                *(one.mark_price, held.priced_at, one.fresh, one.market_value),
                1 if held.currency == valued.base_currency else rates.get(held.currency),
                *(one.market_value_base, held.unrealized_pnl, held.daily_pnl, one.market_open),
            )
            for one in valued.positions
            for held in (one.holding,)
        ],
    )


async def _store_performance(writer: Writer, valued: Valuation, hour: datetime) -> None:
    """The hour's row, of which nothing is reckoned yet."""
    pnl = valued.pnl
    await _insert_performance(
        writer,
        [
            (
                # The hour ends with its snapshot; at midnight that still is the day before.
                *(valued.account, "hour", hour, "snapshot", day_of(hour - _MOMENT), valued.base_currency),
                *(valued.net_liquidation, valued.total_cash, valued.gross_position_value),
                *((None, None, None) if pnl is None else pnl[:3]),
                "incomplete",
            )
        ],
    )
