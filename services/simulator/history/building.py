"""How each holding of the book came to be: bought at just what the book says that it cost.

A book keeps a holding as one lot, and closes it at its average cost. So every opening of what is held costs
the same a unit, to the last digit: the price is what that leads to, and what is left over goes to the
commission.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import ROUND_HALF_EVEN, Decimal

from services.simulator.history.steps import Step
from services.simulator.history.world import Split, World
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument, commission_for

_PRICE_STEP = Decimal("0.0001")
_LONGEST_HELD = 120
"""Business days since when contracts that expire are held, at most."""
_RATIO = 10
_TWICE, _IN_PART = 0.3, 0.35
"""How often a holding was opened on two days, and how often a part of it was closed since."""
_RECEIVED_ON = 15
REORGANIZED = time(20, 25)


@dataclass(slots=True)
class Build:
    """One holding of the book and the days on which it was opened, with how much on each.

    ``extra`` was opened with the first part and is closed again on ``extra_day``. What was ``received`` came
    from another broker before.
    """

    account: str
    instrument: Instrument
    quantity: Decimal
    cost: Decimal
    days: list[int] = field(default_factory=list)
    parts: list[Decimal] = field(default_factory=list)
    extra: Decimal = ZERO
    extra_day: int = 0
    received: Decimal = ZERO

    @property
    def unit_cost(self) -> Decimal:
        """What one unit cost, or brought."""
        return self.cost / abs(self.quantity)

    @property
    def pin(self) -> Decimal:
        """About what it was quoted at then."""
        return self.unit_cost / self.instrument.point_value


def builds_of(world: World) -> list[Build]:
    """Every holding of the book, with the days of its openings; and which instrument was split since."""
    by_conid: dict[int, list[Build]] = defaultdict(list)
    merged: dict[tuple[str, int], Build] = {}
    for lot in world.book.opening_lots():
        instrument = world.book.instruments[lot.conid]
        build = merged.setdefault((lot.account, lot.conid), Build(lot.account, instrument, ZERO, ZERO))
        build.quantity += lot.quantity
        build.cost += lot.cost
    for build in merged.values():
        if build.quantity:
            by_conid[build.instrument.conid].append(build)
    for builds in by_conid.values():
        for number, build in enumerate(builds):
            _date(world, build, number, len(builds))
    found = [build for builds in by_conid.values() for build in builds]
    _receive(found)
    world.split = _split(world, by_conid)
    return found


def _date(world: World, build: Build, number: int, of: int) -> None:
    """Choose the days: holders of one instrument one after the other, so that its price can pass them all."""
    total, rng = len(world.days), world.rng
    expires = bool(build.instrument.expiry)
    first, last = (total - _LONGEST_HELD, total - 25) if expires else (int(total * 0.3), int(total * 0.92))
    width = (last - first) // of
    start = first + width * number
    build.days = [start + rng.randrange(max(width // 3, 1))]
    build.parts = [build.quantity]
    if build.instrument.sec_type != "STK":
        return
    whole = build.quantity == int(build.quantity)
    fate = rng.random()
    if fate < _TWICE and whole and not build.quantity % 2:
        build.days.append(start + width * 2 // 3 + rng.randrange(max(width // 4, 1)))
        build.parts = [build.quantity / 2, build.quantity / 2]
    elif fate < _TWICE + _IN_PART:
        more = max(int(abs(build.quantity)) // 4, 1)
        build.extra = Decimal(more).copy_sign(build.quantity)
        build.extra_day = rng.randrange(build.days[0] + 5, total - 8)


def _receive(builds: list[Build]) -> None:
    """One holding of each account came in part from another broker."""
    received: set[str] = set()
    for build in builds:
        part = build.quantity / 4
        if (
            build.account not in received
            and build.instrument.sec_type == "STK"
            and part > ZERO
            and part == int(part)
            and not build.extra
            and len(build.parts) == 1
        ):
            received.add(build.account)
            build.received = part
            build.parts = [build.quantity - part]


def _split(world: World, by_conid: dict[int, list[Build]]) -> Split | None:
    """The liveliest share that one account alone holds was split ten for one after it was bought."""
    splittable = [
        builds[0]
        for builds in by_conid.values()
        if len(builds) == 1
        and builds[0].instrument.sec_type == "STK"
        and builds[0].instrument.stock_type == "COMMON"
        and builds[0].quantity > ZERO
        and not builds[0].quantity % _RATIO
        and not builds[0].received
    ]
    if not splittable:
        return None
    build = max(splittable, key=lambda one: (one.instrument.volatility, one.instrument.conid))
    build.days, build.parts, build.extra = build.days[:1], [build.quantity], ZERO
    day = build.days[0] + (len(world.days) - build.days[0]) // 2
    return Split(build.instrument.conid, day, _RATIO)


def pins_of(builds: list[Build]) -> dict[int, dict[int, Decimal]]:
    """What prices have to pass: by contract and day."""
    pins: dict[int, dict[int, Decimal]] = defaultdict(dict)
    for build in builds:
        for day in build.days:
            pins[build.instrument.conid][day] = build.pin
    return pins


def steps_of(world: World, build: Build) -> Iterator[Step]:
    """What happened to a holding of the book."""
    instrument, account = build.instrument, build.account
    split = world.split if world.split and world.split.conid == instrument.conid else None
    if build.received:
        at = datetime.combine(world.days[_RECEIVED_ON], time())
        yield Step("received", at, account, instrument, build.received, cost=build.received * build.unit_cost)
    for number, (day, part) in enumerate(zip(build.days, build.parts, strict=True)):
        quantity = part + (ZERO if number else build.extra)
        ratio = world.ratio(instrument.conid, day)
        yield _opened(world, build, day, quantity / ratio, build.unit_cost * ratio)
    if split is not None:
        at = datetime.combine(world.days[split.day], REORGANIZED)
        yield Step("split", at, account, instrument, build.quantity - build.quantity / split.ratio)
    if build.extra:
        yield traded(world, account, instrument, build.extra_day, -build.extra)


def traded(world: World, account: str, instrument: Instrument, day: int, quantity: Decimal) -> Step:
    """A trade at about what the instrument was quoted at on a day."""
    price = world.traded_at(instrument, day)
    commission, currency = commission_for(instrument, quantity, price)
    at = world.moment(instrument, day)
    return Step("trade", at, account, instrument, quantity, price, commission, currency)


def _opened(world: World, build: Build, day: int, quantity: Decimal, unit_cost: Decimal) -> Step:
    """Open so much, at just ``unit_cost`` with the commission."""
    instrument = build.instrument
    cost = abs(quantity) * unit_cost
    about = unit_cost / instrument.point_value
    commission, currency = commission_for(instrument, quantity, about)
    at = world.moment(instrument, day)
    step = Step("trade", at, build.account, instrument, quantity, about, commission, currency)
    if instrument.sec_type == "CASH" or currency != instrument.currency:
        return step  # a conversion: its commission is no part of what it cost
    sign = 1 if quantity > ZERO else -1
    points = abs(quantity) * instrument.point_value
    step.price = ((cost - sign * commission) / points).quantize(_PRICE_STEP, ROUND_HALF_EVEN)
    step.commission = sign * (cost - abs(step.money))
    return step
