"""What accounts were worth at any moment that has passed, from what they held then and the nearest marks.

A mark is looked for up to ``NEAR`` before the moment, else up to ``AFTER`` behind it, else as far back as
there is one; whichever it is, it says from when it is, and one that is not near covers nothing. So are rates.
A mark from the other side of a split is restated.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Final, NamedTuple

from core.domain.account_values import BASE_SUMMARY
from core.domain.marks import NEAR, Mark, Split, SplitTold, nearest, restated_price, splits_of
from core.domain.money import ZERO
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory, WhoTold
from core.domain.snapshots import CASH_LIKE, covered_share

SETTLED_DAILY: Final = frozenset({"FUT"})
"""What such gained or lost was paid day by day, and is in the cash."""

DIFFERENCE_ONLY: Final = frozenset({"CFD"})
"""Of such only what they gained or lost belongs to the account, not what they are about."""


class FxRate(NamedTuple):
    """What one unit of a currency was worth in another; the base currency's own has no time."""

    rate: Decimal
    as_of: datetime | None
    source: WhoTold | None


class Amount(NamedTuple):
    """An amount that was told."""

    amount: Decimal
    as_of: datetime
    source: WhoTold


class CashThen(NamedTuple):
    """Cash in one currency; ``BASE_SUMMARY``: all of it, in the base currency."""

    currency: str
    amount: Decimal
    as_of: datetime
    source: WhoTold


class HeldThen(NamedTuple):
    """What the ledger held of an instrument. ``point_value``: of one point of price, per unit."""

    account: str
    position_id: str
    conid: int
    symbol: str
    sec_type: str
    currency: str
    point_value: Decimal
    quantity: Decimal
    average_cost: Decimal | None
    cost_basis: Decimal | None


class ValuedThen(NamedTuple):
    """What was held and what it was worth. ``mark_price`` is in the units of the moment.

    ``restated``: the mark is from the other side of a split. ``counted`` is what belongs to the account's
    value in its base currency: nothing of a future, of a CFD what it gained.
    """

    held: HeldThen
    mark: Mark | None
    mark_price: Decimal | None
    restated: bool
    market_value: Decimal | None
    fx: FxRate | None
    market_value_base: Decimal | None
    unrealized_pnl: Decimal | None
    counted: Decimal | None


class ValuedRow(NamedTuple):
    """The same in a row, as it is told. ``mark_age_seconds`` is negative for a mark of after the moment."""

    position_id: str
    conid: int
    symbol: str
    sec_type: str
    currency: str
    quantity: Decimal
    average_cost: Decimal | None
    cost_basis: Decimal | None
    mark_price: Decimal | None
    mark_as_of: datetime | None
    mark_age_seconds: int | None
    mark_source: WhoTold | None
    mark_restated: bool
    market_value: Decimal | None
    fx_rate: Decimal | None
    fx_as_of: datetime | None
    market_value_base: Decimal | None
    unrealized_pnl: Decimal | None
    counted: Decimal | None


class CoverageThen(NamedTuple):
    """How many positions have a value, and the share of all, by value, from near marks and rates."""

    positions: int
    valued: int
    share: Decimal


class AccountThen(NamedTuple):
    """What an account was worth. ``total`` is as the broker counts it: cash, positions and what is due.

    ``None``: a part is not known. ``due_value`` is interest and dividends that are due, and what futures
    gained since they were settled; ``None``: it was not told with the cash, and counts as nothing.
    ``oldest_rate_at`` is of when the oldest rate is that any of it was converted with; ``None``: with none.
    ``positions_value`` is of those that have one. ``trades_apart`` executions lie between the moment and when
    the cash was told, which they did not move on. ``net_liquidation`` is the broker's own, the nearest.
    """

    account: str
    base_currency: str | None
    positions: tuple[ValuedThen, ...]
    cash: tuple[CashThen, ...]
    positions_value: Decimal | None
    cash_value: Decimal | None
    due_value: Decimal | None
    trades_apart: int | None
    total: Decimal | None
    oldest_rate_at: datetime | None
    coverage: CoverageThen
    net_liquidation: Amount | None


class ToldThen(NamedTuple):
    """What was told of an account around the moment; rates are into its base currency.

    ``due``: what was due besides the cash, by its currency (``BASE_SUMMARY``: all, in the base currency).
    """

    base_currency: str | None
    net_liquidation: Amount | None
    cash: Sequence[CashThen]
    trades_apart: int | None
    rates: RateHistory
    due: Mapping[str, Decimal] = MappingProxyType({})


def worth_then(
    held: HeldThen, mark: Mark | None, splits: Iterable[Split], fx: FxRate | None, at: datetime
) -> ValuedThen:
    """A holding at its mark; without one it has no value, and without a rate none in the base currency."""
    if mark is None:
        return ValuedThen(held, None, None, False, None, fx, None, None, None)
    price, restated = restated_price(mark, splits, at)
    with localcontext(EXACT):
        value = price * held.quantity * held.point_value
        gained = None if held.cost_basis is None else value - held.cost_basis
        in_base = None if fx is None else value * fx.rate
        counted = in_base
        if held.sec_type in SETTLED_DAILY:
            counted = ZERO
        elif held.sec_type in DIFFERENCE_ONLY:
            counted = None if fx is None or gained is None else gained * fx.rate
    return ValuedThen(held, mark, price, restated, value, fx, in_base, gained, counted)


def row_of(one: ValuedThen, at: datetime) -> ValuedRow:
    """A valued holding as it is told."""
    held, mark, fx = one.held, one.mark, one.fx
    return ValuedRow(
        position_id=held.position_id,
        conid=held.conid,
        symbol=held.symbol,
        sec_type=held.sec_type,
        currency=held.currency,
        quantity=held.quantity,
        average_cost=held.average_cost,
        cost_basis=held.cost_basis,
        mark_price=one.mark_price,
        mark_as_of=None if mark is None else mark.as_of,
        mark_age_seconds=None if mark is None else int((at - mark.as_of).total_seconds()),
        mark_source=None if mark is None else mark.source,
        mark_restated=one.restated,
        market_value=one.market_value,
        fx_rate=None if fx is None else fx.rate,
        fx_as_of=None if fx is None else fx.as_of,
        market_value_base=one.market_value_base,
        unrealized_pnl=one.unrealized_pnl,
        counted=one.counted,
    )


def account_then(
    account: str,
    told: ToldThen,
    holdings: Iterable[HeldThen],
    marks: Mapping[int, Sequence[Mark]],
    splits: Mapping[int, Sequence[SplitTold]],
    at: datetime,
) -> AccountThen:
    """An account at a moment. Currency pairs are cash, and of a combo only the legs are held."""
    rates = {
        currency: FxRate(*found)
        for currency in told.rates.currencies
        if (found := nearest(told.rates.told(currency), at)) is not None
    }
    if told.base_currency is not None:
        rates[told.base_currency] = FxRate(Decimal(1), None, None)
    positions = tuple(
        worth_then(
            held,
            nearest(marks.get(held.conid, ()), at),
            splits_of(splits.get(held.conid, ()), account),
            rates.get(held.currency),
            at,
        )
        for held in holdings
        if held.sec_type not in CASH_LIKE
    )
    cash_value = _cash_value(told.cash, rates)
    due_value, is_due_known = _due_value(told.due, rates)
    parts = [one.counted for one in positions]
    known = [part for part in parts if part is not None]
    with localcontext(EXACT):
        positions_value = sum(known, ZERO) if known else None
        if not parts and (told.cash or told.net_liquidation is not None):
            positions_value = ZERO  # something was told of it then, and it held nothing
        total = None
        is_known = is_due_known and len(known) == len(parts)
        if cash_value is not None and positions_value is not None and is_known:
            total = cash_value + positions_value + (due_value or ZERO)
        coverage = _coverage(positions, at)
    return AccountThen(
        account=account,
        base_currency=told.base_currency,
        positions=positions,
        cash=tuple(told.cash),
        positions_value=positions_value,
        cash_value=cash_value,
        due_value=due_value,
        trades_apart=told.trades_apart,
        total=total,
        oldest_rate_at=_oldest_rate(positions, told, rates),
        coverage=coverage,
        net_liquidation=told.net_liquidation,
    )


def _cash_value(cash: Sequence[CashThen], rates: Mapping[str, FxRate]) -> Decimal | None:
    """All of it in the base currency: the broker's own sum, else ours, if every rate is known."""
    total = ZERO
    for one in cash:
        if one.currency == BASE_SUMMARY:
            return one.amount
    with localcontext(EXACT):
        for one in cash:
            fx = rates.get(one.currency)
            if fx is None and one.amount:
                return None
            total += ZERO if fx is None else one.amount * fx.rate
    return total if cash else None


def _due_value(due: Mapping[str, Decimal], rates: Mapping[str, FxRate]) -> tuple[Decimal | None, bool]:
    """All that is due in the base currency, and whether every rate is known that it takes."""
    total = ZERO
    with localcontext(EXACT):
        for currency, amount in due.items():
            fx = FxRate(Decimal(1), None, None) if currency == BASE_SUMMARY else rates.get(currency)
            if fx is None and amount:
                return None, False
            total += ZERO if fx is None else amount * fx.rate
    return (total if due else None), True


def _oldest_rate(
    positions: Iterable[ValuedThen], told: ToldThen, rates: Mapping[str, FxRate]
) -> datetime | None:
    used = [one.fx for one in positions if one.counted]
    currencies = {currency for currency, amount in told.due.items() if amount}
    if not any(one.currency == BASE_SUMMARY for one in told.cash):
        currencies |= {one.currency for one in told.cash if one.amount}
    used += [rates.get(currency) for currency in currencies]
    return min((fx.as_of for fx in used if fx is not None and fx.as_of is not None), default=None)


def _coverage(positions: Sequence[ValuedThen], at: datetime) -> CoverageThen:
    valued = [one for one in positions if one.market_value_base is not None]
    near = [
        one.market_value_base is not None
        and one.mark is not None
        and at - one.mark.as_of <= NEAR
        and (one.fx is None or one.fx.as_of is None or at - one.fx.as_of <= NEAR)
        for one in positions
    ]
    weights = [(_weight(one), is_near) for one, is_near in zip(positions, near, strict=True)]
    return CoverageThen(len(positions), len(valued), covered_share(weights))


def _weight(one: ValuedThen) -> Decimal | None:
    if one.market_value_base is not None:
        return abs(one.market_value_base)
    cost = one.held.cost_basis
    return None if one.fx is None or cost is None else abs(cost * one.fx.rate)
