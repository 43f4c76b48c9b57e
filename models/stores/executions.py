"""Executions and commission reports, each stored once under the broker's own id."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from core.domain.executions import split_exec_id
from core.events.facts import CommissionReported, ExecutionReported
from models.session import Writer
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import commission_reports, executions

_COLUMNS = (
    "exec_id",
    "exec_base_id",
    "revision",
    "account",
    "conid",
    "executed_at",
    "side",
    "quantity",
    "price",
    "order_id",
    "perm_id",
    "client_id",
    "order_ref",
    "exchange",
    "cumulative_quantity",
    "average_price",
    "liquidity",
    "model_code",
    "zone_assumed",
    "source",
    "received_at",
    "epoch",
    "corrected_by",
    "position_id",
    "realized_pnl",
    "commission_folded",
)
_insert = BulkInsert(executions, _COLUMNS, conflict="ON CONFLICT (exec_id) DO NOTHING")
_PLACE = ("corrected_by", "position_id", "realized_pnl", "commission_folded")
_replace = BulkUpdate(
    executions,
    ("exec_id",),
    _PLACE,
    where="(t.corrected_by, t.position_id, t.commission_folded) IS DISTINCT FROM "
    "(r.corrected_by, CAST(r.position_id AS uuid), r.commission_folded) "
    "OR t.realized_pnl IS DISTINCT FROM CAST(r.realized_pnl AS numeric)",
)
_upsert_commissions = BulkInsert(
    commission_reports,
    ("exec_id", "commission", "currency", "realized_pnl", "received_at", "epoch"),
    conflict="ON CONFLICT (exec_id) DO UPDATE SET commission = excluded.commission, "
    "currency = excluded.currency, "
    # IBKR's later copies may leave its own figure unset.
    "realized_pnl = coalesce(excluded.realized_pnl, commission_reports.realized_pnl), "
    # An amount is known from the first time it was told on: each resync tells all of the day's once more.
    "received_at = CASE WHEN (commission_reports.commission, commission_reports.currency) "
    "= (excluded.commission, excluded.currency) "
    "THEN commission_reports.received_at ELSE excluded.received_at END, "
    "repeated_at = excluded.received_at, epoch = excluded.epoch "
    "WHERE (commission_reports.epoch, "
    "coalesce(commission_reports.repeated_at, commission_reports.received_at)) "
    "< (excluded.epoch, excluded.received_at)",
)


class Place(NamedTuple):
    """What the fold made of an execution."""

    corrected_by: str | None = None
    position_id: UUID | None = None
    realized_pnl: Decimal | None = None
    commission_folded: bool = False


class Received(NamedTuple):
    """An execution fact and the epoch of the connection that brought it."""

    fact: ExecutionReported
    epoch: int


class ReceivedCommission(NamedTuple):
    """A commission fact and the epoch of the connection that brought it."""

    fact: CommissionReported
    epoch: int

    @property
    def order(self) -> tuple[int, datetime]:
        """The later of two reports of one execution counts."""
        return self.epoch, self.fact.received_at


async def insert_executions(connection: Writer, received: Iterable[tuple[Received, Place]]) -> None:
    """Store executions together with their place in the ledger. One that exists stays as it is."""
    rows = [
        (
            fact.exec_id,
            *split_exec_id(fact.exec_id),
            fact.account,
            fact.instrument.conid,
            fact.executed_at,
            fact.side,
            fact.quantity,
            fact.price,
            fact.order_id,
            fact.perm_id,
            fact.client_id,
            fact.order_ref,
            fact.exchange,
            fact.cumulative_quantity,
            fact.average_price,
            fact.liquidity,
            fact.model_code,
            fact.zone_assumed,
            "live",
            fact.received_at,
            epoch,
            *place,
        )
        for (fact, epoch), place in received
    ]
    # In key order, so that two workers that were handed the same entries cannot lock each other out.
    rows.sort(key=lambda row: row[0])
    await _insert(connection, rows)


async def place_executions(connection: Writer, places: Sequence[tuple[str, Place]]) -> None:
    """Say anew where stored executions stand in the ledger."""
    await _replace(connection, sorted((exec_id, *place) for exec_id, place in places))


async def upsert_commissions(connection: Writer, reports: Iterable[ReceivedCommission]) -> None:
    """Store commission reports; of two for one execution the later counts."""
    rows = [
        (fact.exec_id, fact.commission, fact.currency, fact.realized_pnl, fact.received_at, epoch)
        for fact, epoch in reports
    ]
    rows.sort(key=lambda row: row[0])
    await _upsert_commissions(connection, rows)
