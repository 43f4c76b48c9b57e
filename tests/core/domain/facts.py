"""What the broker says of one book, drawn at random, and what a database would keep of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import astuple

from core.domain.anchors import Anchor
from core.domain.episodes import Episode
from core.domain.fills import Fill, Report, effective_fills
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod, Lot
from core.domain.openings import Effect
from tests.core.domain.making import at

POINT_VALUE = Decimal("0.01")
SIZES = st.decimals("-20", "20", places=2)
QUANTITIES = SIZES.filter(bool)
PRICES = st.decimals("-5", "500", places=3)
AMOUNTS = st.decimals("-2", "5", places=4)


class Executed(NamedTuple):
    """One revision of an execution."""

    exec_id: str
    executed_at: datetime
    base_id: str
    revision: int
    quantity: Decimal
    price: Decimal


class Charged(NamedTuple):
    """A commission report, in another currency where it has a rate, or should have one."""

    exec_id: str
    commission: Decimal
    currency: str
    rate: Decimal | None


class Effected(NamedTuple):
    """What a statement says that an execution did."""

    exec_id: str
    effect: Effect


Fact = Executed | Charged | Effected | Anchor


@st.composite
def _execution(draw: st.DrawFn, index: int) -> list[Fact]:
    told: list[Fact] = []
    for revision in range(1, draw(st.sampled_from((1, 1, 1, 2, 3))) + 1):
        exec_id = f"e{index:03}.{revision:02}"
        # Only a correction can say zero.
        size = draw(QUANTITIES if revision == 1 else st.sampled_from((Decimal(0), Decimal(7), Decimal(-3))))
        told.append(Executed(exec_id, at(10 * index), f"e{index:03}", revision, size, draw(PRICES)))
        if draw(st.booleans()):
            currency = draw(st.sampled_from(("USD", "USD", "EUR")))
            rate = draw(st.none() | st.just(Decimal("1.08655"))) if currency == "EUR" else None
            told.append(Charged(exec_id, draw(AMOUNTS), currency, rate))
    return told


@st.composite
def _anchor(draw: st.DrawFn, index: int) -> Anchor:
    cause = draw(st.sampled_from((None, "split", "split", "expiry", "transfer", "missed_executions")))
    return Anchor(
        at(10 * index + 5),
        draw(SIZES),
        draw(st.none() | PRICES),
        cause,  # type: ignore[arg-type] - one of the causes
        draw(st.none() | PRICES),
        draw(st.booleans()),
        draw(st.booleans()),
    )


_EFFECTS = st.builds(
    lambda opens, cost: Effect(opens, not opens, cost),
    st.booleans(),
    st.none() | PRICES,
)


@st.composite
def _change(draw: st.DrawFn, index: int) -> Anchor:
    cause = draw(
        st.sampled_from(("split", "split", "expiry", "transfer", "merger", "exercise_or_assignment"))
    )
    return Anchor(
        # Not at a second of anything else: at one time the order of a book's anchors is told by the database.
        at(10 * index + 3),
        draw(st.just(Decimal(5)) | SIZES.filter(bool)),
        None,
        cause,  # type: ignore[arg-type] - one of the causes
        draw(st.none() | PRICES),
        draw(st.booleans()),
        relative=True,
        cost=draw(st.none() | PRICES),
    )


@st.composite
def facts(draw: st.DrawFn, executions: int = 8, anchors: int = 3, *, stated: bool = False) -> list[Fact]:
    """Executions with corrections and cancellations, commissions, and words of the broker in between.

    ``stated``: with changes that statements tell of, and what they say that executions did.
    """
    told = [fact for index in range(draw(st.integers(1, executions))) for fact in draw(_execution(index))]
    places = draw(st.lists(st.integers(-1, executions), max_size=anchors, unique=True))
    told += [draw(_anchor(index)) for index in places]
    if stated:
        places = draw(st.lists(st.integers(-1, executions), max_size=2, unique=True))
        told += [draw(_change(index)) for index in places]
        executed = [one.exec_id for one in told if isinstance(one, Executed)]
        effects = draw(st.dictionaries(st.sampled_from(executed), _EFFECTS))
        told += [Effected(exec_id, effect) for exec_id, effect in effects.items()]
    return told


@st.composite
def fills(draw: st.DrawFn, most: int = 20, *, commission: bool = True) -> list[Fill]:
    """Fills in order, a second between them."""
    amounts = st.none() | AMOUNTS if commission else st.just(Decimal(0))
    rows = draw(st.lists(st.tuples(QUANTITIES, PRICES, amounts), max_size=most))
    return [
        Fill(at(index), f"e{index:03}", f"e{index:03}.01", *row, row[2] is not None)
        for index, row in enumerate(rows)
    ]


Row = tuple[object, ...]


@dataclass
class Kept:
    """One book as a database keeps it: facts once each, and the rows of the last fold."""

    method: CostMethod
    executed: dict[str, Executed] = field(default_factory=dict)
    charged: dict[str, Charged] = field(default_factory=dict)
    anchors: dict[datetime, Anchor] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)
    positions: dict[UUID, Row] = field(default_factory=dict)
    events: dict[tuple[UUID, int], Row] = field(default_factory=dict)
    lots: dict[tuple[UUID, int], tuple[object, ...]] = field(default_factory=dict)
    disposals: dict[tuple[UUID, int], Row] = field(default_factory=dict)
    episodes: int = 0
    open: Episode | None = None
    refolds: int = 0

    @property
    def rows(self) -> list[object]:
        """Everything that was written."""
        return [self.positions, self.events, self.lots, self.disposals, self.episodes]

    def take(self, batch: Iterable[Fact]) -> None:
        """Store what is new and fold: onward from what is stored if it follows on that, else anew."""
        last = max(
            (
                *((one.executed_at, one.base_id) for one in self.executed.values()),
                *((as_of, "~") for as_of in self.anchors),
            ),
            default=None,
        )
        arrived: list[Executed] = []
        onward = True
        for fact in batch:
            if isinstance(fact, Anchor):
                onward = onward and fact.as_of in self.anchors
                self.anchors[fact.as_of] = fact
            elif isinstance(fact, Charged):
                known = self.executed.get(fact.exec_id)
                onward = onward and (known is None or known in arrived or fact.exec_id in self.charged)
                self.charged[fact.exec_id] = fact
            elif isinstance(fact, Effected):
                onward = onward and fact.exec_id in self.effects
                self.effects[fact.exec_id] = fact.effect
            elif fact.exec_id not in self.executed:
                onward = onward and fact.exec_id not in self.effects
                onward = onward and (last is None or (fact.executed_at, fact.base_id) > last)
                self.executed[fact.exec_id] = fact
                arrived.append(fact)
        if onward:
            ledger = Ledger(
                "DU1", 1, POINT_VALUE, method=self.method, episodes=self.episodes, episode=self._open()
            )
            ledger.run(self._fills(arrived))
        else:
            self.refolds += 1
            for rows in (self.positions, self.events, self.lots, self.disposals):
                rows.clear()  # type: ignore[attr-defined] - each is a dict
            ledger = self.from_scratch()
        self._write(ledger)

    def from_scratch(self) -> Ledger:
        """A fold of all facts."""
        held = sorted(self.anchors.values())
        executed = self._fills(self.executed.values())
        return fold_book("DU1", 1, POINT_VALUE, executed, held, method=self.method, effects=self.effects)

    def _fills(self, executed: Iterable[Executed]) -> list[Fill]:
        reports: list[Report] = []
        for one in executed:
            charged = self.charged.get(one.exec_id)
            reports.append(
                Report(
                    one.executed_at,
                    one.base_id,
                    one.revision,
                    one.exec_id,
                    one.quantity,
                    one.price,
                    *((None, None) if charged is None else charged[1:]),
                )
            )
        return effective_fills(reports, "USD")

    def _write(self, ledger: Ledger) -> None:
        self.episodes, self.open = ledger.episodes, ledger.episode
        for one in ledger.touched:
            self.positions[one.id] = position_row(one)
            self.events |= {(one.id, event.seq): astuple(event) for event in one.events}
            self.lots |= {(one.id, lot.seq): astuple(lot)[:-1] for lot in one.lots}
            self.disposals |= {(one.id, part.seq): astuple(part) for part in one.disposals}

    def _open(self) -> Episode | None:
        """The open episode as it is read back: its sums, and of its lots those that are open."""
        if self.open is None:
            return None
        left = self.open
        read = Episode(left.account, left.conid, left.ordinal, left.opening, left.opened_at, self.method)
        for name in _SUMS:
            setattr(read, name, getattr(left, name))
        kept = sorted((key[1], row) for key, row in self.lots.items() if key[0] == left.id)
        for _, row in kept:
            lot = Lot(*row, written=True)  # type: ignore[arg-type] - the fields of a lot in order
            if lot.remaining:
                read.open_lots.append(lot)
        return read


_SUMS = (
    "long",
    "quantity",
    "max_quantity",
    "cost",
    "realized",
    "commission",
    "open_commission",
    "missing_commissions",
    "provisional_lots",
    "estimated",
    "event_count",
    "lot_count",
    "disposal_count",
)


def position_row(episode: Episode) -> Row:
    """What is written of an episode beside its events, lots and disposals."""
    return (
        episode.ordinal,
        episode.opened_at,
        episode.closed_at,
        episode.average_cost,
        *(getattr(episode, name) for name in _SUMS),
    )
