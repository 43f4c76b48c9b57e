"""What a merger, a tender or another name took from one book, another goes on with: its cost and its age."""

import random
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from core.domain.instruments import Instrument
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.answers import lock_changing
from models.session import Database
from models.stores.cost_methods import set_cost_method
from services.position_sync.importing.run import undo_import
from services.position_sync.rebuild import rebuild
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, Link, at, commission, execution
from tests.services.position_sync.importing.conftest import Import, LotsOf, Undo
from tests.services.position_sync.importing.legs import (
    BOUGHT,
    CHAIN,
    FIRST,
    LATER,
    NEWCO,
    OLD,
    gone,
    held,
    leg,
    sound,
)
from tests.services.position_sync.importing.statements import trade
from tests.services.position_sync.ledger_rows import ledger_rows

COSTS = "SELECT day, conid, ours, stated FROM statement_differences WHERE kind = 'cost'"


async def events(rows: Rows, instrument: Instrument) -> list[tuple[str | None, Decimal, Decimal | None]]:
    found = await rows(
        "SELECT e.cause, e.quantity, e.realized_pnl FROM position_events e JOIN positions p "
        "ON p.id = e.position_id WHERE p.conid = :conid ORDER BY p.ordinal, e.seq",
        conid=instrument.conid,
    )
    return [(one["cause"], one["quantity"], one["realized_pnl"]) for one in found]


async def test_another_name_keeps_the_lots_their_cost_and_their_age(
    bring: Import, database: Database, rows: Rows, lots_of: LotsOf
) -> None:
    await bring(*BOUGHT, gone(ACME, "-10", "symbol_change"), leg(NEWCO, "10", "symbol_change"))
    assert await lots_of(NEWCO) == OLD
    assert (await events(rows, ACME))[-1] == ("symbol_change", -10, 0)
    assert await events(rows, NEWCO) == [("symbol_change", 6, None), ("symbol_change", 4, None)]
    assert await sound(database)


async def test_a_sale_afterwards_realizes_by_the_old_cost_and_the_old_age(
    bring: Import, database: Database, rows: Rows
) -> None:
    await bring(
        *BOUGHT,
        gone(ACME, "-10"),
        leg(FIRST, "5"),
        trade("s.01", "-4", "40", "1", seconds=LATER + 50, instrument=FIRST, closes=True),
    )
    found = await rows(
        "SELECT opened_at, quantity, cost, realized_pnl, provisional FROM lot_disposals "
        "WHERE exec_id = 's.01' ORDER BY seq"
    )
    assert [tuple(one.values()) for one in found] == [
        (at(10), Decimal(3), Decimal(61), Decimal("58.25"), False),
        (at(20), Decimal(1), Decimal(41), Decimal("-1.25"), False),
    ]
    assert await sound(database)


async def test_what_was_sold_short_goes_on_short(bring: Import, lots_of: LotsOf, database: Database) -> None:
    await bring(
        trade("a.01", "-6", "10", "1", seconds=10, opens=True),
        gone(ACME, "6"),
        leg(NEWCO, "-3"),
        name="s.xml",
    )
    assert await lots_of(NEWCO) == [(at(10), Decimal(-3), Decimal(-59), False)]
    assert await sound(database)


@pytest.mark.parametrize(
    ("said", "realized", "left"),
    [
        # The statement says what the money realized: so 50 - 20 of the cost were sold.
        ({"realized_pnl": "20", "cash": "50"}, Decimal(20), Decimal(113)),
        # It says what both are worth: 3/4 of the cost go on.
        ({"kept_share": "0.75", "cash": "50"}, Decimal("14.25"), Decimal("107.25")),
        ({"cash": "50"}, None, None),
    ],
)
async def test_a_merger_for_shares_and_money_divides_the_cost(
    said: dict[str, str],
    realized: Decimal | None,
    left: Decimal | None,
    bring: Import,
    database: Database,
    rows: Rows,
    lots_of: LotsOf,
) -> None:
    await bring(*BOUGHT, gone(ACME, "-10", **said), leg(NEWCO, "5"))
    assert (await events(rows, ACME))[-1] == ("merger", -10, realized)
    lots = await lots_of(NEWCO)
    assert [(lot[0], lot[1]) for lot in lots] == [(at(10), 3), (at(20), 2)]
    if left is None:
        assert [lot[2:] for lot in lots] == [(None, True), (None, True)]
    else:
        assert sum(lot[2] for lot in lots) == left
        assert {lot[3] for lot in lots} == {"kept_share" in said}
    assert await sound(database)


async def test_a_cost_that_nobody_knows_stays_unknown(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(gone(ACME, "-10"), leg(NEWCO, "10"))
    assert [lot[1:] for lot in await lots_of(NEWCO)] == [(10, None, True)]
    assert await sound(database)


async def test_what_the_old_book_did_not_hold_is_of_unknown_cost(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(
        held(ACME, "0", None, seconds=0),
        BOUGHT[0],
        held(ACME, "6", None, seconds=15),
        gone(ACME, "-10"),
        leg(NEWCO, "5"),
    )
    assert [lot[1:3] for lot in await lots_of(NEWCO)] == [(3, 61), (2, None)]
    assert await sound(database)


async def test_a_holding_that_is_stated_at_the_end_of_the_day_goes_before_what_was_carried(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(*BOUGHT, gone(ACME, "-10"), leg(NEWCO, "10"), held(NEWCO, "10", "286", seconds=LATER + 900))
    assert await lots_of(NEWCO) == [(at(10), 6, 122, False), (at(20), 4, 164, False)]
    assert await sound(database)


async def test_a_spin_off_whose_part_of_the_cost_is_not_stated_leaves_it_all_where_it_was(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(*BOUGHT, leg(NEWCO, "5", "spin_off"))
    assert [lot[2] for lot in await lots_of(ACME)] == [60, 80]
    assert [lot[1:] for lot in await lots_of(NEWCO)] == [(5, None, True)]
    assert await sound(database)


SPUN_OFF = leg(ACME, "0", "spin_off"), leg(NEWCO, "5", "spin_off")
STATED = held(NEWCO, "5", "40", seconds=LATER + 900)


async def test_what_a_statement_says_was_spun_off_had_cost_the_rest_did_not(
    bring: Import, undo: Undo, database: Database, lots_of: LotsOf
) -> None:
    async def costs() -> list[Decimal]:
        return [sum(lot[2] or Decimal(0) for lot in await lots_of(one)) for one in (ACME, NEWCO)]

    await bring(*BOUGHT, *SPUN_OFF)
    assert await costs() == [140, 0]
    said = await bring(STATED, name="said.xml")
    assert await costs() == [100, 40]
    assert [lot[3] for one in (ACME, NEWCO) for lot in await lots_of(one)] == [False] * 3
    assert await sound(database)
    await undo(said)
    assert await costs() == [140, 0]
    assert await sound(database)


async def test_what_was_spun_off_and_traded_says_nothing_of_what_it_had_cost(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    more = trade("n.01", "2", "9", "0", seconds=LATER + 5, instrument=NEWCO, opens=True)
    await bring(*BOUGHT, *SPUN_OFF, more, held(NEWCO, "7", "58", seconds=LATER + 900))
    assert [lot[2] for lot in await lots_of(ACME)] == [60, 80]
    assert await sound(database)


async def test_of_two_things_that_came_nobody_says_what_each_had_cost(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(*BOUGHT, gone(ACME, "-10"), leg(NEWCO, "5"), leg(FIRST, "5"))
    assert [lot[1:3] for one in (NEWCO, FIRST) for lot in await lots_of(one)] == [(5, None), (5, None)]
    assert await sound(database)


async def test_two_things_that_came_have_of_the_cost_what_they_are_worth_of_both(
    bring: Import, undo: Undo, database: Database, rows: Rows, lots_of: LotsOf
) -> None:
    worth = leg(NEWCO, "5", market_value="300"), leg(FIRST, "2", market_value="100")
    report = await bring(*BOUGHT, gone(ACME, "-10"), *worth)
    assert report.circular == 0
    assert await lots_of(NEWCO) == [(at(10), 3, Decimal("45.75"), True), (at(20), 2, Decimal("61.5"), True)]
    assert [lot[2] for lot in await lots_of(FIRST)] == [Decimal("15.25"), Decimal("20.5")]
    inferred = "SELECT DISTINCT e.inferred FROM position_events e JOIN positions p ON p.id = e.position_id "
    assert await rows(inferred + "WHERE p.conid = :conid", conid=NEWCO.conid) == [{"inferred": True}]
    assert await rows(inferred + "WHERE p.conid = :conid", conid=ACME.conid) == [{"inferred": False}]
    assert await sound(database)
    said = await bring(held(NEWCO, "5", "110", seconds=LATER + 900), name="said.xml")
    lots = await lots_of(NEWCO)
    assert (sum(lot[2] or 0 for lot in lots), {lot[3] for lot in lots}) == (110, {False})
    assert await sound(database)
    await undo(said)
    assert [lot[2] for lot in await lots_of(NEWCO)] == [Decimal("45.75"), Decimal("61.5")]


async def test_what_thirds_of_a_cost_come_to_is_all_of_it(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    worth = leg(NEWCO, "5", market_value="1"), leg(FIRST, "2", market_value="2")
    await bring(BOUGHT[1], gone(ACME, "-4"), *worth)
    lots = [lot for one in (NEWCO, FIRST) for lot in await lots_of(one)]
    assert sum(lot[2] or 0 for lot in lots) == 82
    assert lots[0][2] == Decimal("27.3333333333")
    assert await sound(database)


@pytest.mark.parametrize("other", [None, "-100"], ids=["not stated", "less than nothing"])
async def test_where_not_each_of_several_is_worth_something_nobody_says_what_it_had_cost(
    other: str | None, bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(
        *BOUGHT, gone(ACME, "-10"), leg(NEWCO, "5", market_value="300"), leg(FIRST, "5", market_value=other)
    )
    assert [lot[1:3] for one in (NEWCO, FIRST) for lot in await lots_of(one)] == [(5, None), (5, None)]
    assert await sound(database)


@pytest.mark.parametrize(("paid", "cost", "provisional"), [("50", 1550, False), (None, 1500, True)])
async def test_rights_that_are_subscribed_go_into_the_cost_of_the_shares(
    paid: str | None, cost: int, provisional: bool, bring: Import, database: Database, lots_of: LotsOf
) -> None:
    """Rights that were given cost what nobody says; what was paid for the shares is known all the same."""
    right = leg(FIRST, "100", "corporate_action", seconds=1000, group="rights", cost=paid)
    subscribed: dict[str, Any] = {"cause": "corporate_action", "group": "subscribed"}
    await bring(
        *BOUGHT,
        right,
        gone(FIRST, "-100", **subscribed),
        leg(NEWCO, "100", cost="1500", cash="-1500", **subscribed),
    )
    assert await lots_of(FIRST) == []
    assert [lot[1:] for lot in await lots_of(NEWCO)] == [(100, cost, provisional)]
    assert [lot[2] for lot in await lots_of(ACME)] == [60, 80]
    assert await sound(database)


async def test_what_is_tendered_and_given_back_keeps_its_cost(
    bring: Import, database: Database, lots_of: LotsOf
) -> None:
    await bring(
        *BOUGHT,
        gone(ACME, "-10", "tender"),
        leg(FIRST, "10", "tender"),
        gone(FIRST, "-10", "tender", seconds=2 * LATER, group="back"),
        leg(ACME, "10", "tender", seconds=2 * LATER, group="back"),
    )
    assert await lots_of(ACME) == OLD
    assert await sound(database)


async def test_what_is_learnt_late_of_the_old_book_reaches_all_that_go_on_with_its_lots(
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    lots_of: LotsOf,
) -> None:
    await bring(BOUGHT[0], *CHAIN)
    assert [lot[1:] for lot in await lots_of(FIRST)] == [(2, None, True), (3, 61, False)]
    link = Link()
    await relay.handle([link.entry(execution("b.01", "4", "20", seconds=20))])
    assert [lot[2:] for lot in await lots_of(FIRST)] == [(61, False), (80, True)]
    assert await sound(database)
    await relay.handle([link.entry(commission("b.01", "2"))])
    assert await lots_of(FIRST) == [(at(10), 3, 61, False), (at(20), 2, 82, False)]
    assert await sound(database)
    await relay.handle([link.entry(execution("b.02", "4", "30", seconds=20), commission("b.02", "2"))])
    assert [lot[2:] for lot in await lots_of(FIRST)] == [(61, False), (124, False)]
    assert await sound(database)
    before = await ledger_rows(database)
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == before


async def test_another_cost_method_hands_on_the_lots_that_it_leaves(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings, lots_of: LotsOf
) -> None:
    sold = trade("s.01", "-4", "40", "0", seconds=30, closes=True)
    await bring(*BOUGHT, sold, gone(ACME, "-6"), leg(FIRST, "6"))
    assert [lot[0] for lot in await lots_of(FIRST)] == [at(10), at(20)]
    async with database.write() as connection:
        await set_cost_method(connection, ACCOUNT, "lifo")
    await Sweep(database, streams, settings).run()
    assert await lots_of(FIRST) == [(at(10), 6, 61, False)]
    assert await sound(database)


async def test_an_import_that_is_taken_back_leaves_nothing_of_it(
    bring: Import,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
    lots_of: LotsOf,
) -> None:
    await bring(*BOUGHT, *CHAIN[2:])
    before = await ledger_rows(database)
    second = await bring(*CHAIN[:2], name="b.xml")
    assert await lots_of(FIRST) == [(at(10), 3, 61, False), (at(20), 2, 82, False)]
    await undo_import(database, streams, settings, second.import_id or 0, clock=clock)
    assert await ledger_rows(database) == before
    assert {
        one["event_key"] for one in await rows("SELECT event_key FROM carried_lots WHERE conid = 265598")
    } == set()
    assert await sound(database)


async def test_a_stored_lot_that_is_wrong_is_found_and_mended_with_all_that_goes_on_with_it(
    bring: Import, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    await bring(*BOUGHT, *CHAIN)
    before = await ledger_rows(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE carried_lots SET cost = cost + 1 WHERE conid <> 705"))
    found = await validate_ledger(database)
    # Two lots, and the same two of the book that goes on with them.
    assert found.differences["carried_lots"] == 4
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == before
    assert await sound(database)


@pytest.mark.parametrize("seed", range(4))
async def test_however_it_was_learnt_the_ledger_is_what_a_fold_from_scratch_gives(
    seed: int,
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable script, not a secret
    link = Link()
    imported: list[int] = []
    facts = [
        (
            f"x{number}.01",
            str(chance.choice((-3, 2, 5, 7))),
            str(chance.randint(5, 40)),
            chance.randint(1, 300) * 1000.0,
            chance.choice((ACME, FIRST, NEWCO)),
        )
        for number in range(16)
    ]
    for number, (name, quantity, price, seconds, instrument) in enumerate(facts):
        told: list[Any] = [execution(name, quantity, price, seconds=seconds, instrument=instrument)]
        if chance.random() < 0.7:
            told.append(commission(name, "1"))
        await relay.handle([link.entry(*told)])
        if number % 4 == 3:
            old, new = chance.sample((ACME, FIRST, NEWCO), 2)
            when = chance.randint(1, 300) * 1000.0
            report = await bring(
                gone(old, "-4", seconds=when, group=f"g{number}", cash=chance.choice((None, "30"))),
                leg(new, "2", seconds=when, group=f"g{number}"),
                name=f"{number}.xml",
            )
            imported.append(report.import_id or 0)
        if number == 11:
            await undo_import(database, streams, settings, imported[chance.randrange(2)], clock=clock)
        assert await sound(database), number
    before = await ledger_rows(database)
    async with database.write() as connection:
        for table in ("carried_lots", "positions"):
            await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of this program's own
    await rebuild(database, streams, settings)
    assert await ledger_rows(database) == before
    assert await sound(database)


async def test_what_came_is_no_part_of_what_was_held_before_it_came(bring: Import, rows: Rows) -> None:
    await bring(
        trade("a.01", "10", "20", seconds=0, commission="0"),
        trade("n.01", "5", "10", seconds=10, commission="0", instrument=NEWCO),
        held(NEWCO, "5", "50", seconds=LATER - 90_000),
        held(NEWCO, "25", "250", seconds=LATER + 90_000),
        gone(ACME, "-10"),
        leg(NEWCO, "20"),
    )
    assert await rows(COSTS) == []


async def test_an_answer_locks_with_a_book_those_that_go_on_with_its_lots(
    bring: Import, database: Database
) -> None:
    free = text("SELECT conid FROM ledger_books ORDER BY conid FOR UPDATE SKIP LOCKED")
    await bring(trade("a.01", "10", "20", seconds=0), gone(ACME, "-10"), leg(FIRST, "20"))
    async with database.write() as connection, database.write() as other:
        await lock_changing(connection, [], [(ACCOUNT, ACME.conid)])
        assert (await other.execute(free)).all() == []


async def test_a_later_statement_may_tell_of_one_leg_only(bring: Import, lots_of: LotsOf) -> None:
    await bring(trade("a.01", "10", "20", seconds=0, commission="0"), gone(ACME, "-10"), leg(NEWCO, "20"))
    carried = [(at(0), Decimal(20), Decimal(200), False)]
    assert await lots_of(NEWCO) == carried
    await bring(leg(NEWCO, "20"), name="later.xml")
    assert await lots_of(NEWCO) == carried
