"""What accounts were worth at any moment that has passed, from what they held then and the nearest marks.

A mark is looked for up to ``NEAR`` before the moment, else up to ``AFTER`` behind it, else as far back as
there is one; whichever it is, it says from when it is. One from the other side of a split is restated.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from core.domain.account_values import BASE_SUMMARY
from core.domain.money import ZERO, is_usable
from core.domain.pnl import EXACT, QUANTUM
from core.domain.snapshots import CASH_LIKE, WORTH_NOTHING_SOMETIMES, covered_share

NEAR: Final = timedelta(days=7)
"""Over a weekend and the longest holidays a mark is as old as this, and still the last there was."""

AFTER: Final = timedelta(days=1)
"""What was bought a moment ago has its first mark with the next snapshot, within the hour or the day."""

SETTLED_DAILY: Final = frozenset({"FUT"})
"""What such gained or lost was paid day by day, and is in the cash."""

DIFFERENCE_ONLY: Final = frozenset({"CFD"})
"""Of such only what they gained or lost belongs to the account, not what they are about."""

WhoTold: TypeAlias = Literal["snapshot", "statement", "last_known"]
"""``last_known``: what the broker told last, newer than any snapshot."""


_STATED_SPLIT: Final = re.compile(r"\bSPLIT (\d+(?:\.\d+)?) FOR (\d+(?:\.\d+)?)\b")
_SAME_SPLIT: Final = timedelta(days=2)
"""Two accounts' words about one split are no further apart."""


class Dated(Protocol):
    """What was true at a moment."""

    @property
    def as_of(self) -> datetime: ...  # noqa: D102 - as it says


AnyDated = TypeVar("AnyDated", bound=Dated)


class Mark(NamedTuple):
    """A price as quoted, and from when it is."""

    price: Decimal
    as_of: datetime
    source: WhoTold


class FxRate(NamedTuple):
    """What one unit of a currency was worth in another; the base currency's own has no time."""

    rate: Decimal
    as_of: datetime | None
    source: WhoTold | None


class DatedRate(NamedTuple):
    """A rate among others."""

    rate: Decimal
    as_of: datetime
    source: WhoTold


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


class Split(NamedTuple):
    """``old`` units became ``new`` ones at a moment."""

    at: datetime
    new: Decimal
    old: Decimal


class SplitTold(NamedTuple):
    """A split as the book of one account shows it; ``description`` is the statement's, empty without one."""

    account: str
    at: datetime
    units_before: Decimal
    units_after: Decimal
    description: str


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
    """How many positions have a value, and the share of it all, by value, from marks that were near."""

    positions: int
    valued: int
    share: Decimal


class AccountThen(NamedTuple):
    """What an account was worth. ``total`` is its cash and its positions; ``None``: a part is not known.

    ``positions_value`` is of those that have one. ``trades_apart`` executions lie between the moment and when
    the cash was told, which they did not move on. ``net_liquidation`` is the broker's own, the nearest.
    """

    account: str
    base_currency: str | None
    positions: tuple[ValuedThen, ...]
    cash: tuple[CashThen, ...]
    positions_value: Decimal | None
    cash_value: Decimal | None
    trades_apart: int | None
    total: Decimal | None
    coverage: CoverageThen
    net_liquidation: Amount | None


class ToldThen(NamedTuple):
    """What was told of an account around the moment; rates are into its base currency, by currency."""

    base_currency: str | None
    net_liquidation: Amount | None
    cash: Sequence[CashThen]
    trades_apart: int | None
    rates: Mapping[str, Sequence[DatedRate]]


def nearest(candidates: Iterable[AnyDated], at: datetime) -> AnyDated | None:
    """The one to go by at ``at``: the last before it, unless that is far and another soon follows."""
    before: AnyDated | None = None
    behind: AnyDated | None = None
    for one in candidates:
        if one.as_of <= at:
            before = one if before is None or one.as_of > before.as_of else before
        elif one.as_of <= at + AFTER:
            behind = one if behind is None or one.as_of < behind.as_of else behind
    if before is not None and (behind is None or at - before.as_of <= NEAR):
        return before
    return behind


def is_believable(price: Decimal | None, sec_type: str) -> bool:
    """Whether a price is told, a number, and not a zero that no such instrument can be worth."""
    return price is not None and is_usable(price) and (price != ZERO or sec_type in WORTH_NOTHING_SOMETIMES)


def restated_price(mark: Mark, splits: Iterable[Split], at: datetime) -> tuple[Decimal, bool]:
    """A mark's price in the units of ``at``, and whether a split lies between.

    >>> from datetime import UTC
    >>> day = datetime(2026, 11, 20, tzinfo=UTC)
    >>> two_for_one = Split(day, Decimal(2), Decimal(1))
    >>> restated_price(Mark(Decimal(160), day - NEAR, "snapshot"), [two_for_one], day + AFTER)
    (Decimal('80'), True)
    """
    with localcontext(EXACT):
        price, parts = mark.price, Decimal(1)
        restated = False
        for split in splits:
            if mark.as_of < split.at <= at:
                price, parts = price * split.old, parts * split.new
            elif at < split.at <= mark.as_of:
                price, parts = price * split.new, parts * split.old
            else:
                continue
            restated = True
        if not restated:
            return mark.price, False
        divided = price / parts
        rounded = divided.quantize(QUANTUM)
        return (divided if divided == rounded else rounded), True


def splits_of(told: Iterable[SplitTold], account: str) -> list[Split]:
    """The splits of an instrument, each once: by the account's own book, else by another's.

    The ratio is the statement's; units alone tell it but for what was paid out instead of a fraction.
    """
    found: list[Split] = []
    for one in sorted(told, key=lambda one: (one.account != account, one.at)):
        if any(abs(one.at - other.at) <= _SAME_SPLIT for other in found):
            continue
        stated = _STATED_SPLIT.search(one.description)
        new, old = map(Decimal, stated.groups()) if stated else (one.units_after, one.units_before)
        if new * old > ZERO:
            found.append(Split(one.at, new, old))
    return found


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
        for currency, candidates in told.rates.items()
        if (found := nearest(candidates, at)) is not None
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
    parts = [one.counted for one in positions]
    known = [part for part in parts if part is not None]
    with localcontext(EXACT):
        positions_value = sum(known, ZERO) if known else None
        if not parts and (told.cash or told.net_liquidation is not None):
            positions_value = ZERO  # something was told of it then, and it held nothing
        total = None
        if cash_value is not None and positions_value is not None and len(known) == len(parts):
            total = cash_value + positions_value
        coverage = _coverage(positions, at)
    return AccountThen(
        account=account,
        base_currency=told.base_currency,
        positions=positions,
        cash=tuple(told.cash),
        positions_value=positions_value,
        cash_value=cash_value,
        trades_apart=told.trades_apart,
        total=total,
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


def _coverage(positions: Sequence[ValuedThen], at: datetime) -> CoverageThen:
    valued = [one for one in positions if one.market_value_base is not None]
    near = [
        one.market_value_base is not None and one.mark is not None and at - one.mark.as_of <= NEAR
        for one in positions
    ]
    weights = [(_weight(one), is_near) for one, is_near in zip(positions, near, strict=True)]
    return CoverageThen(len(positions), len(valued), covered_share(weights))


def _weight(one: ValuedThen) -> Decimal | None:
    if one.market_value_base is not None:
        return abs(one.market_value_base)
    cost = one.held.cost_basis
    return None if one.fx is None or cost is None else abs(cost * one.fx.rate)
