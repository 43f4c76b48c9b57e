"""Executions and commission reports, each stored once under the broker's own id."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text

from core.domain.books import BookKey
from core.domain.executions import split_exec_id
from core.domain.rates import OTHER_DAYS_RATE
from core.events.facts import CommissionReported, ExecutionReported
from models.book_keys import BOOKS, book_arrays
from models.session import Writer
from models.stores.bulk import BulkInsert, BulkUpdate
from models.tables import commission_reports, executions
from models.tables.executions import RATE_COLUMNS

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
_RATE = ("rate", "rate_as_of", "rate_source")
_upsert_commissions = BulkInsert(
    commission_reports,
    ("exec_id", "commission", "currency", "realized_pnl", "received_at", "repeated_at", "epoch"),
    alias="c",
    # A statement's figure wins over what is told live, which is kept beside it for the day on which the
    # statement is taken back.
    conflict="ON CONFLICT (exec_id) DO UPDATE SET "
    + "".join(
        f"{name} = CASE WHEN c.stated_by IS NULL THEN excluded.{name} ELSE c.{name} END, "
        f"live_{name} = CASE WHEN c.stated_by IS NOT NULL THEN excluded.{name} END, "
        for name in ("commission", "currency")
    )
    # A recorded rate stands, whatever is told once more; that of another currency means nothing here.
    + "".join(
        f"{name} = CASE WHEN c.currency = excluded.currency OR c.stated_by IS NOT NULL THEN c.{name} END, "
        for name in RATE_COLUMNS
    )
    # IBKR's later copies may leave its own figure unset.
    + "realized_pnl = CASE WHEN c.stated_by IS NULL THEN coalesce(excluded.realized_pnl, c.realized_pnl) "
    "ELSE coalesce(c.realized_pnl, excluded.realized_pnl) END, "
    "live_realized_pnl = CASE WHEN c.stated_by IS NOT NULL "
    "THEN coalesce(excluded.realized_pnl, c.live_realized_pnl) END, "
    # An amount is known from the first time it was told on: each resync tells all of the day's once more.
    "received_at = CASE WHEN c.stated_by IS NOT NULL "
    "OR (c.commission, c.currency) = (excluded.commission, excluded.currency) "
    "THEN c.received_at ELSE excluded.received_at END, "
    "repeated_at = coalesce(excluded.repeated_at, excluded.received_at), epoch = excluded.epoch "
    "WHERE (c.epoch, coalesce(c.repeated_at, c.received_at)) "
    "< (excluded.epoch, coalesce(excluded.repeated_at, excluded.received_at))",
)
# Locked in the order in which they are given, as everywhere: the condition holds of what is locked.
_confirm_commissions = text(
    "WITH held AS MATERIALIZED (SELECT c.exec_id, k.told_at, k.epoch FROM "
    "unnest(CAST(:exec_ids AS text[]), CAST(CAST(:amounts AS text[]) AS numeric[]), "
    "CAST(:currencies AS text[]), CAST(CAST(:realized AS text[]) AS numeric[]), "
    "CAST(:told_at AS timestamptz[]), CAST(:epochs AS bigint[])) "
    "AS k(exec_id, commission, currency, realized_pnl, told_at, epoch) CROSS JOIN LATERAL ("
    "SELECT exec_id FROM commission_reports WHERE exec_id = k.exec_id AND stated_by IS NULL "
    "AND (commission, currency) = (k.commission, k.currency) "
    "AND (k.realized_pnl IS NULL OR realized_pnl = k.realized_pnl) "
    "AND (epoch, coalesce(repeated_at, received_at)) < (k.epoch, k.told_at) OFFSET 0 FOR UPDATE) c) "
    "UPDATE commission_reports c SET repeated_at = held.told_at, epoch = held.epoch "
    "FROM held WHERE c.exec_id = held.exec_id RETURNING c.exec_id"
)
_record_rates = BulkUpdate(commission_reports, ("exec_id", "currency"), _RATE, where="t.rate IS NULL")
# What was all there was is kept beside a statement's, for the day on which that is taken back.
_set_aside_rates = text(
    "UPDATE commission_reports SET other_days_rate = rate, other_days_rate_as_of = rate_as_of, "  # noqa: S608 - no input in it
    "rate = NULL, rate_as_of = NULL, rate_source = NULL "
    f"WHERE exec_id = ANY(:exec_ids) AND rate_source = '{OTHER_DAYS_RATE}'"
)
_forget_rates = text(
    f"UPDATE commission_reports c SET {', '.join(f'{name} = NULL' for name in RATE_COLUMNS)} "  # noqa: S608 - as above
    f"FROM {BOOKS} "
    "JOIN executions e USING (account, conid) WHERE c.exec_id = e.exec_id AND c.rate IS NOT NULL"
)
_restore_rates = text(
    "UPDATE commission_reports c SET rate = other_days_rate, rate_as_of = other_days_rate_as_of, "  # noqa: S608 - as above
    f"rate_source = CASE WHEN other_days_rate IS NOT NULL THEN '{OTHER_DAYS_RATE}' END, "
    f"other_days_rate = NULL, other_days_rate_as_of = NULL FROM {BOOKS} "
    "JOIN executions e USING (account, conid) WHERE c.exec_id = e.exec_id "
    "AND :source = ANY(string_to_array(c.rate_source, ', '))"
)


_told_live = text("UPDATE executions SET source = 'live' WHERE exec_id = ANY(:exec_ids) AND quantity > 0")


class Place(NamedTuple):
    """What the fold made of an execution."""

    corrected_by: str | None = None
    position_id: UUID | None = None
    realized_pnl: Decimal | None = None
    commission_folded: bool = False


UNPLACED = Place()
"""That of an execution that stands nowhere in the ledger."""


class Received(NamedTuple):
    """An execution fact and its place: the epoch of the connection that brought it, its sequence there."""

    fact: ExecutionReported
    epoch: int
    seq: int = 0


class ReceivedCommission(NamedTuple):
    """A commission fact and the epoch of the connection that brought it.

    ``first_at`` is when this amount was first told, where that was earlier in the same batch.
    """

    fact: CommissionReported
    epoch: int
    first_at: datetime | None = None

    @property
    def order(self) -> tuple[int, datetime]:
        """The later of two reports of one execution counts."""
        return self.epoch, self.fact.received_at

    def after(self, earlier: "ReceivedCommission") -> "ReceivedCommission":
        """This report, with what the earlier one of the same execution tells besides."""
        fact, known = self.fact, earlier.fact
        if fact.realized_pnl is None and known.realized_pnl is not None:
            fact = replace(fact, realized_pnl=known.realized_pnl)
        is_repeat = (fact.commission, fact.currency) == (known.commission, known.currency)
        return ReceivedCommission(
            fact, self.epoch, (earlier.first_at or known.received_at) if is_repeat else None
        )


class RecordedRate(NamedTuple):
    """What one unit of a commission's currency is worth in its instrument's, and who said so when."""

    exec_id: str
    currency: str
    rate: Decimal
    as_of: datetime
    source: str


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
        for (fact, epoch, _), place in received
    ]
    # In key order, so that two workers that were handed the same entries cannot lock each other out.
    rows.sort(key=lambda row: row[0])
    await _insert(connection, rows)


async def note_told_live(connection: Writer, exec_ids: Iterable[str]) -> None:
    """Executions that a statement told of first were told live, too: they stay without it."""
    await connection.execute(_told_live, {"exec_ids": sorted(exec_ids)})


async def place_executions(connection: Writer, places: Sequence[tuple[str, Place]]) -> None:
    """Say anew where stored executions stand in the ledger."""
    await _replace(connection, sorted((exec_id, *place) for exec_id, place in places))


async def upsert_commissions(connection: Writer, reports: Iterable[ReceivedCommission]) -> None:
    """Store commission reports; of two for one execution the later counts."""
    rows = [
        (
            fact.exec_id,
            fact.commission,
            fact.currency,
            fact.realized_pnl,
            first_at or fact.received_at,
            None if first_at is None else fact.received_at,
            epoch,
        )
        for fact, epoch, first_at in reports
    ]
    rows.sort(key=lambda row: row[0])
    await _upsert_commissions(connection, rows)


async def confirm_commissions(connection: Writer, reports: Iterable[ReceivedCommission]) -> set[str]:
    """Note of stored reports that the same was told once more; returns of which executions.

    A report that is no longer as it is told, or of which something later is known, is left as it is.
    """
    ordered = sorted(reports, key=lambda one: one.fact.exec_id)
    rows = await connection.execute(
        _confirm_commissions,
        {
            "exec_ids": [one.fact.exec_id for one in ordered],
            "amounts": [str(one.fact.commission) for one in ordered],
            "currencies": [one.fact.currency for one in ordered],
            "realized": [
                None if one.fact.realized_pnl is None else str(one.fact.realized_pnl) for one in ordered
            ],
            "told_at": [one.fact.received_at for one in ordered],
            "epochs": [one.epoch for one in ordered],
        },
    )
    return {row.exec_id for row in rows}


async def record_rates(connection: Writer, rates: Iterable[RecordedRate]) -> None:
    """Store the rates that commissions are converted with. One that is recorded stays as it is."""
    await _record_rates(connection, sorted(rates))


async def replace_rates(connection: Writer, rates: Collection[RecordedRate]) -> None:
    """Store the rates that statements state. One of another day gives way to them, and is kept beside."""
    await connection.execute(_set_aside_rates, {"exec_ids": sorted(one.exec_id for one in rates)})
    await record_rates(connection, rates)


async def forget_rates(connection: Writer, books: Iterable[BookKey]) -> None:
    """Drop the rates of these books: their instrument's currency turned out to be another."""
    await connection.execute(_forget_rates, book_arrays(books))


async def restore_rates(connection: Writer, books: Iterable[BookKey], source: str) -> None:
    """Drop the rates that a source told; of those that gave way to one the other day's counts again."""
    await connection.execute(_restore_rates, {**book_arrays(books), "source": source})
