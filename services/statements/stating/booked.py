"""What the broker booked without a trade: exercises, assignments, expirations, and what was received.

A statement tells of these twice: as booked trades, and in a section of their own (OptionEAE). The booked
trade, which says more, goes before; a row of the section counts where no trade tells of the same.

An option that is exercised or assigned realizes nothing: its premium is part of what is realized on the
underlying (IBKR, Reporting Guide, "Trades"). So the option leaves with its cost, and the underlying comes or
goes for the strike and that premium. The row of the underlying has the strike as its price, but the premium
is in its figures: what it opened *cost* that much; what it closed *realized* that much, from which follows
what it was sold for (``price_told``).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.days import day_of, moment_of
from core.domain.instruments import Instrument
from core.domain.money import ZERO
from core.domain.pnl import EXACT, per_unit
from core.domain.stated import StatedEvent, Statement, passed_over
from services.statements.rows import OptionEvent, Trade
from services.statements.stating.days import EXERCISED, when
from services.statements.stating.holdings import OPTIONS, Instruments, ignored, reason_against
from services.statements.values import said

_DELIVERING: Final = frozenset({"A", "Ex", "AEx", "MEx", "GEA"})
"""Codes of assignments and exercises (IBKR's Reporting Guide, "Codes"); GEA may be an expiration as well."""

_EXPIRED: Final = "Ep"
_BOOKED: Final = frozenset({"", "BookTrade", "TradeCancel"})
_CODES: Final = _DELIVERING | {_EXPIRED}


class _Happening(NamedTuple):
    """What is remembered of something booked: enough to know it again."""

    account: str
    conid: int | None
    quantity: Decimal | None


class _Waiting(NamedTuple):
    happening: _Happening
    on_date: date
    trade_id: str
    event: StatedEvent


class Booked:
    """What was booked without a trade in one statement, whichever of its sections tells of it."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._told: dict[_Happening, list[tuple[frozenset[date], str]]] = {}
        self._waiting: list[_Waiting] = []

    def event(self, row: Trade, instrument: Instrument) -> StatedEvent:
        """What a booked trade states; ``row`` has a time and a quantity."""
        self.note(row)
        return _of_trade(row, instrument)

    def note(self, row: Trade) -> None:
        """Remember a trade without an id of its own, should another section tell of it."""
        if row.transaction_type not in _BOOKED:
            return
        moment = row.executed_at
        days = {row.trade_date, row.report_date, day_of(moment.at) if moment else None} - {None}
        told = self._told.setdefault(_Happening(row.account, row.conid, row.quantity), [])
        told.append((frozenset(day for day in days if day is not None), row.trade_id))

    def state(self, row: OptionEvent) -> Iterable[Statement]:
        """What a row of the section states: nothing yet where a trade may tell of it."""
        reason = reason_against(row, row.quantity)
        if reason is not None:
            return (ignored(row, reason),)
        instrument = self._instruments.of(row)
        if instrument is None:
            return (ignored(row, "no_instrument"),)
        if row.on_date is None:
            return (ignored(row, "no_date"),)
        happening = _Happening(row.account, row.conid, row.quantity)
        if self._is_told(happening, row.on_date, row.trade_id):
            return (ignored(row, "repeated"),)
        event = _of_option_event(row, instrument, row.on_date)
        self._waiting.append(_Waiting(happening, row.on_date, row.trade_id, event))
        return ()

    def close(self) -> Iterator[Statement]:
        """What no trade of the statement told of."""
        for happening, on_date, trade_id, event in self._waiting:
            if self._is_told(happening, on_date, trade_id):
                yield passed_over(event, event.account, "repeated")
            else:
                yield event
        self._waiting.clear()
        self._told.clear()

    def _is_told(self, happening: _Happening, on_date: date, trade_id: str) -> bool:
        """Whether a trade tells of it, and of nothing else yet: twins are told twice."""
        told = self._told.get(happening, [])
        for place, (days, number) in enumerate(told):
            if (trade_id and trade_id == number) or on_date in days:
                del told[place]
                return True
        return False


def is_booked(row: Trade) -> bool:
    """Whether it tells of an exercise, an assignment or an expiration, rather than of a fill."""
    return not said(row.exec_id) and row.transaction_type in _BOOKED and not _CODES.isdisjoint(row.codes)


def is_received(row: Trade) -> bool:
    """Whether it is a trade that was made elsewhere and brought here."""
    return row.detail == "transfer" and row.attributes.get("deliveredReceived", "") == "Received"


def carries(row: Trade) -> bool:
    """Whether options left by exercise or assignment, taking their cost with them.

    Where something was realized they did not: an option that settles in cash, or expires among others.
    """
    if row.price or row.stated_realized_pnl or _DELIVERING.isdisjoint(row.codes):
        return False
    return _is_option(row)


def price_told(
    quantity: Decimal | None, realized: Decimal | None, cost: Decimal | None, instrument: Instrument
) -> Decimal | None:
    """The price at which the broker comes to its figure: as quoted, commission and premium in it.

    What was realized is what was received plus the cost, which has the sign of the quantity: so −100 shares
    that cost −4000 and realized 1150 were sold for 5150. What only opens realized nothing and has its own
    cost. ``None`` where not all of it is stated.
    """
    if not quantity or realized is None or cost is None:
        return None
    received = EXACT.subtract(realized, cost)
    return per_unit(received, EXACT.multiply(ZERO - quantity, instrument.point_value))


def _of_trade(row: Trade, instrument: Instrument) -> StatedEvent:
    moment, quantity = row.executed_at, row.quantity
    assert moment is not None  # noqa: S101 - the caller sees to it, for both
    assert quantity is not None  # noqa: S101
    at = when(moment, None, EXERCISED)
    assert at is not None  # noqa: S101
    carried = carries(row)
    expired = not carried and (_EXPIRED in row.codes or ("GEA" in row.codes and not row.price))
    closes = row.open_close == "C"
    flips = "C" in row.open_close and not closes
    price = None
    if not carried:
        # An expiry surely closed, so that a figure which is not computed yet is no zero.
        realized = row.realized_pnl if expired else row.stated_realized_pnl
        told = None if flips else price_told(quantity, realized, row.cost, instrument)
        price = row.price if told is None else told
        if price is None and _is_option(row):
            price = ZERO
    return StatedEvent(
        line=row.line,
        section=row.element,
        account=row.account,
        instrument=instrument,
        at=at,
        cause="transfer" if is_received(row) else "expiry" if expired else "exercise_or_assignment",
        quantity=quantity,
        carried=carried,
        cost=row.cost if carried or not (closes or flips or expired) else None,
        price=price,
        realized_pnl=None if carried or row.open_close == "O" else row.realized_pnl,
        event_id=said(row.transaction_id) or said(row.trade_id),
        group=_group(at.isoformat(), row),
        kind=";".join(row.codes) or row.transaction_type,
        description=row.description,
        cash=_money_of(row, instrument),
        fx_rate_to_base=row.fx_rate_to_base,
        reported_on=row.report_date,
    )


def _of_option_event(row: OptionEvent, instrument: Instrument, on_date: date) -> StatedEvent:
    quantity = row.quantity
    assert quantity is not None  # noqa: S101 - the caller sees to it
    at = moment_of(on_date, EXERCISED)
    expired = row.type.casefold().startswith("expir")
    settles = bool(row.price or row.realized_pnl)
    carried = _is_option(row) and not expired and not settles
    price = None
    if not carried:
        told = price_told(quantity, row.realized_pnl, row.cost, instrument)
        price = row.price if told is None else told
        if price is None and _is_option(row):
            price = ZERO
    realized = None if carried else row.realized_pnl
    if not expired and not realized:
        realized = None  # what opened something realized nothing, and Flex writes 0 there
    return StatedEvent(
        line=row.line,
        section=row.element,
        account=row.account,
        instrument=instrument,
        at=at,
        cause="expiry" if expired else "exercise_or_assignment",
        quantity=quantity,
        carried=carried,
        cost=row.cost if realized is None and not expired else None,
        price=price,
        realized_pnl=realized,
        event_id=said(row.trade_id),
        group=_group(at.isoformat(), row),
        kind=row.type,
        description=row.description,
        cash=_sum_of(row.proceeds, row.commission_and_tax),
        fx_rate_to_base=row.fx_rate_to_base,
        reported_on=on_date,
    )


def _money_of(row: Trade, instrument: Instrument) -> Decimal | None:
    """The money that a booked trade moved. Of a future that is settled day by day, and told apart."""
    if instrument.sec_type == "FUT":
        return row.stated_commission
    return (
        row.net_cash if row.net_cash is not None else _sum_of(row.proceeds, row.taxes, row.stated_commission)
    )


def _sum_of(first: Decimal | None, *others: Decimal | None) -> Decimal | None:
    """The amounts together; ``None`` without the first, without which the others mean nothing."""
    return None if first is None else sum((one for one in others if one is not None), first)


def _group(at: str, row: Trade | OptionEvent) -> str:
    """An option and what it delivers, which are booked together."""
    underlying = row.underlying_conid if _is_option(row) else row.conid
    return "" if underlying is None else f"{underlying} {at}"


def _is_option(row: Trade | OptionEvent) -> bool:
    return bool(said(row.right)) or row.asset_category in OPTIONS
