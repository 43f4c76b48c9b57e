"""ib_async's objects and callback arguments → facts. Pure; the only place that reads those objects."""

from datetime import datetime
from decimal import Decimal

import msgspec
from ib_async import CommissionReport, Contract, ContractDetails, Execution

from core.domain.executions import has_quantity
from core.domain.instruments import COMBO_CONID, Instrument
from core.domain.money import UNSET_INTEGER, UNSET_LONG, decimal_from_float, decimal_from_text
from core.events.facts import (
    CommissionReported,
    ExecutionReported,
    MarkReported,
    PnlReported,
    PositionReported,
)
from services.broker.gateway_time import zone_named
from services.broker.unreadable import UnreadableError

_RIGHTS = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_PRICE_PLACES = Decimal("0.00000001")


class Instruments:
    """What is known of every conid met in this process; one object each, so that a fill costs no new one."""

    def __init__(self) -> None:
        self._known: dict[int, Instrument] = {}

    def get(self, conid: int) -> Instrument | None:
        """The instrument, if it was met."""
        return self._known.get(conid)

    def of(self, contract: Contract) -> Instrument:
        """The instrument that ``contract`` names.

        Raises:
            UnreadableError: it has no conid, which is the only key that never changes.
        """
        conid = contract.conId
        known = self._known.get(conid)
        if (
            known is not None
            and known.symbol == contract.symbol
            and known.local_symbol == contract.localSymbol
            and known.currency == contract.currency
        ):
            return known
        if conid <= 0:
            raise UnreadableError("validation", "the contract has no id")
        instrument = _instrument(contract)
        if known is not None and conid != COMBO_CONID:
            # Renamed: contract details that were read before still hold.
            instrument = msgspec.structs.replace(
                instrument,
                price_magnifier=known.price_magnifier,
                description=known.description,
                liquid_hours=known.liquid_hours,
                time_zone=known.time_zone,
                isin=known.isin,
                cusip=known.cusip,
            )
        self._known[conid] = instrument
        return instrument

    def describe(self, details: ContractDetails) -> Instrument:
        """Add what only contract details tell: magnifier, long name, trading hours, and what identifies it.

        Raises:
            UnreadableError: the details name no contract.
        """
        contract = details.contract
        if contract is None or contract.conId <= 0:
            raise UnreadableError("validation", "the contract details name no contract")
        plain = _instrument(contract)
        zone = zone_named(details.timeZoneId)
        # No list at all where the login may not see any.
        ids = {one.tag.upper(): one.value.strip() for one in details.secIdList or ()}
        instrument = msgspec.structs.replace(
            plain,
            exchange=contract.primaryExchange or contract.exchange,
            price_magnifier=max(int(details.priceMagnifier), 1),
            description=details.longName,
            liquid_hours=details.liquidHours,
            time_zone=zone.key if zone is not None else "",
            expiry=plain.expiry or details.maturity,
            isin=ids.get("ISIN", ""),
            cusip=ids.get("CUSIP", "") or details.cusip,
        )
        self._known[contract.conId] = instrument
        return instrument


def _instrument(contract: Contract) -> Instrument:
    multiplier = decimal_from_text(contract.multiplier) if contract.multiplier else None
    strike = decimal_from_float(contract.strike)
    return Instrument(
        conid=contract.conId,
        symbol=contract.symbol,
        sec_type=contract.secType,
        currency=contract.currency,
        local_symbol=contract.localSymbol,
        trading_class=contract.tradingClass,
        exchange=contract.exchange or contract.primaryExchange,
        # IBKR leaves the multiplier of what is not leveraged empty (or 0): one unit is worth one price.
        multiplier=multiplier if multiplier is not None and multiplier > 0 else Decimal(1),
        expiry=contract.lastTradeDateOrContractMonth,
        strike=strike or None,
        right=_RIGHTS.get(contract.right.upper(), ""),
    )


def execution(
    instrument: Instrument, fill: Execution, *, received_at: datetime, zone_assumed: bool
) -> ExecutionReported:
    """A fill.

    Raises:
        UnreadableError: a figure without which it cannot be booked is missing or makes no sense.
    """
    quantity = decimal_from_float(fill.shares)
    price = decimal_from_float(fill.price)
    if quantity is None or not has_quantity(fill.execId, quantity):
        raise UnreadableError("validation", "the execution has no quantity")
    if price is None:
        raise UnreadableError("validation", "the execution has no price")
    if fill.side not in {"BOT", "SLD"}:
        raise UnreadableError("validation", "the execution is neither bought nor sold")
    if not fill.execId or not fill.acctNumber:
        raise UnreadableError("validation", "the execution has no id or no account")
    return ExecutionReported(
        received_at=received_at,
        account=fill.acctNumber,
        instrument=instrument,
        exec_id=fill.execId,
        executed_at=fill.time,
        side="BOT" if fill.side == "BOT" else "SLD",
        quantity=quantity,
        price=price,
        order_id=_number(fill.orderId),
        perm_id=_number(fill.permId),
        client_id=_number(fill.clientId),
        order_ref=fill.orderRef,
        exchange=fill.exchange,
        cumulative_quantity=decimal_from_float(fill.cumQty),
        average_price=decimal_from_float(fill.avgPrice),
        liquidity=_number(fill.lastLiquidity),
        model_code=fill.modelCode,
        zone_assumed=zone_assumed,
    )


def _number(value: int) -> int:
    """An id; manual orders carry the unset value where they have none."""
    return 0 if value in {UNSET_INTEGER, UNSET_LONG} else value


def commission(report: CommissionReport, *, received_at: datetime) -> CommissionReported:
    """What a fill cost. Must see the report before ``Wrapper.commissionReport`` turns unset into 0.

    Raises:
        UnreadableError: it names no execution or carries no commission.
    """
    amount = decimal_from_float(report.commission)
    if not report.execId:
        raise UnreadableError("validation", "the commission report names no execution")
    if amount is None:
        raise UnreadableError("validation", "the commission report has no commission")
    return CommissionReported(
        received_at=received_at,
        exec_id=report.execId,
        commission=amount,
        currency=report.currency,
        realized_pnl=decimal_from_float(report.realizedPNL),
    )


def position(
    account: str,
    instrument: Instrument,
    quantity: float,
    average_cost: float,
    *,
    received_at: datetime,
    as_of: datetime,
    sweep: str,
) -> PositionReported:
    """What the broker says is held.

    Raises:
        UnreadableError: it has no quantity (unknown is not flat) or no account.
    """
    held = decimal_from_float(quantity)
    if held is None:
        raise UnreadableError("validation", "the position has no quantity")
    if not account:
        raise UnreadableError("validation", "the position has no account")
    return PositionReported(
        received_at=received_at,
        account=account,
        instrument=instrument,
        quantity=held,
        average_cost=decimal_from_float(average_cost),
        as_of=as_of,
        sweep=sweep,
    )


def account_pnl(
    account: str, daily: float, unrealized: float, realized: float, *, received_at: datetime
) -> PnlReported:
    """An account's profit and loss; unset and NaN (before the first tick) are unknown."""
    return PnlReported(
        received_at=received_at,
        account=account,
        daily_pnl=decimal_from_float(daily),
        unrealized_pnl=decimal_from_float(unrealized),
        realized_pnl=decimal_from_float(realized),
    )


def mark_from_pnl(
    account: str,
    conid: int,
    instrument: Instrument | None,
    *,
    quantity: float,
    daily: float,
    unrealized: float,
    realized: float,
    value: float,
    last: MarkReported | None,
    received_at: datetime,
) -> MarkReported:
    """A position's mark from its profit-and-loss subscription, which carries its value but not its price.

    The price follows from the value (value = quantity × price × multiplier ÷ magnifier) where the instrument
    was described, for before that nobody knows its magnifier; otherwise the ``last`` one stays.
    """
    held = decimal_from_float(quantity)
    worth = decimal_from_float(value)
    price = last.market_price if last is not None else None
    if held and worth is not None and instrument is not None:
        price = (worth / (held * instrument.point_value)).quantize(_PRICE_PLACES).normalize()
    return MarkReported(
        received_at=received_at,
        account=account,
        conid=conid,
        quantity=held,
        market_price=price,
        market_value=worth,
        daily_pnl=decimal_from_float(daily),
        unrealized_pnl=decimal_from_float(unrealized),
        realized_pnl=decimal_from_float(realized),
    )


def mark_from_portfolio(
    account: str,
    conid: int,
    *,
    quantity: float,
    price: float,
    value: float,
    unrealized: float,
    realized: float,
    last: MarkReported | None,
    received_at: datetime,
) -> MarkReported:
    """A position's mark from the account's portfolio, which has no daily figure: the ``last`` one stays."""
    return MarkReported(
        received_at=received_at,
        account=account,
        conid=conid,
        quantity=decimal_from_float(quantity),
        market_price=decimal_from_float(price),
        market_value=decimal_from_float(value),
        daily_pnl=last.daily_pnl if last is not None else None,
        unrealized_pnl=decimal_from_float(unrealized),
        realized_pnl=decimal_from_float(realized),
    )
