"""Corporate actions: each row is one leg, what left or what came.

The legs of one action belong together, so they wait for the end of their statement. What Flex does not state
stays unknown, such as the part of a cost that goes to what was spun off.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from core.domain.episodes import Cause
from core.domain.instruments import Instrument
from core.domain.money import ZERO
from core.domain.pnl import EXACT, per_unit
from core.domain.stated import IgnoredReason, StatedEvent, Statement, passed_over
from services.statements.rows import CorporateAction
from services.statements.stating.booked import price_told
from services.statements.stating.days import ARRIVED, REORGANIZED, when
from services.statements.stating.holdings import Instruments, ignored, reason_against
from services.statements.values import NOTHING, said

_SPLITS: Final = frozenset({"FS", "RS", "CS", "CC"})
_IN_SHARES: Final = frozenset({"SD", "HD", "HI", "CH", "FI"})
_DELISTED: Final = "DW"
_CANCELLED: Final = "Ca"
_REPEATED: Final[IgnoredReason] = "summary_of_other_rows"
_CAUSES: Final[dict[str, Cause]] = {
    "IC": "symbol_change",
    "SO": "spin_off",
    "CO": "spin_off",
    "TO": "tender",
    "TC": "merger",
    "OR": "merger",
    "BM": "expiry",
}
"""Types that IBKR knows (its Reporting Guide, "Corporate Actions"); every other one is a corporate action."""

_LAST_PART: Final = re.compile(r"\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*$")
_SOURCE: Final = re.compile(r"^[^()]*\(([^()]*)\)")


class _Leg(NamedTuple):
    """One row. ``leaves`` says whether it is of what is replaced; ``value`` is what it was worth.

    ``source`` is the id of what the action was about.
    """

    event: StatedEvent
    source: str
    leaves: bool
    another: bool
    proceeds: Decimal
    value: Decimal
    stated_cost: Decimal | None
    stated_realized: Decimal | None
    is_summary: bool
    cancels: bool


class Actions:
    """The corporate actions of one statement."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._groups: dict[tuple[str, str], list[_Leg]] = defaultdict(list)

    def state(self, row: CorporateAction) -> Iterable[Statement]:
        """Nothing yet, unless the row changes nothing."""
        if not row.quantity and row.account:
            return (ignored(row, "not_used"),)  # a dividend, a vote: its money is told as a cash transaction
        reason = reason_against(row, row.quantity)
        if reason is not None:
            return (ignored(row, reason),)
        instrument = self._instruments.of(row)
        if instrument is None:
            return (ignored(row, "no_instrument"),)
        leg = _leg(row, instrument)
        if leg is None:
            return (ignored(row, "no_date"),)
        self._groups[row.account, leg.event.group].append(leg)
        return ()

    def close(self) -> Iterator[Statement]:
        """What the statement's actions did."""
        for legs in self._groups.values():
            itemized = {leg.event.instrument.conid for leg in legs if not leg.is_summary}
            told = [leg for leg in legs if leg.is_summary and leg.event.instrument.conid in itemized]
            for event in (leg.event for leg in told):
                yield passed_over(event, event.account, _REPEATED)
            left = [leg for leg in legs if leg not in told]
            cancelled = _cancelled(left)
            for event in (left[place].event for place in sorted(cancelled)):
                yield passed_over(event, event.account, "cancelled")
            left = [leg for place, leg in enumerate(left) if place not in cancelled]
            yield from _settled(left)
            yield from self._taken_from_parents(left)
        self._groups.clear()

    def _taken_from_parents(self, legs: Sequence[_Leg]) -> Iterator[StatedEvent]:
        """What was spun off takes its cost from what it was part of, which is told as a change of cost alone.

        Without a cost: what the statement says later that it had cost.
        """
        parents: dict[int, tuple[Instrument, list[_Leg]]] = {}
        for leg in legs:
            own = leg.event.instrument
            parent = self._instruments.called(leg.source) if leg.event.cause == "spin_off" else None
            if parent is not None and parent.conid != own.conid and parent.currency == own.currency:
                parents.setdefault(parent.conid, (parent, []))[1].append(leg)
        for parent, spun_off in parents.values():
            costs = [leg.stated_cost for leg in spun_off]
            known = [cost for cost in costs if cost is not None]
            taken = ZERO - sum(known, ZERO) if len(known) == len(costs) else None
            event = spun_off[0].event
            yield replace(event, instrument=parent, quantity=ZERO, cost=taken, cash=None)


def _leg(row: CorporateAction, instrument: Instrument) -> _Leg | None:
    at = when(row.at, None, REORGANIZED) or when(None, row.report_date, ARRIVED)
    quantity = row.quantity
    if at is None or not quantity:
        return None
    description = said(row.action_description) or row.description
    common, own = _parts(description)
    found = _SOURCE.match(description)
    source = found[1].strip() if found else ""
    another = bool(source and own) and not _is_named(source, {own, row.isin, row.cusip, row.figi} - NOTHING)
    event = StatedEvent(
        line=row.line,
        section=row.element,
        account=row.account,
        instrument=instrument,
        at=at,
        cause=_CAUSES.get(row.type, "corporate_action"),
        quantity=quantity,
        event_id=said(row.transaction_id),
        group=said(row.action_id) or f"{at.isoformat()} {common}",
        kind=row.type,
        description=description,
        cash=row.proceeds,
        fx_rate_to_base=row.fx_rate_to_base,
        reported_on=row.report_date,
    )
    return _Leg(
        event,
        source,
        leaves=not another if source and own else quantity < ZERO,
        another=another,
        proceeds=row.proceeds or ZERO,
        value=row.value or ZERO,
        stated_cost=None if row.cost is None else abs(row.cost).copy_sign(quantity),
        stated_realized=row.realized_pnl,
        is_summary=row.level == "SUMMARY",
        cancels=_CANCELLED in row.codes,
    )


def _is_named(source: str, names: set[str]) -> bool:
    """Whether ``source`` is one of these: American ISINs have the CUSIP in them, and either may be told."""
    return any(name in source or source in name for name in names)


def _parts(description: str) -> tuple[str, str]:
    """What all legs' descriptions begin with, and the id of this leg's instrument, which ends its own.

    ``XYZ(US1) SPLIT 1 FOR 10 (XYZ, XYZ CORP, US2)`` → ``XYZ(US1) SPLIT 1 FOR 10`` and ``US2``.
    """
    found = _LAST_PART.search(description)
    if found is None:
        return description.strip(), ""
    common = description[: found.start()].strip()
    return common, found[1].rpartition(",")[2].strip()


def _cancelled(legs: Sequence[_Leg]) -> set[int]:
    """Which legs one other takes back, and which take one back: the same the other way round, money included.

    An action that was booked wrongly is so, and booked again. So is told at one time what changed its name
    but not its number in the broker's books. What came back later and is called no cancellation was away.
    """
    cancelled: set[int] = set()
    waiting: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, leg in enumerate(legs):
        event = leg.event
        what = event.instrument.conid, event.kind
        others = waiting[*what, ZERO - event.quantity, ZERO - leg.proceeds]
        for other in reversed(others):
            if leg.cancels or legs[other].cancels or event.at == legs[other].event.at:
                others.remove(other)
                cancelled |= {place, other}
                break
        else:
            waiting[*what, event.quantity, leg.proceeds].append(place)
    return cancelled


def _settled(legs: Sequence[_Leg]) -> Iterator[StatedEvent]:
    """What the legs of one action did: a split restates one instrument, everything else moves."""
    if not legs:
        return
    conids = {leg.event.instrument.conid for leg in legs}
    kind = legs[0].event.kind
    if len(conids) == 1 and (kind in _SPLITS or (kind in _IN_SHARES and not legs[0].another)):
        # The old and the new number of units may be told apart; what changed is their sum.
        total = sum((leg.event.quantity for leg in legs), ZERO)
        if total:
            paid = [leg.event.cash for leg in legs if leg.event.cash is not None]
            cash = sum(paid, ZERO) if paid else None
            yield replace(legs[0].event, cause="split", quantity=total, cash=cash)
        return
    if len({leg.leaves for leg in legs}) == 1 and len({leg.event.quantity > ZERO for leg in legs}) > 1:
        legs = [leg._replace(leaves=leg.event.quantity < ZERO) for leg in legs]
    came = [leg for leg in legs if not leg.leaves]
    # Where no money came, something was realized only if what came counts as bought.
    sold = any(leg.leaves and leg.stated_realized and not leg.proceeds for leg in legs)
    worth = [leg.value for leg in came]
    for leg in legs:
        if leg.leaves and came and leg.proceeds:
            yield _left_in_part(leg, sum(worth, ZERO) if all(worth) else None)
        elif leg.leaves:
            yield _left(leg, exchanged=bool(came))
        else:
            yield _came(leg, exchanged=len(legs) > 1, sold=sold)


def _left(leg: _Leg, *, exchanged: bool) -> StatedEvent:
    """What an action took: with its cost, unless it was sold for money or lost."""
    event = _named(leg, exchanged=exchanged)
    worthless = event.kind == _DELISTED
    if not worthless and not leg.stated_realized and (exchanged or not leg.proceeds):
        return replace(event, carried=True, cost=leg.stated_cost)
    price = price_told(event.quantity, leg.stated_realized, leg.stated_cost, event.instrument)
    if price is None and (worthless or (leg.proceeds and not exchanged)):
        points = EXACT.multiply(ZERO - event.quantity, event.instrument.point_value)
        price = per_unit(leg.proceeds, points)
    return replace(event, price=price, realized_pnl=leg.stated_realized)


def _left_in_part(leg: _Leg, worth: Decimal | None) -> StatedEvent:
    """What was exchanged, and paid for in part: of its cost the part that was not sold goes on.

    The statement says it by what was realized. Otherwise it is divided as what came is worth to the money.
    """
    event = _named(leg, exchanged=True)
    realized = leg.stated_realized or None
    kept = None
    if realized is None and worth is not None and worth * leg.proceeds > ZERO:
        kept = per_unit(worth, EXACT.add(worth, leg.proceeds))
    return replace(event, carried=True, cost=leg.stated_cost, realized_pnl=realized, kept_share=kept)


def _came(leg: _Leg, *, exchanged: bool, sold: bool) -> StatedEvent:
    """What an action brought: at its stated cost, what was paid for it or, for something sold, its worth."""
    event = _named(leg, exchanged=exchanged)
    cost = leg.stated_cost
    if cost is None and leg.proceeds < ZERO:
        cost = ZERO - leg.proceeds
    price = None
    if cost is None and sold and leg.value:
        price = per_unit(leg.value, EXACT.multiply(event.quantity, event.instrument.point_value))
    worth = leg.value if leg.value * event.quantity > ZERO else None
    return replace(event, cost=cost, price=price, market_value=worth if exchanged else None)


def _named(leg: _Leg, *, exchanged: bool) -> StatedEvent:
    """A split that changes the instrument itself is a change of its name as far as a book can tell."""
    event = leg.event
    return replace(event, cause="symbol_change") if exchanged and event.kind in _SPLITS else event
