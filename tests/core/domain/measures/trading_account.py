"""An account that is kept day by day: what it holds and is worth, and what each day gained by what.

It knows nothing of the measures: prices gain by the day, futures settle into cash every evening, and all that
is paid is paid in its currency.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

BASE = "USD"
CURRENCIES = ("USD", "EUR", "GBP")
ZERO = Decimal(0)


class Thing(NamedTuple):
    conid: int
    symbol: str
    sec_type: str
    currency: str
    multiplier: int = 1
    magnifier: int = 1

    @property
    def points(self) -> Decimal:
        return Decimal(self.multiplier) / self.magnifier


ACME, RHEIN, THAMES = (
    Thing(1, "ACME", "STK", "USD"),
    Thing(2, "RHEIN", "STK", "EUR"),
    Thing(3, "THAMES", "STK", "GBP", 1, 100),
)
CALL, GOLD, DAX = (
    Thing(4, "ACME C100", "OPT", "USD", 100),
    Thing(5, "GC", "FUT", "USD", 100),
    Thing(6, "FDAX", "FUT", "EUR", 25),
)
MERGED = Thing(7, "MERGED", "STK", "EUR")
THINGS = (ACME, RHEIN, THAMES, CALL, GOLD, DAX, MERGED)


class Trade(NamedTuple):
    day: int
    thing: Thing
    quantity: Decimal
    price: Decimal
    commission: Decimal
    commission_currency: str


class Paid(NamedTuple):
    day: int
    kind: str
    amount: Decimal
    currency: str
    thing: Thing | None = None


class Converted(NamedTuple):
    day: int
    bought: str
    amount: Decimal
    sold: str
    paid: Decimal


class Changed(NamedTuple):
    """A split, an expiry, a leg of a merger; a transfer has a ``value``."""

    day: int
    thing: Thing
    cause: str
    quantity: Decimal
    cash: Decimal | None = None
    value: Decimal | None = None
    group: str = ""


@dataclass
class Evening:
    """How the account stands at the end of a day."""

    held: dict[int, Decimal]
    prices: dict[int, Decimal]
    cash: dict[str, Decimal]
    rates: dict[str, Decimal]
    value: Decimal


@dataclass
class TradingAccount:
    """``gained`` has by day and instrument what prices did, in the instrument's currency."""

    seed: int
    days: int
    trades: list[Trade] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    converted: list[Converted] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    evenings: list[Evening] = field(default_factory=list)
    gained: list[dict[int, Decimal]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a market, not a secret
        self._held: dict[int, Decimal] = defaultdict(lambda: ZERO)
        self._cash: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._prices = {one.conid: self._number(20, 200) for one in THINGS}
        self._rates = {"EUR": Decimal("1.08123"), "GBP": Decimal("1.27001")}
        self._over: set[int] = {MERGED.conid}
        for currency in CURRENCIES:
            self._cash[currency] = self._number(1_000, 90_000)
        for thing in (ACME, RHEIN, THAMES, CALL, GOLD, DAX):
            self._held[thing.conid] = Decimal(self._chance.randrange(-4, 9))
        self._end_day({})
        for day in range(1, self.days):
            self._day(day)

    def contributed(self, after: int, until: int) -> Decimal:
        total = ZERO
        for one in self.paid:
            if after < one.day <= until and one.kind in {"deposit", "withdrawal", "transfer"}:
                total += one.amount * self.rate(one.currency, one.day)
        for moved in self.changed:
            if after < moved.day <= until and moved.value is not None:
                total += moved.value * self.rate(moved.thing.currency, moved.day)
        return total

    def rate(self, currency: str, day: int) -> Decimal:
        return self.evenings[day].rates.get(currency, Decimal(1))

    def price_gain(self, after: int, until: int) -> dict[int, Decimal]:
        """What prices did, in each instrument's currency; what was merged is one instrument."""
        found: dict[int, Decimal] = defaultdict(lambda: ZERO)
        for day in range(after + 1, until + 1):
            for conid, gain in self.gained[day].items():
                found[RHEIN.conid if conid == MERGED.conid else conid] += gain
        return found

    def _number(self, low: int, high: int) -> Decimal:
        return Decimal(self._chance.randrange(low * 100, high * 100)) / 100

    def _moved(self, number: Decimal, digits: str, most: float = 0.06) -> Decimal:
        step = Decimal(repr(round(self._chance.uniform(-most, most), 6)))
        return (number * (1 + step)).quantize(Decimal(digits))

    def _day(self, day: int) -> None:
        chance, before = self._chance, dict(self._prices)
        self._rates = {name: self._moved(rate, "0.00001", 0.01) for name, rate in self._rates.items()}
        self._prices = {conid: self._moved(price, "0.01") for conid, price in self._prices.items()}
        gained: dict[int, Decimal] = defaultdict(lambda: ZERO)
        if chance.random() < 0.05:
            self._split(day, before)
        if chance.random() < 0.05:
            self._expire(day)
        for thing in THINGS:
            change = self._prices[thing.conid] - before[thing.conid]
            gained[thing.conid] += self._held[thing.conid] * change * thing.points
        if chance.random() < 0.05:
            self._merge(day, gained)
        for _ in range(chance.randrange(4)):
            self._trade(day, gained)
        self._pay(day)
        for thing in THINGS:
            if thing.sec_type == "FUT":
                self._cash[thing.currency] += gained[thing.conid]
        if CALL.conid in self._over and self._held[CALL.conid]:
            self.changed.append(Changed(day, CALL, "expiry", -self._held.pop(CALL.conid)))
        self._end_day(gained)

    def _split(self, day: int, before: dict[int, Decimal]) -> None:
        before[ACME.conid] /= 2
        self._prices[ACME.conid] = (self._prices[ACME.conid] / 2).quantize(Decimal("0.01"))
        if self._held[ACME.conid]:
            self.changed.append(Changed(day, ACME, "split", self._held[ACME.conid]))
        self._held[ACME.conid] *= 2

    def _expire(self, _day: int) -> None:
        self._over.add(CALL.conid)
        self._prices[CALL.conid] = ZERO

    def _merge(self, day: int, gained: dict[int, Decimal]) -> None:
        """Two of the new one and some money for each of the old."""
        held = self._held.pop(RHEIN.conid, ZERO)
        self._over = self._over - {MERGED.conid} | {RHEIN.conid}
        if not held:
            return
        cash = held * Decimal("1.5")
        worth = 2 * held * self._prices[MERGED.conid]
        gained[MERGED.conid] += worth + cash - held * self._prices[RHEIN.conid]
        self._held[MERGED.conid] += 2 * held
        self._cash["EUR"] += cash
        group = f"merger {day}"
        self.changed.append(Changed(day, RHEIN, "merger", -held, cash, group=group))
        self.changed.append(Changed(day, MERGED, "merger", 2 * held, group=group))

    def _trade(self, day: int, gained: dict[int, Decimal]) -> None:
        chance = self._chance
        thing = chance.choice([one for one in THINGS if one.conid not in self._over])
        quantity = Decimal(chance.choice((-7, -3, -1, 1, 2, 5)))
        price = self._moved(self._prices[thing.conid], "0.01", 0.02)
        commission, currency = self._number(0, 4), chance.choice((thing.currency, thing.currency, BASE))
        self.trades.append(Trade(day, thing, quantity, price, commission, currency))
        self._held[thing.conid] += quantity
        gained[thing.conid] += quantity * (self._prices[thing.conid] - price) * thing.points
        self._cash[currency] -= commission
        if thing.sec_type != "FUT":
            self._cash[thing.currency] -= quantity * price * thing.points

    def _pay(self, day: int) -> None:
        chance = self._chance
        kinds = ("dividend", "payment_in_lieu", "interest", "fee", "tax", "deposit", "withdrawal", "transfer")
        for kind in kinds:
            if chance.random() > 0.08:
                continue
            currency, thing = chance.choice(CURRENCIES), None
            amount = self._number(1, 300) * (1 if kind in {"dividend", "deposit", "transfer"} else -1)
            if kind in {"dividend", "payment_in_lieu"}:
                thing = chance.choice((ACME, RHEIN, THAMES))
                currency = thing.currency
                if kind == "dividend":
                    self._pay_one(Paid(day, "withholding_tax", -self._number(0, 1), currency, thing))
            self._pay_one(Paid(day, kind, amount, currency, thing))
        if chance.random() < 0.1:
            self._convert(day)
        if chance.random() < 0.05:
            thing, quantity = chance.choice((ACME, THAMES)), Decimal(chance.randrange(1, 9))
            self._held[thing.conid] += quantity
            value = quantity * self._prices[thing.conid] * thing.points
            self.changed.append(Changed(day, thing, "transfer", quantity, value=value))

    def _pay_one(self, one: Paid) -> None:
        if one.amount:
            self._cash[one.currency] += one.amount
            self.paid.append(one)

    def _convert(self, day: int) -> None:
        bought, sold = self._chance.choice((("EUR", "USD"), ("GBP", "USD"), ("EUR", "GBP")))
        amount = self._number(10, 900)
        paid = self._moved(amount * self._rates[bought] / self._rates.get(sold, Decimal(1)), "0.01", 0.01)
        self._cash[bought] += amount
        self._cash[sold] -= paid
        self.converted.append(Converted(day, bought, amount, sold, paid))

    def _end_day(self, gained: dict[int, Decimal]) -> None:
        rates = dict(self._rates)
        value = sum((cash * rates.get(one, 1) for one, cash in self._cash.items()), ZERO)
        for thing in THINGS:
            if thing.sec_type != "FUT":
                worth = self._held[thing.conid] * self._prices[thing.conid] * thing.points
                value += worth * rates.get(thing.currency, 1)
        held = {conid: quantity for conid, quantity in self._held.items() if quantity}
        self.evenings.append(Evening(held, dict(self._prices), dict(self._cash), rates, value))
        self.gained.append(dict(gained))
