"""What is stored of positions, as far as matching their closings again under another cost method needs it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, select, tuple_

from core.domain.comparison import History
from core.domain.episodes import Event
from core.domain.instruments import Instrument
from core.domain.lots import CostMethod, Disposal, Lot
from models.queries.grouping import is_period, period_of, symbol_key
from models.session import Reader
from models.tables import (
    commission_reports,
    instruments,
    ledger_books,
    lot_disposals,
    lots,
    position_events,
    positions,
)

_LOT_FIELDS = tuple(name for name in Lot.__struct_fields__ if name != "written")
_ROWS_AT_ONCE = 2_000
"""So that one long history does not keep the event loop from everything else."""


class ClosedPosition(NamedTuple):
    """A position that closed something; ``method`` is the one it was folded with."""

    id: UUID
    conid: int
    method: CostMethod
    complete: bool
    event_count: int


class ClosingKey(NamedTuple):
    """To which group of realized figures a closing event belongs, and the broker's figure for its fill."""

    position_id: UUID
    seq: int
    key: str
    account: str
    currency: str
    exec_id: str | None
    broker_realized_pnl: Decimal | None


class Stored(NamedTuple):
    """Rows of some positions, each kind in order of position and ``seq``."""

    positions: Sequence[ClosedPosition]
    lots: Sequence[Sequence[Any]]
    events: Sequence[Sequence[Any]]
    disposals: Sequence[Sequence[Any]]

    def histories(self, described: Mapping[int, Instrument]) -> Iterator[tuple[ClosedPosition, History]]:
        """Each position with its history: work, and none for an event loop."""
        lots_of, events_of, disposals_of = (
            {key: list(group) for key, group in groupby(rows, key=lambda row: row[0])}
            for rows in (self.lots, self.events, self.disposals)
        )
        for one in self.positions:
            yield (
                one,
                History(
                    described[one.conid].point_value,
                    one.complete,
                    [Lot(*row[1:]) for row in lots_of.get(one.id, ())],
                    [Event(*row[1:]) for row in events_of.get(one.id, ())],
                    [Disposal(*row[1:]) for row in disposals_of.get(one.id, ())],
                ),
            )


def _described() -> Select[Any]:
    position = positions.c
    return select(
        position.id,
        position.conid,
        ledger_books.c.cost_method,
        position.missing_commissions == 0,
        position.event_count,
    ).select_from(
        positions.join(instruments, instruments.c.conid == position.conid).join(
            ledger_books,
            and_(ledger_books.c.account == position.account, ledger_books.c.conid == position.conid),
        )
    )


async def closed_position(reader: Reader, position_id: UUID) -> ClosedPosition | None:
    """One position, or ``None``."""
    row = (await reader.execute(_described().where(positions.c.id == position_id))).one_or_none()
    return None if row is None else ClosedPosition(*row)


async def closed_positions(
    reader: Reader,
    *,
    account: str | None,
    symbol: str | None = None,
    since: datetime | None,
    until: datetime | None,
) -> list[ClosedPosition]:
    """Those that closed something from ``since`` on and before ``until``, in order; no currency trades."""
    bounds = [lot_disposals.c.position_id == positions.c.id]
    if since is not None:
        bounds.append(lot_disposals.c.closed_at >= since)
    if until is not None:
        bounds.append(lot_disposals.c.closed_at < until)
    query = (
        _described().where(exists().where(*bounds), instruments.c.sec_type != "CASH").order_by(positions.c.id)
    )
    if account is not None:
        query = query.where(positions.c.account == account)
    if symbol is not None:
        query = query.where(instruments.c.symbol == symbol)
    return [ClosedPosition(*row) for row in await reader.execute(query)]


async def stored_of(reader: Reader, chosen: Sequence[ClosedPosition]) -> Stored:
    """All that is stored of these positions."""
    ids = [one.id for one in chosen]
    lot, event, disposal = lots.c, position_events.c, lot_disposals.c
    queries = (
        select(lot.position_id, *(lot[name] for name in _LOT_FIELDS)),
        select(event.position_id, *(event[name] for name in Event.__struct_fields__)),
        select(disposal.position_id, *(disposal[name] for name in Disposal.__struct_fields__)),
    )
    found = [await _some_at_a_time(reader, query, ids) for query in queries]
    return Stored(chosen, *found)


async def _some_at_a_time(reader: Reader, query: Select[Any], ids: Sequence[UUID]) -> list[Sequence[Any]]:
    position_id, seq = tuple(query.selected_columns)[:2]
    ordered = query.where(position_id.in_(ids)).order_by(position_id, seq).limit(_ROWS_AT_ONCE)
    found: list[Sequence[Any]] = []
    rows = (await reader.execute(ordered)).all()
    found.extend(rows)
    while len(rows) == _ROWS_AT_ONCE:
        following = ordered.where(tuple_(position_id, seq) > tuple(rows[-1][:2]))
        rows = (await reader.execute(following)).all()
        found.extend(rows)
    return found


async def closing_keys(
    reader: Reader,
    chosen: Sequence[ClosedPosition],
    *,
    grouping: str,
    since: datetime | None,
    until: datetime | None,
) -> list[ClosingKey]:
    """The groups that the closings of these positions belong to, from ``since`` on and before ``until``."""
    event, position, report = position_events.c, positions.c, commission_reports.c
    closes: ColumnElement[bool] = case(
        (position.side == "long", event.quantity < 0), else_=event.quantity > 0
    )
    bounds = [closes, event.cause.is_distinct_from("split")]
    if since is not None:
        bounds.append(event.executed_at >= since)
    if until is not None:
        bounds.append(event.executed_at < until)
    query = (
        select(
            event.position_id,
            event.seq,
            period_of(grouping, event.executed_at) if is_period(grouping) else symbol_key(),
            position.account,
            instruments.c.currency,
            event.exec_id,
            report.realized_pnl,
        )
        .select_from(
            position_events.join(positions, position.id == event.position_id)
            .join(instruments, instruments.c.conid == position.conid)
            .outerjoin(commission_reports, report.exec_id == event.exec_id)
        )
        .where(event.position_id.in_([one.id for one in chosen]), *bounds)
    )
    return [ClosingKey(*row) for row in await reader.execute(query)]
