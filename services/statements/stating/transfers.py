"""Transfers: what came from, or went to, another account or broker; holdings and money."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from core.domain.days import day_of
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.domain.stated import StatedCashFlow, StatedEvent, Statement, passed_over
from services.statements.rows import Transfer
from services.statements.stating.days import ARRIVED, LEFT, when
from services.statements.stating.holdings import Instruments, ignored, reason_against
from services.statements.values import said


class _Moved(NamedTuple):
    """What tells the lots of a transfer from those of another."""

    account: str
    conid: int
    incoming: bool
    day: date


class Transfers:
    """The transfers of one statement.

    Lots tell the same again where a whole is stated, and may know its cost.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._wholes: dict[_Moved, list[StatedEvent]] = defaultdict(list)
        self._lots: dict[_Moved, list[StatedEvent]] = defaultdict(list)

    def state(self, row: Transfer) -> Iterator[Statement]:
        """The money of a row; its holdings follow at the end of the statement."""
        if row.account and row.cash and not row.is_lot:
            yield _money(row, row.cash) or ignored(row, "no_date")
            if not row.quantity or row.asset_category == "CASH":
                return
        reason = reason_against(row, row.quantity)
        event = None if reason else self._event(row)
        if event is None:
            yield ignored(row, reason or "no_date")
            return
        moved = _Moved(event.account, event.instrument.conid, event.quantity > ZERO, day_of(event.at))
        (self._lots if row.is_lot else self._wholes)[moved].append(event)

    def close(self) -> Iterator[Statement]:
        """What the statement's transfers moved."""
        for moved, wholes in self._wholes.items():
            lots = self._lots.pop(moved, [])
            for event in wholes:
                yield _with_cost_of(event, lots)
            for lot in lots:
                yield passed_over(lot, lot.account, "summary_of_other_rows")
        for lots in self._lots.values():
            yield from lots
        self._wholes.clear()
        self._lots.clear()

    def _event(self, row: Transfer) -> StatedEvent | None:
        instrument, stated = self._instruments.of(row), row.quantity
        if instrument is None or stated is None:
            return None
        quantity = _signed(stated, row)
        incoming = row.direction.upper() == "IN" if said(row.direction) else quantity > ZERO
        at = when(row.at, row.on_date or row.report_date, ARRIVED if incoming else LEFT)
        if at is None:
            return None
        return StatedEvent(
            line=row.line,
            section=row.element,
            account=row.account,
            instrument=instrument,
            at=at,
            cause="transfer",
            quantity=quantity,
            carried=not incoming,
            cost=_cost(row, quantity),
            event_id=said(row.transaction_id),
            group=_group(row),
            kind=row.type,
            description=row.description,
            market_value=_worth(row, quantity),
            fx_rate_to_base=row.fx_rate_to_base,
            reported_on=row.report_date or row.on_date,
        )


def _worth(row: Transfer, quantity: Decimal) -> Decimal | None:
    """What it was worth on the market, signed like the quantity."""
    return abs(row.market_value).copy_sign(quantity) if row.market_value else None


def _signed(amount: Decimal, row: Transfer) -> Decimal:
    """What moved, as the account sees it, whichever sign the file gives what went out."""
    return ZERO - abs(amount) if row.direction.upper() == "OUT" else amount


def _cost(row: Transfer, quantity: Decimal) -> Decimal | None:
    """What was paid for it, signed like the quantity; a market value does not say that by itself.

    A gain of zero is what Flex writes where it knows none.
    """
    if row.cost:
        return abs(row.cost).copy_sign(quantity)
    if row.pnl and row.market_value and row.direction.upper() == "IN":
        return EXACT.subtract(row.market_value, row.pnl)
    return None


def _with_cost_of(event: StatedEvent, lots: Sequence[StatedEvent]) -> StatedEvent:
    if event.cost is not None or not lots or sum((lot.quantity for lot in lots), ZERO) != event.quantity:
        return event
    costs = [lot.cost for lot in lots if lot.cost is not None]
    return replace(event, cost=sum(costs, ZERO)) if len(costs) == len(lots) else event


def _group(row: Transfer) -> str:
    """The other end, so that both ends of a transfer between two accounts of ours can be told."""
    other = said(row.other_account)
    return "/".join(sorted(one for one in (row.account, other) if one)) if other else ""


def _money(row: Transfer, cash: Decimal) -> StatedCashFlow | None:
    at = when(row.at, row.on_date or row.report_date, ARRIVED)
    if at is None:
        return None
    return StatedCashFlow(
        line=row.line,
        section=row.element,
        account=row.account,
        kind="transfer",
        at=at,
        amount=_signed(cash, row),
        currency=row.currency,
        fx_rate_to_base=row.fx_rate_to_base,
        symbol="",
        transaction_id=said(row.transaction_id),
        description=row.description,
        reported_on=row.report_date or row.on_date,
    )
