"""Trades: what is a fill, and what the same section tells besides."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from core.domain.instruments import Instrument
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.domain.stated import CashKind, IgnoredReason, StatedCashFlow, StatedLot, StatedTrade, Statement
from services.statements.rows import Trade
from services.statements.stating.booked import Booked, is_booked, is_received
from services.statements.stating.days import EXERCISED, when
from services.statements.stating.holdings import Instruments, ignored, reason_against
from services.statements.values import said


class Trades:
    """The rows under Trades and of trade confirmations.

    Only executions count: lots, orders and sums tell the same again. ``taxed`` are the numbers of the trades
    that had their taxes told beside them; ``told`` says whether there were executions, ``other`` other rows.
    """

    def __init__(self, instruments: Instruments, booked: Booked) -> None:
        self._instruments = instruments
        self._booked = booked
        self.taxed: set[str] = set()
        self.told = False
        self.other = False

    def state(self, row: Trade) -> Iterable[Statement]:
        """What a row states."""
        received = is_received(row)
        reason: IgnoredReason | None = None
        if row.detail == "execution":
            self.told = True
        elif not received:
            self.other = True
            reason = "not_an_execution"
        reason = reason or _reason_against(row)
        if reason == "currency_trade":
            return (*_conversion(row), ignored(row, reason))
        if reason is not None:
            lot = self._lot(row) if row.detail == "lot" else None
            return (ignored(row, reason),) if lot is None else (lot,)
        instrument = self._instruments.of(row)
        if instrument is None:
            return (ignored(row, "no_instrument"),)
        if row.taxes and row.trade_id:
            self.taxed.add(row.trade_id)
        if received or is_booked(row):
            return (self._booked.event(row, instrument),)
        if not said(row.exec_id):
            self._booked.note(row)
        return _fill(row, instrument)

    def _lot(self, row: Trade) -> StatedLot | None:
        """The lot that a row says was closed, if it says enough to be compared."""
        moment, quantity = row.executed_at, row.quantity
        if moment is None or quantity is None or reason_against(row, quantity) is not None:
            return None
        instrument = self._instruments.of(row)
        if instrument is None:
            return None
        # Whichever sign the file gives it: what is sold to close was held, what is bought was sold short.
        sign = -1 if row.side.startswith("BUY") else 1 if row.side.startswith("SELL") else quantity
        return StatedLot(
            line=row.line,
            section=row.element,
            account=row.account,
            instrument=instrument,
            closed_at=when(moment, None, EXERCISED) or moment.at,
            opened_at=row.opened_at.at if row.opened_at is not None and row.opened_at.timed else None,
            quantity=abs(quantity).copy_sign(Decimal(sign)),
            cost=None if row.cost is None else abs(row.cost).copy_sign(Decimal(sign)),
            realized_pnl=row.realized_pnl,
        )

    def close(self) -> None:
        """Forget one statement's trades before the next."""
        self.taxed.clear()
        self.told = self.other = False


def _reason_against(row: Trade) -> IgnoredReason | None:
    reason = reason_against(row, row.quantity)
    if reason is not None:
        return reason
    if row.price is None and not is_booked(row):
        return "no_price"
    return "no_time" if row.executed_at is None else None


def _fill(row: Trade, instrument: Instrument) -> Iterator[Statement]:
    moment, quantity, price = row.executed_at, row.quantity, row.price
    assert moment is not None  # noqa: S101 - seen to by the reasons against it, for all three
    assert quantity is not None  # noqa: S101
    assert price is not None  # noqa: S101
    yield StatedTrade(
        line=row.line,
        section=row.element,
        account=row.account,
        instrument=instrument,
        exec_id=said(row.exec_id),
        executed_at=moment.at,
        zone_assumed=moment.zone_assumed,
        timed=moment.timed,
        quantity=quantity,
        price=price,
        commission=commission_of(row),
        commission_currency=_commission_currency(row),
        realized_pnl=row.realized_pnl,
        cost=row.cost,
        opens=row.open_close == "O",
        closes=row.open_close == "C",
        cancels=row.cancels,
        trade_id=(said(row.orig_trade_id) or said(row.trade_id)) if row.cancels else said(row.trade_id),
        transaction_id=said(row.transaction_id),
        transaction_type=said(row.transaction_type),
        order_id=said(row.order_id),
        order_ref=said(row.order_reference),
        exchange=said(row.exchange),
        codes=row.codes,
        reported_on=row.report_date,
    )
    if row.taxes and (row.commission is None or not _one_currency(row)):
        # Nothing else tells of it: without a commission there is no figure that has it in it.
        yield StatedCashFlow(
            line=row.line,
            section=row.element,
            account=row.account,
            kind="tax",
            at=moment.at,
            amount=row.taxes,
            currency=row.currency,
            fx_rate_to_base=row.fx_rate_to_base,
            conid=row.conid,
            symbol=row.symbol,
            description=row.description,
            reported_on=row.report_date,
        )


def _conversion(row: Trade) -> Iterator[Statement]:
    """What a currency trade did to the cash in both of its currencies, and its commission: ``EUR.USD``.

    It is in no book, since nothing is realized on it.
    """
    bought, _, _ = row.symbol.partition(".")
    moment, quantity, price = row.executed_at, row.quantity, row.price
    if row.detail != "execution" or moment is None or not quantity or not price or not said(row.currency):
        return
    paid = row.proceeds or ZERO - EXACT.multiply(quantity, price)
    legs: tuple[tuple[CashKind, str, Decimal], ...] = (
        ("conversion", bought, quantity),
        ("conversion", row.currency, paid),
        ("fee", _commission_currency(row), row.stated_commission or ZERO),
    )
    number = said(row.exec_id) or said(row.transaction_id)
    for kind, currency, amount in legs:
        if amount and said(currency):
            yield StatedCashFlow(
                line=row.line,
                section=row.element,
                account=row.account,
                kind=kind,
                at=moment.at,
                amount=amount,
                currency=currency,
                fx_rate_to_base=row.fx_rate_to_base if currency == row.currency else None,
                conid=row.conid,
                symbol=row.symbol,
                transaction_id=f"{number}/{currency}" if number else "",
                description=row.description,
                reported_on=row.report_date,
            )


def commission_of(row: Trade) -> Decimal | None:
    """What the broker took for a trade and the state with it: positive for a cost; ``None`` when unsaid.

    IBKR's cost and realized figures have both in them (Reporting Guide, "Trades": the basis of an opening
    trade is the inverse of proceeds plus commission and tax). Taxes are in the currency of the trade; where
    the commission is in another they cannot be one figure.
    """
    commission = row.commission
    if commission is None or not row.taxes or not _one_currency(row):
        return commission
    return EXACT.subtract(commission, row.taxes)


def _one_currency(row: Trade) -> bool:
    return _commission_currency(row) == row.currency


def _commission_currency(row: Trade) -> str:
    return said(row.commission_currency) or row.currency
