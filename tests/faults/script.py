"""The script of a run: what a simulated broker does and tells, all of it decided by a seed.

The oracle works from what stands here and from nothing that Lotkeeper has computed.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NamedTuple

from services.simulator.book import Book
from services.simulator.executions import Key, Order, Side
from services.simulator.instruments import Instrument
from services.simulator.scenario import load_scenario, new_book

TAG = 0xFA017
"""The first part of every exec id, so that each run gives the same ones."""

ACCOUNTS = ("DU8100001", "DU8100002", "DU8100003", "DU8100004")
CHUNK = 40
_CORRECTED, _CANCELLED, _DUPLICATED, _BACKWARDS = 0.02, 0.15, 0.02, 0.2
_MOST_CORRECTIONS = 500
"""A correction lets the simulated broker work out a whole book anew."""
_LATE_CHUNKS = (2, 30)

Told = Literal["execution", "commission", "poison"]


def gateway_zone(now: datetime) -> str:
    """A zone in which it is about noon: executions are told since midnight, and no run may cross one."""
    offset = (12 - now.astimezone(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


def scenario(now: datetime) -> dict[str, Any]:
    """Four accounts, every kind of contract, some of it held before anything is told; nothing moves."""
    stocks = [
        {"conid": 265598 + number, "symbol": symbol, "exchange": "NASDAQ", "mark": mark}
        for number, (symbol, mark) in enumerate(
            (("AAPL", "228.02"), ("MSFT", "417.74"), ("JNJ", "155.17"), ("KO", "62.11"), ("NVDA", "131.4"))
        )
    ]
    euro = {"conid": 29612193, "symbol": "VOD", "exchange": "LSE", "mark": "71.22", "currency": "GBP"}
    futures = [
        {"conid": 700200001, "symbol": "ES", "multiplier": 50, "tick": "0.25", "mark": "5630.25"},
        {"conid": 700200003, "symbol": "GC", "multiplier": 100, "tick": "0.10", "mark": "2531.40"},
        {"conid": 700200005, "symbol": "ZC", "multiplier": 5000, "magnifier": 100, "tick": "0.25"}
        | {"mark": "435.50"},
    ]
    options = [
        {"conid": 700300000 + number, "ref": f"O{number}", "symbol": "AAPL", "kind": "OPT"}
        | {
            "expiry": "+3M",
            "strike": strike,
            "right": right,
            "exchange": "AMEX",
            "mark": mark,
            "under": 265598,
        }
        for number, (strike, right, mark) in enumerate((("230", "C", "7.15"), ("220", "P", "4.40")))
    ]
    pairs = [
        {"conid": 12087792, "ref": "EUR.USD", "symbol": "EUR", "kind": "CASH", "tick": "0.00005"}
        | {"mark": "1.10425"},
        {"conid": 12087797, "ref": "GBP.USD", "symbol": "GBP", "kind": "CASH", "tick": "0.00005"}
        | {"mark": "1.3121"},
    ]
    return {
        "name": "faults",
        "market": {"moves": False, "fills": False},
        "gateway": {"time_zone": gateway_zone(now)},
        "instruments": [
            *stocks,
            euro,
            *({"kind": "FUT", "expiry": "+12M", "exchange": "CME"} | future for future in futures),
            *options,
            *pairs,
        ],
        "accounts": [
            {
                "id": ACCOUNTS[0],
                "cash": {"USD": "1000000"},
                "holdings": {"AAPL": "100 @ 200", "ZC": "-3 @ 430"},
            },
            {"id": ACCOUNTS[1], "cash": {"USD": "500000"}, "holdings": {"MSFT": "-30 @ 410"}},
            {"id": ACCOUNTS[2], "cash": {"USD": "250000"}},
            {"id": ACCOUNTS[3], "cash": {"USD": "250000"}},
        ],
    }


class Booking(NamedTuple):
    """A fill, or with ``corrects`` another version of one. ``commission`` is what it adds to the cost."""

    exec_id: str
    corrects: str | None
    account: str
    conid: int
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    second: int
    perm_id: int = 0

    @property
    def base_id(self) -> str:
        return self.exec_id.rpartition(".")[0]


class Telling(NamedTuple):
    """Something that is told: of which execution."""

    kind: Told
    exec_id: str


@dataclass(slots=True)
class Chunk:
    """What is booked at once, made durable at once, and told in the order given; then its positions."""

    second: int
    bookings: list[Booking] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)

    @property
    def keys(self) -> list[Key]:
        return sorted({(one.account, one.conid) for one in self.bookings})


@dataclass(frozen=True, slots=True)
class Script:
    """A whole run. ``opening`` is what was held before: quantity and cost per unit with the multiplier."""

    seed: int
    size: int
    chunks: list[Chunk]
    opening: dict[Key, tuple[Decimal, Decimal]]
    point_value: dict[int, Decimal]
    realized: dict[str, Decimal | None]
    """What the broker says each execution realized, as it saw things when it was new."""
    poison: int

    @property
    def bookings(self) -> list[Booking]:
        return [booking for chunk in self.chunks for booking in chunk.bookings]

    @property
    def seconds(self) -> int:
        """How long the telling takes."""
        return self.chunks[-1].second + 1


class _Writer:
    def __init__(self, seed: int, size: int, pace: int, poison_every: int) -> None:
        self._seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - fills, not secrets
        self._size, self._pace, self._poison_every = size, pace, poison_every
        self._start = datetime(2026, 1, 5, 12, tzinfo=UTC)
        self._book: Book = new_book(load_scenario(scenario(self._start)), self._start, TAG)
        conids = list(self._book.instruments)
        self._keys = [(account, conid) for account in ACCOUNTS for conid in conids]
        self._rng.shuffle(self._keys)
        self._weights = [1 / (rank + 10) for rank in range(len(self._keys))]
        self._recent: deque[str] = deque(maxlen=400)
        self._later: dict[int, list[Telling]] = {}
        self._corrected = min(_CORRECTED, _MOST_CORRECTIONS / size)
        self._bookings = 0
        self._poison = 0

    def write(self) -> Script:
        opening = {
            (lot.account, lot.conid): (lot.quantity, lot.cost / abs(lot.quantity))
            for lot in self._book.opening_lots()
        }
        chunks: list[Chunk] = []
        realized: dict[str, Decimal | None] = {}
        while self._bookings < self._size:
            chunks.append(self._chunk(len(chunks), realized))
        last = Chunk(chunks[-1].second)
        last.tellings = [one for number in sorted(self._later) for one in self._later[number]]
        chunks.append(last)
        points = {conid: one.point_value for conid, one in self._book.instruments.items()}
        return Script(self._seed, self._size, chunks, opening, points, realized, self._poison)

    def _chunk(self, number: int, realized: dict[str, Decimal | None]) -> Chunk:
        chunk = Chunk(self._bookings // self._pace)
        for _ in range(min(CHUNK, self._size - self._bookings)):
            corrects = bool(self._recent) and self._rng.random() < self._corrected
            booking = self._correction(chunk.second) if corrects else self._fill(chunk.second)
            realized[booking.exec_id] = self._book.executions[booking.exec_id].realized
            chunk.bookings.append(booking)
            self._bookings += 1
            self._tell(chunk, booking, number)
            if self._poison_every and self._bookings % self._poison_every == 0:
                self._poison += 1
                chunk.tellings.append(Telling("poison", f"{self._poison}"))
        if self._rng.random() < _BACKWARDS:
            chunk.tellings.reverse()
        chunk.tellings.extend(self._later.pop(number, []))
        return chunk

    def _tell(self, chunk: Chunk, booking: Booking, number: int) -> None:
        execution, commission = (Telling(kind, booking.exec_id) for kind in ("execution", "commission"))
        draw = self._rng.random()
        if draw < 0.08:
            chunk.tellings += [commission, execution]
        elif draw < 0.12:
            chunk.tellings += [execution, commission, commission]
        elif draw < 0.20:
            chunk.tellings.append(execution)
            late = number + self._rng.randint(*_LATE_CHUNKS)
            self._later.setdefault(late, []).append(commission)
        else:
            chunk.tellings += [execution, commission]
        if self._rng.random() < _DUPLICATED:
            again = number + self._rng.randint(1, 20)
            self._later.setdefault(again, []).append(execution)

    def _at(self, second: int) -> datetime:
        return self._start + timedelta(seconds=second)

    def _fill(self, second: int) -> Booking:
        ((account, conid),) = self._rng.choices(self._keys, self._weights)
        instrument = self._book.instruments[conid]
        quantity = self._quantity(instrument)
        side: Side = self._rng.choice(("BOT", "SLD"))
        price = instrument.on_tick(
            self._book.marks[conid] * Decimal(repr(round(self._rng.gauss(1, 0.01), 5)))
        )
        order = Order(0, self._book.next_perm_id(), 0, quantity)
        made = self._book.fill(account, conid, side, quantity, price, self._at(second), order=order)
        self._recent.append(made.exec_id)
        return Booking(
            made.exec_id, None, account, conid, side, quantity, price, made.commission, second, order.perm_id
        )

    def _correction(self, second: int) -> Booking:
        index = self._rng.randrange(len(self._recent))
        old = self._book.executions[self._recent[index]]
        instrument = self._book.instruments[old.conid]
        quantity, price = old.quantity, old.price
        draw = self._rng.random()
        if draw < _CANCELLED:
            quantity = Decimal(0)
        elif draw < 0.6:
            quantity = self._quantity(instrument)
        else:
            price = instrument.on_tick(price * Decimal("1.003"))
        made = self._book.correct(old.exec_id, quantity, price, self._at(second))
        if quantity:
            self._recent[index] = made.exec_id
        else:
            del self._recent[index]
        return Booking(
            made.exec_id,
            old.exec_id,
            old.account,
            old.conid,
            old.side,
            quantity,
            price,
            made.commission,
            second,
        )

    def _quantity(self, instrument: Instrument) -> Decimal:
        match instrument.sec_type:
            case "CASH":
                return Decimal(self._rng.randint(1, 60) * 1000)
            case "FUT":
                return Decimal(self._rng.randint(1, 5))
            case "OPT":
                return Decimal(self._rng.randint(1, 12))
            case _ if self._rng.random() < 0.15:
                return Decimal(self._rng.randint(1, 99_999)) / 1000
            case _:
                return Decimal(self._rng.randint(1, 200))


@cache
def write_script(seed: int, size: int, pace: int = 1500, poison_every: int = 0) -> Script:
    """The script of ``seed`` with ``size`` executions, ``pace`` of them a second."""
    return _Writer(seed, size, pace, poison_every).write()
