"""A portfolio that learns late, is corrected and told again, and what a fold makes of it at a moment."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from sqlalchemy import text

from core.domain.anchors import Anchor
from core.domain.books import BookKey
from core.domain.episodes import Episode
from core.domain.fills import Report, effective_fills
from core.domain.instruments import Instrument
from core.domain.lifecycle import Ledger
from core.domain.lots import CostMethod
from core.domain.money import ZERO, plain
from core.domain.openings import balance_before
from core.events.facts import Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.positions import positions_page
from models.session import Database
from services.position_sync.reconcile import reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    START,
    Link,
    at,
    commission,
    dataset,
    execution,
    position,
    positions_completed,
)

OLDER = Instrument(conid=8314, symbol="OLD", sec_type="STK", currency="USD", exchange="NYSE")
BOOKS = {(ACCOUNT, one.conid): one for one in (ACME, GOLD, OLDER)}
STEP = 60
FIGURES = (
    "side",
    "status",
    "quantity",
    "average_cost",
    "cost_basis",
    "realized_pnl",
    "commission",
    "opened_at",
    "closed_at",
    "broker_quantity",
    "reconciled",
    "provisional",
)
Rows = dict[str, dict[str, Any]]


def figures(rows: Iterable[dict[str, Any]]) -> Rows:
    return {row["id"]: {name: row[name] for name in FIGURES} for row in rows}


def moment(step: int) -> datetime:
    """When all that a step brought had been received."""
    return at(STEP * step + 50)


def spelled(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


@dataclass
class Told:
    """A portfolio that learns step by step, and what its positions were said to be after each step."""

    database: Database
    streams: RedisStreams
    settings: Settings
    now: datetime = START
    link: Link = field(default_factory=Link)
    remembered: list[Rows] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.relay = Relay(
            self.database,
            self.streams,
            self.settings,
            ask_for_comparison=self._never,
            clock=self.clock,
        )

    def clock(self) -> datetime:
        return self.now

    @staticmethod
    async def _never(account: str, trigger: str) -> None: ...

    async def keep_account(self, method: CostMethod) -> None:
        async with self.database.write() as writer:
            await writer.execute(
                text(
                    "INSERT INTO broker_accounts (account, paper, cost_method, first_seen_at, last_seen_at) "
                    "VALUES (:account, true, :method, now(), now())"
                ),
                {"account": ACCOUNT, "method": method},
            )

    async def hear(self, *facts: Fact, compare: bool = False) -> None:
        """One step: facts come, the ledger may be compared with the broker's, and what it says is noted."""
        step = len(self.remembered)
        received = at(STEP * step + 30)
        self.now = at(STEP * step + 40)
        if facts:
            entry = self.link.entry(*(replace(fact, received_at=received) for fact in facts))
            await self.relay.handle([entry])
        if compare:
            self.now = at(STEP * step + 45)
            await reconcile(
                self.database, self.streams, self.settings, ACCOUNT, "test", clock=lambda: self.now
            )
        self.now = moment(step)
        self.remembered.append(await self.live())

    async def live(self) -> Rows:
        async with self.database.read() as reader:
            found = await positions_page(reader, status="all", limit=500)
        return {one.id: {name: spelt(getattr(one, name)) for name in FIGURES} for one in found}


def spelt(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return spelled(value) if isinstance(value, datetime) else value


def learnt(chance: random.Random, steps: int = 36) -> list[tuple[list[Fact], bool]]:
    """Steps of a history in which things are learnt late, corrected, cancelled, repeated and explained."""
    told: list[tuple[list[Fact], bool]] = [
        (
            [
                position("7", "12.5", sweep="s1", instrument=OLDER),
                positions_completed("s1", 1),
                dataset(),
            ],
            False,
        )
    ]
    fills: dict[str, tuple[Instrument, str, float]] = {}
    awaited: list[str] = []
    for step in range(1, steps):
        facts: list[Fact] = []
        for number in range(chance.choice((0, 1, 1, 2))):
            instrument = chance.choice((ACME, GOLD, OLDER))
            quantity = chance.choice(("1", "2", "3.5", "-1", "-2", "-4.25"))
            done = STEP * (
                step if chance.random() < 0.7 else chance.randrange(1, step + 1)
            ) + chance.randrange(25)
            exec_id = f"0000{step:02}{number}.01"
            price = str(Decimal(chance.randrange(100, 2000)) / 10)
            facts.append(execution(exec_id, quantity, price, seconds=done, instrument=instrument))
            fills[exec_id] = (instrument, quantity, done)
            awaited.append(exec_id)
        if awaited and chance.random() < 0.8:
            facts.append(
                commission(awaited.pop(chance.randrange(len(awaited))), str(chance.randrange(-9, 99)))
            )
        if fills and chance.random() < 0.2:
            exec_id = chance.choice(sorted(fills))
            instrument, quantity, done = fills.pop(exec_id)
            sign = "-" if quantity.startswith("-") else ""
            changed = f"{exec_id[:-2]}02"
            left = f"{sign}{chance.choice(('1.5', '0'))}"
            facts.append(execution(changed, left, "33", seconds=done, instrument=instrument))
            if chance.random() < 0.6:
                facts.append(commission(changed, "0.3333"))
        if chance.random() < 0.1:
            said = str(chance.randrange(-5, 9))
            facts.append(
                position(said, "21", seconds=STEP * step + 26, instrument=chance.choice((ACME, OLDER)))
            )
        told.append((facts, chance.random() < 0.25))
    return told


def begun_by(ledger: Ledger, when: datetime) -> dict[str, dict[str, Any]]:
    def amounts(episode: Episode) -> dict[str, Any]:
        cost = episode.cost if episode.quantity or episode.cost is None else ZERO
        return {
            "quantity": plain(episode.quantity),
            "cost_basis": None if cost is None else plain(cost),
            "realized_pnl": None if episode.realized is None else plain(episode.realized),
            "commission": plain(episode.commission),
            "closed_at": spelt(episode.closed_at),
        }

    return {str(one.id): amounts(one) for one in ledger.touched if one.opened_at <= when}


def folded_up_to(
    when: datetime,
    reports: dict[BookKey, list[Report]],
    anchors: dict[BookKey, list[Anchor]],
    method: CostMethod,
) -> dict[str, dict[str, Any]]:
    """What the ledger comes to when it is folded no further than a moment, from all that is known now."""
    found: dict[str, dict[str, Any]] = {}
    for key, instrument in BOOKS.items():
        fills, held = effective_fills(reports.get(key, []), "USD"), anchors.get(key, [])
        ledger = Ledger(*key, instrument.point_value, method=method)
        opening = balance_before(held[0], fills, instrument.point_value) if held else None
        if opening is not None:
            ledger.begin_with(opening)
        ledger.run(
            [fill for fill in fills if fill.executed_at <= when], [one for one in held if one.as_of <= when]
        )
        found |= begun_by(ledger, when)
    return found
