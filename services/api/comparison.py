"""Closings matched again under other cost methods: one position's, or all of a period, summed in groups."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple, get_args
from uuid import UUID

from core.domain.comparison import Closed, History, Totals, as_matched, rematch, totals
from core.domain.instruments import Instrument
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from models.queries.comparison import (
    ClosedPosition,
    ClosingKey,
    Stored,
    closed_position,
    closed_positions,
    closing_keys,
    stored_of,
)
from models.queries.grouping import GroupKey, is_period, period_end
from models.queries.ledger import instruments_of
from models.queries.realized import Grouping, RealizedRow
from services.api.context import Context

METHODS: tuple[CostMethod, ...] = get_args(CostMethod)
_EVENTS_AT_ONCE = 2_000
"""How many events are read before they are matched again, off the event loop."""


class Compared(NamedTuple):
    """A position's closings under each cost method, and the totals of each method."""

    own: CostMethod
    closings: Mapping[CostMethod, Sequence[Closed]]
    totals: Mapping[CostMethod, Totals]


async def compared(context: Context, position_id: UUID) -> Compared | None:
    """One position under every method; ``None`` when there is no such position (any more)."""
    # One at a time, before it takes a connection: folding is work, and others wait for both.
    async with context.folding, context.database.read_one_moment() as reader:
        found = await closed_position(reader, position_id)
        if found is None:
            return None
        described = await instruments_of(reader, {found.conid})
        stored = await stored_of(reader, [found])
        return await asyncio.to_thread(_compare, stored, described)


def _compare(stored: Stored, described: Mapping[int, Instrument]) -> Compared:
    ((position, history),) = stored.histories(described)
    closings = {method: _matched(position, history, method) for method in METHODS}
    return Compared(
        position.method,
        closings,
        {
            method: totals([one for closed in found for one in closed.disposals])
            for method, found in closings.items()
        },
    )


def _matched(position: ClosedPosition, history: History, method: CostMethod) -> list[Closed]:
    return as_matched(history) if method == position.method else rematch(history, method)


def less(ours: Decimal | None, own: Decimal | None) -> Decimal | None:
    """The difference, ``None`` where either is unknown."""
    return None if ours is None or own is None else EXACT.subtract(ours, own)


class MethodRow(NamedTuple):
    """A group of realized figures under one cost method, and how it differs from the accounts' own."""

    row: RealizedRow
    difference_from_own: Decimal | None


@dataclass(slots=True)
class _Group:
    """Sums over closings; ``own_…`` are the same under the method each was folded with."""

    realized: Decimal = ZERO
    of_fills: Decimal = ZERO
    without_fill: Decimal = ZERO
    own_realized: Decimal = ZERO
    commission: Decimal = ZERO
    broker: Decimal = ZERO
    fills: int = 0
    missing: int = 0
    count: int = 0
    count_without_fill: int = 0
    unknown: int = 0
    unknown_without_fill: int = 0
    own_unknown: int = 0
    provisional: bool = False

    def add(self, key: ClosingKey, ours: Totals, own: Totals) -> None:
        """Add a closing. To be called in the ``EXACT`` context."""
        self.realized += ours.realized_pnl or ZERO
        self.own_realized += own.realized_pnl or ZERO
        self.commission += ours.commission
        self.count += ours.disposals
        self.unknown += ours.unknown
        self.own_unknown += own.unknown
        self.provisional = self.provisional or ours.provisional
        if key.exec_id is None:
            # An adjustment has no fill, and so no figure of the broker's.
            self.without_fill += ours.realized_pnl or ZERO
            self.count_without_fill += ours.disposals
            self.unknown_without_fill += ours.unknown
            return
        self.of_fills += ours.realized_pnl or ZERO
        self.fills += 1
        if key.broker_realized_pnl is None:
            self.missing += 1
        else:
            self.broker += key.broker_realized_pnl

    def row(self, place: GroupKey, method: CostMethod) -> MethodRow:
        """The sums, unknown where a part is. To be called in the ``EXACT`` context."""
        realized = None if self.unknown else self.realized
        theirs = self.broker if self.fills and not self.missing else None
        return MethodRow(
            RealizedRow(
                *place,
                realized,
                self.commission,
                theirs,
                None if realized is None else less(self.of_fills, theirs),
                None if self.unknown_without_fill else self.without_fill,
                self.count,
                self.count_without_fill,
                self.unknown,
                self.missing,
                self.provisional,
                method,
            ),
            less(realized, None if self.own_unknown else self.own_realized),
        )


async def realized_by_method(
    context: Context,
    method: CostMethod,
    *,
    grouping: Grouping,
    account: str | None = None,
    symbol: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: GroupKey | None = None,
    limit: int,
) -> list[MethodRow]:
    """The groups of ``realized_page``, had ``method`` chosen the lots.

    Every position that closed something in the time asked for is matched again, a bounded portion at once.
    """
    if after is not None and is_period(grouping):
        end = period_end(after.key)
        until = end if until is None else min(until, end)
    groups: dict[GroupKey, _Group] = {}
    async with context.folding, context.database.read_one_moment() as reader:
        chosen = await closed_positions(reader, account=account, symbol=symbol, since=since, until=until)
        described = await instruments_of(reader, {one.conid for one in chosen})
        for portion in _portions(chosen):
            stored = await stored_of(reader, portion)
            keys = await closing_keys(reader, portion, grouping=grouping, since=since, until=until)
            await asyncio.to_thread(_add, groups, stored, described, keys, method)
    newest_first = is_period(grouping)
    places = sorted(groups, reverse=newest_first)
    if after is not None:
        places = [one for one in places if (one < after if newest_first else one > after)]
    with localcontext(EXACT):
        return [groups[place].row(place, method) for place in places[:limit]]


def _portions(chosen: Sequence[ClosedPosition]) -> Iterator[list[ClosedPosition]]:
    portion: list[ClosedPosition] = []
    events = 0
    for one in chosen:
        portion.append(one)
        events += one.event_count
        if events >= _EVENTS_AT_ONCE:
            yield portion
            portion, events = [], 0
    if portion:
        yield portion


def _add(
    groups: dict[GroupKey, _Group],
    stored: Stored,
    described: Mapping[int, Instrument],
    keys: Sequence[ClosingKey],
    method: CostMethod,
) -> None:
    keyed = {(key.position_id, key.seq): key for key in keys}
    with localcontext(EXACT):
        for position, history in stored.histories(described):
            own = as_matched(history)
            other = own if position.method == method else rematch(history, method)
            for ours, theirs in zip(other, own, strict=True):
                key = keyed.get((position.id, ours.event.seq))
                if key is not None:
                    group = groups.setdefault(GroupKey(key.key, key.account, key.currency), _Group())
                    group.add(key, totals(ours.disposals), totals(theirs.disposals))
