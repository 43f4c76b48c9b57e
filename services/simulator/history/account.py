"""The past of one account, worked out day by day: its lots, its cash and what it was worth."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.simulator.book import Account
from services.simulator.history.building import Build, steps_of
from services.simulator.history.money import Flow, Move, brought, earned, moves_of
from services.simulator.history.steps import Lots, OpenLot, Step
from services.simulator.history.trading import trading_of
from services.simulator.history.world import World
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument


class Worth(NamedTuple):
    """What an account was worth at the end of a day, in its base currency.

    A future is worth what it has gained since it was opened; the book keeps that apart from the cash.
    """

    cash: Decimal
    stock_long: Decimal
    stock_short: Decimal
    options_long: Decimal
    options_short: Decimal
    futures: Decimal

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self, ZERO)


class Held(NamedTuple):
    """A holding at the end of a statement."""

    instrument: Instrument
    lots: Sequence[OpenLot]

    @property
    def quantity(self) -> Decimal:
        """Signed."""
        return sum((lot.quantity for lot in self.lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """Signed like the quantity."""
        return sum((lot.cost for lot in self.lots), ZERO).copy_sign(self.quantity)


@dataclass(slots=True)
class AccountPast:
    """All that statements of one account can tell. ``worth`` is by day, ``held`` of the last of each year."""

    account: str
    base: str
    steps: list[Step]
    flows: list[Flow]
    moves: list[Move]
    worth: list[Worth]
    held: dict[int, list[Held]]
    day_of: dict[int, int]
    """Of each step, by its identity."""

    def cash(self, upto: int) -> dict[str, Decimal]:
        """What was there in each currency at the end of a day; before the first one nothing."""
        found: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for move in self.moves:
            if move.day <= upto:
                found[move.currency] += move.amount
        return found


def past_of(world: World, account: Account, builds: Sequence[Build], ends: Sequence[int]) -> AccountPast:
    """Work out an account's past that ends at the book; ``ends`` are the days at which statements end."""
    own = [build for build in builds if build.account == account.account]
    steps = [step for build in own for step in steps_of(world, build)]
    steps += trading_of(world, account.account, own)
    steps.sort(key=lambda step: step.at)
    day_of = {id(step): bisect_right(world.days, step.at.date()) - 1 for step in steps}
    run = _Run(world, account.base_currency, frozenset(ends))
    by_day: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        by_day[day_of[id(step)]].append(step)
    valued = [run.day(day, by_day.get(day, ())) for day in range(len(world.days))]
    moves = [move for step in steps for move in moves_of(step, day_of[id(step)])]
    flows = earned(world, run.changes, sorted(account.cash) or [account.base_currency])
    moves += [flow.move for flow in flows]
    outside = brought(world, moves, account.cash, account.base_currency)
    flows = sorted([*outside, *flows], key=lambda flow: flow.day)
    moves = sorted([*moves, *(flow.move for flow in outside)], key=lambda move: move.day)
    cash = _cash_in_base(world, account.base_currency, moves)
    worth = [Worth(amount, *parts) for amount, parts in zip(cash, valued, strict=True)]
    return AccountPast(account.account, account.base_currency, steps, flows, moves, worth, run.held, day_of)


class _Run:
    """Goes through the days; ``changes`` are the quantities of each contract after each day with steps."""

    def __init__(self, world: World, base: str, ends: frozenset[int]) -> None:
        self._world = world
        self._base = base
        self._ends = ends
        self._books: dict[int, tuple[Instrument, Lots]] = {}
        self._figures: dict[int, tuple[Instrument, Decimal, Decimal]] = {}
        self.changes: dict[int, list[tuple[int, Decimal]]] = defaultdict(list)
        self.held: dict[int, list[Held]] = {}

    def day(self, day: int, steps: Sequence[Step]) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Do the steps of a day, and value what is held at its end."""
        for step in steps:
            conid = step.instrument.conid
            if step.instrument.sec_type == "CASH":
                continue  # a conversion leaves nothing but cash
            _, lots = self._books.setdefault(conid, (step.instrument, Lots()))
            lots.apply(step)
            quantity = lots.quantity
            self.changes[conid].append((day, quantity))
            self._figures.pop(conid, None)
            if quantity:
                self._figures[conid] = step.instrument, quantity, lots.cost
        if day in self._ends:
            self.held[day] = [
                Held(instrument, [copy(lot) for lot in lots.lots])
                for instrument, lots in self._books.values()
                if lots.lots
            ]
        return self._value(day)

    def _value(self, day: int) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        world, stock, options, futures = self._world, [ZERO, ZERO], [ZERO, ZERO], ZERO
        rates = {currency: world.rate(currency, self._base, day) for currency in self._currencies()}
        for instrument, quantity, cost in self._figures.values():
            rate = rates[instrument.currency]
            value = quantity * world.mark(instrument, day) * instrument.point_value
            if instrument.sec_type == "FUT":
                futures += (value - cost.copy_sign(quantity)) * rate
            else:
                kind = stock if instrument.sec_type == "STK" else options
                kind[quantity < ZERO] += value * rate
        return *stock, *options, futures  # type: ignore[return-value]

    def _currencies(self) -> set[str]:
        return {instrument.currency for instrument, _, _ in self._figures.values()}


def _cash_in_base(world: World, base: str, moves: Sequence[Move]) -> Iterator[Decimal]:
    by_day: Mapping[int, list[Move]] = defaultdict(list)
    for move in moves:
        by_day[move.day].append(move)
    balances: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for day in range(len(world.days)):
        for move in by_day.get(day, ()):
            balances[move.currency] += move.amount
        yield sum((amount * world.rate(one, base, day) for one, amount in balances.items()), ZERO)
