"""What an account bought and sold again before: shares, futures, and options to their end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple

from services.simulator.history.building import Build, traded
from services.simulator.history.days import third_friday
from services.simulator.history.prices import walk
from services.simulator.history.steps import Step
from services.simulator.history.world import World
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument, commission_for

_MARGIN = 8
"""Business days between one holding of an instrument and the next."""
_SHORTEST = 12
_OTHERS = 4
_SHORT_SHARE = 0.2
_ADDED_TO, _SOLD_IN_PART = 0.4, 0.5
_FUTURES_FOR = 45
_ROUND = ((1_000, 100), (50, 10), (20, 5))
"""From so many shares on they are a multiple of that."""
_BOOKED = time(16, 20)
_CENT = Decimal("0.01")
_DEAR = 25

Fate = Literal["exercised", "assigned", "expired call", "expired put"]


class _Terms(NamedTuple):
    """How an option of a fate is made: what its strike is of the price at its end, and how many are held."""

    right: str
    strike_part: Decimal
    quantity: int


_TERMS: dict[Fate, _Terms] = {
    "exercised": _Terms("C", Decimal("0.94"), 1),
    "assigned": _Terms("P", Decimal("1.06"), -1),
    "expired call": _Terms("C", Decimal("1.08"), -2),
    "expired put": _Terms("P", Decimal("0.92"), 3),
}


def trading_of(world: World, account: str, builds: Sequence[Build]) -> Iterator[Step]:
    """Everything that an account had traded and has no more, all of it closed before ``builds`` begin."""
    total = len(world.days)
    held = {build.instrument.conid for build in builds}
    for build in builds:
        kind = build.instrument.sec_type
        if kind == "STK" and not build.received:
            yield from _rounds(world, account, build.instrument, _MARGIN, build.days[0] - _MARGIN)
        elif kind == "FUT":
            yield from _futures(world, account, build.instrument, build.days[0] - _MARGIN)
    split = world.split.conid if world.split else 0
    others = [
        one
        for one in world.book.instruments.values()
        if one.sec_type == "STK" and one.conid not in held and one.conid != split
    ]
    world.rng.shuffle(others)
    dollars = [one for one in others if one.currency == "USD" and one.stock_type == "COMMON"]
    fates: tuple[Fate, ...] = ("exercised", "assigned", "expired call", "expired put")
    for number, (fate, underlying) in enumerate(zip(fates, dollars, strict=False)):
        yield from _option(world, account, underlying, fate, total * (number + 2) // 6)
    optioned = {one.conid for one in dollars[:2]}
    for instrument in [one for one in others if one.conid not in optioned][:_OTHERS]:
        yield from _rounds(world, account, instrument, _MARGIN, total - _MARGIN)


def _rounds(world: World, account: str, instrument: Instrument, first: int, last: int) -> Iterator[Step]:
    """A few times from flat to flat between two days, one after the other."""
    rng = world.rng
    count = min(rng.choice((1, 2, 2, 3)), (last - first) // (_SHORTEST + _MARGIN))
    for number in range(count):
        width = (last - first) // count
        start = first + width * number
        end = start + width - _MARGIN
        opened = rng.randrange(start, start + max((end - start) // 3, 1))
        closed = rng.randrange(end - (end - start) // 4, end)
        yield from _round(world, account, instrument, opened, closed)


def _round(world: World, account: str, instrument: Instrument, opened: int, closed: int) -> Iterator[Step]:
    rng = world.rng
    size = _size(world, instrument, opened)
    size = -size if rng.random() < _SHORT_SHARE else size
    yield traded(world, account, instrument, opened, size)
    held = size
    if rng.random() < _ADDED_TO:
        more = max(abs(size) // 2, Decimal(1)).copy_sign(size)
        held += more
        yield traded(world, account, instrument, opened + (closed - opened) // 3, more)
    if rng.random() < _SOLD_IN_PART and abs(held) > 1:
        part = (abs(held) // 2).copy_sign(held)
        held -= part
        yield traded(world, account, instrument, opened + (closed - opened) * 2 // 3, -part)
    yield traded(world, account, instrument, closed, -held)


def _size(world: World, instrument: Instrument, day: int) -> Decimal:
    """A round number of shares for some thousands."""
    price = world.paths[instrument.conid][day] * world.ratio(instrument.conid, day)
    count = int(world.rng.randrange(4_000, 14_000) / float(price * instrument.point_value))
    step = next((step for least, step in _ROUND if count >= least), 1)
    return Decimal(max(count // step * step, 1))


def _futures(world: World, account: str, like: Instrument, last: int) -> Iterator[Step]:
    """Two earlier contracts of a kind, each bought or sold and closed before it expired."""
    rng = world.rng
    for number in range(2):
        first = last * (number + 1) // 3
        opened = rng.randrange(first, first + max(last // 3 - _FUTURES_FOR, 1))
        closed = min(opened + rng.randrange(5, _FUTURES_FOR - _MARGIN), last)
        beyond = world.days[closed] + timedelta(days=45)
        contract = world.contract_of_past(
            like, third_friday(beyond.year, beyond.month), world.paths[like.conid], strike=ZERO, right=""
        )
        quantity = Decimal(rng.choice((1, 1, -1)))
        yield traded(world, account, contract, opened, quantity)
        yield traded(world, account, contract, closed, -quantity)


def _option(world: World, account: str, underlying: Instrument, fate: Fate, near: int) -> Iterator[Step]:
    """An option that was held to its end, and the shares that came of it."""
    month = world.days[near]
    expiry = third_friday(month.year, month.month)
    ended = max(place for place, day in enumerate(world.days) if day <= expiry)
    opened = ended - world.rng.randrange(22, 40)
    terms = _TERMS[fate]
    path = world.paths[underlying.conid]
    strike = _strike(path[ended] * terms.strike_part, up=terms.strike_part > 1)
    premium = (_intrinsic(terms.right, path[opened], strike) + path[opened] / 40).quantize(_CENT)
    worth = max(_intrinsic(terms.right, path[ended], strike), _CENT)
    like = replace(
        underlying,
        sec_type="OPT",
        exchange="CBOE",
        trading_class=underlying.symbol,
        multiplier=Decimal(100),
        stock_type="",
        under_conid=underlying.conid,
        volatility=0.0004,
    )
    pins = {opened: premium, ended: worth.quantize(_CENT)}
    prices = walk(like, len(world.days), pins, world.rng)
    contract = world.contract_of_past(like, expiry, prices, strike=strike, right=terms.right)
    quantity = Decimal(terms.quantity)
    commission, currency = commission_for(contract, quantity, premium)
    at = world.moment(contract, opened)
    bought = Step("trade", at, account, contract, quantity, premium, commission, currency)
    yield bought
    at = datetime.combine(world.days[ended], _BOOKED)
    if fate not in {"exercised", "assigned"}:
        yield Step("expired", at, account, contract, -quantity, codes="Ep", commission_currency=currency)
        return
    kind: Literal["exercised", "assigned"] = "exercised" if fate == "exercised" else "assigned"
    codes = "Ex" if kind == "exercised" else "A"
    yield Step(kind, at, account, contract, -quantity, codes=codes, commission_currency=currency)
    shares = contract.multiplier
    cost = strike * shares + (bought.opening_cost if quantity > ZERO else -bought.opening_cost)
    yield Step("delivered", at, account, underlying, shares, strike, ZERO, currency, cost=cost, codes=codes)
    yield traded(world, account, underlying, ended + world.rng.randrange(6, 25), -shares)


def _intrinsic(right: str, price: Decimal, strike: Decimal) -> Decimal:
    return max(price - strike if right == "C" else strike - price, ZERO)


def _strike(price: Decimal, *, up: bool) -> Decimal:
    """The nearest strike on that side of a price."""
    step = Decimal(5) if price >= _DEAR else Decimal("0.5")
    return max((price / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR), Decimal(1)) * step
