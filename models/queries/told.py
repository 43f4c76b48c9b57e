"""What PostgreSQL has of what the broker link told."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from models.session import Reader

_heard_until = text("SELECT max(as_of) FROM sync_datasets WHERE dataset = 'executions' AND epoch = :epoch")
_answered_until = text(
    "SELECT CASE WHEN count(*) = cardinality(CAST(:accounts AS text[])) THEN min(as_of) END "
    "FROM sync_datasets WHERE dataset = 'executions' AND complete AND account = ANY(:accounts)"
)
_missing = text(
    "SELECT k.exec_id FROM unnest(CAST(:exec_ids AS text[]), CAST(:paid AS boolean[])) AS k(exec_id, paid) "
    "WHERE NOT EXISTS (SELECT FROM executions e WHERE e.exec_id = k.exec_id) "
    "OR (k.paid AND NOT EXISTS (SELECT FROM commission_reports c WHERE c.exec_id = k.exec_id))"
)
_kept_aside = text(
    "SELECT k.exec_id FROM unnest(CAST(:exec_ids AS text[])) AS k(exec_id) WHERE EXISTS (SELECT "
    "FROM dead_facts d WHERE d.source = 'facts' AND strpos(d.payload, '\"' || k.exec_id || '\"') > 0)"
)
_since = text(
    "SELECT e.exec_id, e.quantity, e.price, e.received_at, "
    "c.commission, c.realized_pnl, c.received_at AS paid_at "
    "FROM executions e LEFT JOIN commission_reports c ON c.exec_id = e.exec_id AND c.stated_by IS NULL "
    "WHERE e.source = 'live' AND (e.received_at, e.exec_id) > (:received_at, :exec_id) "
    "ORDER BY e.received_at, e.exec_id LIMIT :most"
)
_AT_ONCE = 5_000


class RecordedFigures(NamedTuple):
    """An execution as stored, with its commission where that is known; when each was told, by our clock."""

    exec_id: str
    quantity: Decimal
    price: Decimal
    received_at: datetime
    commission: Decimal | None
    realized_pnl: Decimal | None
    paid_at: datetime | None


async def heard_until(reader: Reader, epoch: int) -> datetime | None:
    """By the broker's clock, up to when what a connection told is stored: its last word on executions."""
    heard: datetime | None = (await reader.execute(_heard_until, {"epoch": epoch})).scalar_one()
    return heard


async def answered_until(reader: Reader, accounts: Collection[str]) -> datetime | None:
    """By the broker's clock, up to when the executions of all these accounts were told completely.

    ``None``: those of one of them never were, or the last answer about them was not complete.
    """
    until: datetime | None = (
        await reader.execute(_answered_until, {"accounts": sorted(accounts)})
    ).scalar_one()
    return until


async def missing_executions(reader: Reader, told: Mapping[str, bool]) -> list[str]:
    """Those of the executions that are not stored, or whose commission is not where it was told too."""
    exec_ids = sorted(told)
    missing: list[str] = []
    for start in range(0, len(exec_ids), _AT_ONCE):
        part = exec_ids[start : start + _AT_ONCE]
        parameters = {"exec_ids": part, "paid": [told[exec_id] for exec_id in part]}
        missing.extend(row.exec_id for row in await reader.execute(_missing, parameters))
    return missing


async def kept_aside(reader: Reader, exec_ids: Collection[str]) -> set[str]:
    """Those of the executions of which something could not be applied, and is kept aside."""
    rows = await reader.execute(_kept_aside, {"exec_ids": sorted(exec_ids)})
    return {row.exec_id for row in rows}


async def executions_since(reader: Reader, since: datetime, most: int) -> list[RecordedFigures]:
    """The first ``most`` executions that were first told live from ``since`` on, by our clock."""
    found: list[RecordedFigures] = []
    place = {"received_at": since, "exec_id": ""}
    while len(found) < most:
        rows = await reader.execute(_since, {**place, "most": min(_AT_ONCE, most - len(found))})
        part = [RecordedFigures(*row) for row in rows]
        if not part:
            break
        found += part
        place = {"received_at": part[-1].received_at, "exec_id": part[-1].exec_id}
    return found
