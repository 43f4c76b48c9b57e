"""Any order, batching and repetition of the same facts gives the same rows."""

import random
from decimal import Decimal
from typing import get_args

import pytest
from sqlalchemy import text

from core.domain.lots import CostMethod
from core.events.facts import CommissionReported, ExecutionReported, Fact
from core.settings import Settings
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    Link,
    commission,
    exchange_rate,
    execution,
)
from tests.services.position_sync.ledger_rows import clear, ledger_rows

METHODS = get_args(CostMethod)
RATES = (exchange_rate("USD", "1"), exchange_rate("EUR", "1.0837215"), exchange_rate("GBP", "1.2531"))


def script(chance: random.Random) -> list[Fact]:
    """A day of fills in two books: both directions, flips, corrections, commissions that never come.

    Some trades are cancelled, and some commissions come in other currencies: of yen no rate is ever told.
    """
    facts: list[Fact] = [*RATES]

    def charge(exec_id: str, amount: str) -> CommissionReported:
        currency = chance.choice(("USD", "USD", "USD", "EUR", "GBP", "JPY"))
        return commission(exec_id, amount, currency=currency)

    for number in range(40):
        instrument = chance.choice((ACME, GOLD))
        quantity = chance.choice(("1", "2", "3.5", "-1", "-2", "-4.25"))
        price = str(Decimal(chance.randrange(100, 2000)) / 10)
        second = chance.randrange(0, 30)
        base = f"0000e{number:03}.{chance.randrange(10)}"
        facts.append(execution(f"{base}.01", quantity, price, seconds=second, instrument=instrument))
        if chance.random() < 0.85:
            facts.append(charge(f"{base}.01", str(Decimal(chance.randrange(-50, 500)) / 100)))
        if chance.random() < 0.2:
            sign, size = "-" if quantity.startswith("-") else "", chance.choice(("1.5", "0"))
            facts.append(
                execution(f"{base}.02", f"{sign}{size}", price, seconds=second + 1, instrument=instrument)
            )
            if chance.random() < 0.7:
                facts.append(charge(f"{base}.02", chance.choice(("0.3333", "-0.25"))))
    return facts


def disturbed(facts: list[Fact], chance: random.Random) -> list[list[Entry]]:
    """The same facts shuffled, some of them twice, in entries and batches of any size."""
    again = [fact for fact in facts if chance.random() < 0.2]
    shuffled = [*facts, *again]
    if chance.random() < 0.5:
        chance.shuffle(shuffled)
    link = Link()
    batches: list[list[Entry]] = []
    while shuffled:
        batch: list[Entry] = []
        for _ in range(chance.randrange(1, 4)):
            size = chance.randrange(1, 12)
            batch.append(link.entry(*shuffled[:size]))
            shuffled = shuffled[size:]
        batches.append(batch)
    return batches


async def begin(database: Database, method: str) -> None:
    """An account whose owner has chosen a cost method, and nothing else."""
    await clear(database)
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO broker_accounts (account, paper, cost_method, first_seen_at, last_seen_at) "
                "VALUES (:account, true, :method, now(), now())"
            ),
            {"account": ACCOUNT, "method": method},
        )


async def fold_all_from_scratch(database: Database, streams: RedisStreams, settings: Settings) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()


@pytest.mark.parametrize(("seed", "method"), [(seed, METHODS[seed % 4]) for seed in range(16)])
async def test_however_the_facts_arrive_the_rows_are_those_of_one_fold_from_scratch(
    seed: int, method: str, relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable script, not a secret
    facts = script(chance)
    await begin(database, method)
    await relay.handle([Link().entry(*facts)])
    await fold_all_from_scratch(database, streams, settings)
    expected = await ledger_rows(database)
    assert len(expected["executions"]) == len({f.exec_id for f in facts if isinstance(f, ExecutionReported)})
    assert len(expected["commission_reports"]) == len(
        {fact.exec_id for fact in facts if isinstance(fact, CommissionReported)}
    )
    await begin(database, method)
    for batch in disturbed(facts, chance):
        await relay.handle(batch)
        if chance.random() < 0.2:
            await relay.handle(batch)  # the worker died between commit and acknowledgement
    assert await ledger_rows(database) == expected


@pytest.mark.parametrize("method", METHODS)
async def test_while_rates_move_each_commission_keeps_the_one_it_was_booked_with(
    method: str, relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    chance = random.Random(f"rates {method}")  # noqa: S311 - a repeatable script, not a secret
    link = Link()
    await begin(database, method)
    facts = [fact for fact in script(chance) if fact not in RATES]
    for number, fact in enumerate(facts):
        moved = exchange_rate("EUR", str(Decimal(chance.randrange(9000, 12000)) / 10000), seconds=number)
        told = [RATES[0], moved] if number > len(facts) // 3 else []
        await relay.handle([link.entry(*told, fact)])
    live = await ledger_rows(database)
    assert len({row[-1] for row in live["commission_reports"]}) > 3
    await fold_all_from_scratch(database, streams, settings)
    assert await ledger_rows(database) == live


async def test_fact_by_fact_as_they_come_live_the_rows_are_the_same(relay: Relay, database: Database) -> None:
    chance = random.Random(99)  # noqa: S311 - a repeatable script, not a secret
    facts = sorted(script(chance), key=lambda fact: fact.received_at)
    await relay.handle([Link().entry(*facts)])
    expected = await ledger_rows(database)
    await clear(database)
    link = Link()
    for fact in facts:
        await relay.handle([link.entry(fact)])
    assert await ledger_rows(database) == expected


async def test_a_late_commission_is_shared_out_to_the_lots_it_closed_as_a_fold_does(
    relay: Relay, database: Database
) -> None:
    facts = [
        *(execution(f"{n}.01", "1", seconds=n) for n in range(7)),
        *(commission(f"{n}.01", "0.1") for n in range(6)),
        execution("s.01", "-3", seconds=9),
        execution("t.01", "-2.5", seconds=10),
    ]
    late = [commission("s.01", "1"), commission("t.01", "0.77")]
    await relay.handle([Link().entry(*facts, *late)])
    expected = await ledger_rows(database)
    assert len(expected["lot_disposals"]) == 6
    await clear(database)
    link = Link()
    await relay.handle([link.entry(*facts)])
    await relay.handle([link.entry(*late)])
    assert await ledger_rows(database) == expected


async def test_a_book_that_waits_to_be_folded_again_is_folded_whole_when_a_fill_comes_first(
    relay: Relay, database: Database
) -> None:
    link = Link()
    await relay.handle([link.entry(execution("a.01", "5", seconds=0), execution("b.01", "-2", seconds=1))])
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM lot_disposals"))
        await connection.execute(text("UPDATE positions SET disposal_count = 0"))
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await relay.handle([link.entry(execution("c.01", "-1", seconds=2))])
    told = await ledger_rows(database)
    assert len(told["lot_disposals"]) == 2
    assert told["ledger_books"][0][-1] == "False"


async def test_a_commission_that_comes_after_its_fill_leaves_the_positions_history_untouched(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                *(execution(f"{n}.01", "5", seconds=n) for n in range(5)), execution("s.01", "-2", seconds=9)
            )
        ]
    )
    before = await rows("SELECT seq, xmin::text FROM position_events WHERE seq < 5 ORDER BY seq")
    await relay.handle([link.entry(commission("4.01", "0.10"))])
    await relay.handle([link.entry(commission("s.01", "0.50"))])
    assert await rows("SELECT seq, xmin::text FROM position_events WHERE seq < 5 ORDER BY seq") == before
    (stored,) = await rows(
        "SELECT realized_pnl, commission, cost_basis, missing_commissions, version FROM positions"
    )
    assert stored == {
        "realized_pnl": Decimal("-0.5"),
        "commission": Decimal("0.6"),
        "cost_basis": Decimal("230.1"),
        "missing_commissions": 4,
        "version": 3,
    }
    disposal = "SELECT close_commission, realized_pnl, provisional FROM lot_disposals"
    # The lot it was taken from has no commission yet.
    assert await rows(disposal) == [
        {"close_commission": Decimal("0.5"), "realized_pnl": Decimal("-0.5"), "provisional": True}
    ]
    await relay.handle([link.entry(commission("0.01", "1"))])
    assert await rows(disposal) == [
        {"close_commission": Decimal("0.5"), "realized_pnl": Decimal("-0.9"), "provisional": False}
    ]
    (stored,) = await rows("SELECT realized_pnl, cost_basis FROM positions")
    assert stored == {"realized_pnl": Decimal("-0.9"), "cost_basis": Decimal("230.7")}
