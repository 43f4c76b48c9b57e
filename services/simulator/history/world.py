"""What the past of all accounts has in common: its days, and the price of everything on each of them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from services.simulator.book import Book
from services.simulator.history.prices import walk
from services.simulator.instruments import Instrument

FIRST_PAST_CONID = 780_000_001
"""Contracts that are over by the book's first day are in no scenario."""


class Split(NamedTuple):
    """So many new units for each old one, after the trades of ``day`` (its place among the days)."""

    conid: int
    day: int
    ratio: int


@dataclass(slots=True)
class World:
    """Days by their place, and prices by contract and day; those before a split are kept as after it."""

    book: Book
    days: Sequence[date]
    rng: random.Random
    split: Split | None = None
    paths: dict[int, Sequence[Decimal]] = field(default_factory=dict)
    past: list[Instrument] = field(default_factory=list)

    def draw(self, pins: Mapping[int, Mapping[int, Decimal]]) -> None:
        """Work out the price of every instrument, which ends at its mark and passes ``pins`` on the way."""
        last = len(self.days) - 1
        for conid, instrument in self.book.instruments.items():
            known = {**pins.get(conid, {}), last: self.book.marks[conid]}
            self.paths[conid] = walk(instrument, len(self.days), known, self.rng)

    def ratio(self, conid: int, day: int) -> int:
        """How many of today's units one unit of that day is."""
        split = self.split
        return split.ratio if split is not None and split.conid == conid and day <= split.day else 1

    def traded_at(self, instrument: Instrument, day: int) -> Decimal:
        """A price of a trade on a day: near that day's last, as it was quoted then."""
        near = Decimal(self.rng.uniform(0.996, 1.004))
        return instrument.on_tick(
            self.paths[instrument.conid][day] * near * self.ratio(instrument.conid, day)
        )

    def mark(self, instrument: Instrument, day: int) -> Decimal:
        """The price at the end of a day, as it was quoted then."""
        price = self.paths[instrument.conid][day]
        split = self.split
        if split is not None and split.conid == instrument.conid and day < split.day:
            return price * split.ratio
        return price

    def contract_of_past(
        self, like: Instrument, expiry: date, path: Sequence[Decimal], *, strike: Decimal, right: str
    ) -> Instrument:
        """A contract that has expired since."""
        symbol = like.symbol
        if right:
            local = f"{symbol:<6}{expiry:%y%m%d}{right}{int(strike * 1000):08d}"
        else:
            local = f"{symbol}{'FGHJKMNQUVXZ'[expiry.month - 1]}{expiry.year % 10}"
        made = replace(
            like,
            conid=FIRST_PAST_CONID + len(self.past),
            expiry=f"{expiry:%Y%m%d}",
            strike=strike,
            right=right,
            local_symbol=local,
        )
        self.past.append(made)
        self.paths[made.conid] = path
        return made

    def moment(self, instrument: Instrument, day: int) -> datetime:
        """A time of a day at which both New York and the instrument's exchange are open."""
        morning = instrument.currency in {"EUR", "GBP"}
        minutes = self.rng.randrange(5, 110 if morning else 380)
        opening = datetime.combine(self.days[day], time(9, 30))
        return opening + timedelta(minutes=minutes, seconds=self.rng.randrange(60))

    def rate(self, currency: str, base: str, day: int) -> Decimal:
        """What one unit of ``currency`` was worth in ``base`` at the end of a day."""
        if currency == base:
            return Decimal(1)
        for instrument in self.book.instruments.values():
            if instrument.sec_type == "CASH":
                pair = (instrument.symbol, instrument.currency)
                if pair == (currency, base):
                    return self.paths[instrument.conid][day]
                if pair == (base, currency):
                    return 1 / self.paths[instrument.conid][day]
        return Decimal(1)
