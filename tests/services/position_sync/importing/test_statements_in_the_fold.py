"""What statements say is derived anew in every fold: however a book is folded, the rows are the same."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from core.domain.stated import StatedEvent, StatedPosition
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database, Writer
from models.stores.ledger import release_anchors
from models.tables import corporate_actions, imports, raw_payloads, stated_positions
from services.position_sync.importing.run import undo_import
from services.position_sync.reconcile import reconcile
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    START,
    Link,
    at,
    commission,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import trade
from tests.services.position_sync.ledger_rows import ledger_rows

SPLIT = {"cause": "split", "quantity": Decimal(10)}


def event(quantity: str, cause: Any, *, seconds: float, **more: Any) -> StatedEvent:
    return StatedEvent(
        line=1,
        section="CorporateAction",
        account=ACCOUNT,
        instrument=ACME,
        at=at(seconds),
        cause=cause,
        quantity=Decimal(quantity),
        **more,
    )


def holding(quantity: str, cost: str | None, *, seconds: float) -> StatedPosition:
    return StatedPosition(
        line=1,
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=at(seconds),
        quantity=Decimal(quantity),
        cost=None if cost is None else Decimal(cost),
    )


async def an_import(connection: Writer, name: str, *, days: float = 0) -> int:
    """An import whose file was written ``days`` after the start."""
    await connection.execute(
        insert(raw_payloads).values(sha256=name, size_bytes=1, content=b"x", stored_at=START)
    )
    begun = await connection.execute(
        insert(imports)
        .values(
            kind="flex",
            name=name,
            sha256=name,
            status="done",
            trigger="cli",
            stated_at=START + timedelta(days=days),
            imported_at=START,
            report={},
        )
        .returning(imports.c.id)
    )
    return int(begun.scalar_one())


async def tell_of_event(connection: Writer, import_id: int, **told: Any) -> None:
    row = {"event_key": "one", "account": ACCOUNT, "conid": ACME.conid, "at": at(100), "kind": "FS"}
    row |= {
        "carried": False,
        "event_id": "",
        "event_group": "",
        "description": "",
        "import_id": import_id,
        "line": 1,
    }
    await connection.execute(insert(corporate_actions).values(**row | told))


async def fold_dirty(database: Database, streams: RedisStreams, settings: Settings) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()


async def split_seen_live(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    """Ten were held, and then, for no known reason, twenty."""
    link = Link()
    for quantity, cost, seconds in (("10", "12", 10.0), ("20", "9", 200.0)):
        sweep = f"s{seconds}"
        told = position(quantity, cost, seconds=seconds, sweep=sweep)
        await relay.handle([link.entry(told, positions_completed(sweep, 1, seconds=seconds))])
        clock.forward(60)
        await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)


async def causes(rows: Rows) -> list[tuple[str | None, Decimal]]:
    found = await rows(
        "SELECT e.cause, e.quantity FROM position_events e JOIN positions p ON p.id = e.position_id "
        "ORDER BY p.ordinal, e.seq"
    )
    return [(one["cause"], one["quantity"]) for one in found]


async def test_an_adjustment_is_gone_with_the_next_fold_after_a_statement_and_back_without_it(
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    await split_seen_live(relay, database, streams, settings, clock)
    live = await ledger_rows(database)
    assert await causes(rows) == [("opening_balance", 10), ("unexplained", 10)]
    async with database.write() as connection:
        import_id = await an_import(connection, "a")
        await tell_of_event(connection, import_id, **SPLIT)
    await fold_dirty(database, streams, settings)
    assert await causes(rows) == [("opening_balance", 10), ("split", 10)]
    assert (await validate_ledger(database)).differences == {}
    open_ones = "SELECT kind FROM reconciliation_differences WHERE resolved_at IS NULL"
    assert [one["kind"] for one in await rows(open_ones)] == ["quantity_mismatch"]
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)
    assert [one["kind"] for one in await rows(open_ones)] == ["cost_mismatch"], "120 are not 180"
    async with database.write() as connection:
        await connection.execute(update(imports).values(status="undone", undone_at=START))
    await fold_dirty(database, streams, settings)
    assert await ledger_rows(database) == live


async def test_an_opening_balance_is_gone_where_a_statement_tells_how_it_came_about(
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    await split_seen_live(relay, database, streams, settings, clock)
    await bring(
        trade("a.01", "10", "12", "0", seconds=-900_000, opens=True), event("10", "split", seconds=100)
    )
    assert await causes(rows) == [(None, 10), ("split", 10)]
    assert (await validate_ledger(database)).differences == {}


async def test_the_statement_that_was_written_last_counts_and_none_that_was_taken_back(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, clock: Hand, rows: Rows
) -> None:
    await split_seen_live(relay, database, streams, settings, clock)
    async with database.write() as connection:
        newer = await an_import(connection, "newer", days=2)
        older = await an_import(connection, "older", days=1)
        await tell_of_event(connection, newer, cause="transfer", quantity=Decimal(10), cost=Decimal(60))
        await tell_of_event(connection, older, cause="transfer", quantity=Decimal(10), cost=Decimal(80))
        held = {"account": ACCOUNT, "conid": ACME.conid, "as_of": at(50), "line": 1}
        for import_id, cost in ((newer, 120), (older, 130)):
            told = {**held, "import_id": import_id, "quantity": Decimal(10), "cost": Decimal(cost)}
            await connection.execute(insert(stated_positions).values(**told))
    costs = "SELECT cost_basis FROM positions"
    for left, cost in ((2, 180), (1, 200)):
        await fold_dirty(database, streams, settings)
        assert await rows(costs) == [{"cost_basis": cost}], left
        assert (await validate_ledger(database)).differences == {}
        async with database.write() as connection:
            await connection.execute(
                update(imports).where(imports.c.id == newer).values(status="undone", undone_at=START)
            )
    assert await causes(rows) == [("opening_balance", 10), ("transfer", 10)]


STATED = (
    trade("a.01", "-4", "12", "0", seconds=100, cost="-44", closes=True),
    trade("b.01", "5", "13", "0", seconds=200, opens=True),
    trade("c.01", "-8", "14", "0", seconds=400, cost="-100", closes=True),
)

ROUND_TRIPS = (
    trade("a.01", "5", "12", "0", seconds=100, opens=True),
    trade("b.01", "-5", "13", "0", seconds=200, cost="-60", closes=True),
    trade("c.01", "4", "14", "0", seconds=300, opens=True),
    trade("d.01", "-4", "15", "0", seconds=400, cost="-56", closes=True),
)
BOOKED_LATE = (
    trade("a.01", "10", "12", "0", seconds=100, opens=True),
    holding("0", None, seconds=60),
    holding("0", None, seconds=380),
    event("-10", "transfer", seconds=3000, carried=True),
)


@pytest.mark.parametrize("seconds", [50, 150, 300, 500, 4000], ids=lambda at: f"at {at}")
@pytest.mark.parametrize(
    "told",
    [
        STATED,
        (*STATED, event("3", "split", seconds=350)),
        (*STATED, holding("6", "77.77", seconds=450)),
        (*STATED, event("-1", "transfer", seconds=3000, carried=True)),
        ROUND_TRIPS,
        BOOKED_LATE,
    ],
    ids=["trades", "a split", "a holding", "a transfer", "round trips", "what is booked late"],
)
async def test_a_fill_that_comes_after_a_statement_gives_the_rows_of_a_fold_from_the_start(
    told: tuple[Any, ...], seconds: float, bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    await bring(*told)
    assert (await validate_ledger(database)).differences == {}
    link = Link()
    for quantity, number in (("2", 1), ("-2", 2), ("-3", 3)):
        later = seconds + number
        await relay.handle([link.entry(execution(f"l{number}.01", quantity, "11", seconds=later))])
        assert (await validate_ledger(database)).differences == {}
        await relay.handle([link.entry(commission(f"l{number}.01", "1", seconds=later))])
        assert (await validate_ledger(database)).differences == {}
    assert (await rows("SELECT count(*) AS books FROM ledger_books WHERE dirty"))[0]["books"] == 0


@pytest.mark.parametrize("cost", ["12.5", None])
async def test_a_first_word_that_agrees_tells_what_a_statement_left_open(
    cost: str | None,
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    link = Link()
    await bring(trade("a.01", "-4", "12", "0", seconds=100, closes=True), event("10", "merger", seconds=200))
    assert [one["cost_basis"] for one in await rows("SELECT cost_basis FROM positions ORDER BY ordinal")] == [
        None,
        None,
    ]
    await relay.handle([link.entry(position("10", cost or "0", seconds=900))])
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)
    assert (await validate_ledger(database)).differences == {}
    [book] = await rows("SELECT first_anchor_at, last_anchor_at, quantity FROM ledger_books")
    assert book == {"first_anchor_at": at(900), "last_anchor_at": at(900), "quantity": 10}
    [held] = await rows("SELECT cost_basis FROM positions WHERE status = 'open'")
    assert held["cost_basis"] == Decimal(cost or "0") * 10


async def test_a_change_alone_is_no_word_of_what_was_held(
    bring: Import,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    """What was there before anybody looked is an opening balance, whatever a statement says came later."""
    report = await bring(event("3", "transfer", seconds=100, cost=Decimal(30)))
    [book] = await rows("SELECT first_anchor_at, last_anchor_at FROM ledger_books")
    assert book == {"first_anchor_at": None, "last_anchor_at": at(100)}
    link = Link()
    await relay.handle(
        [link.entry(position("10", "11", seconds=900, sweep="a"), positions_completed("a", 1, seconds=901))]
    )
    clock.forward(60)
    await reconcile(database, streams, settings, ACCOUNT, "sweep", clock=clock)
    assert await causes(rows) == [("opening_balance", 7), ("transfer", 3)]
    assert await rows("SELECT id FROM reconciliation_differences") == []
    assert (await rows("SELECT cost_basis, estimated FROM positions"))[0] == {
        "cost_basis": 110,
        "estimated": False,
    }
    assert report.import_id is not None
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert await causes(rows) == [("opening_balance", 10)]
    assert (await validate_ledger(database)).differences == {}


async def test_a_book_that_is_released_from_a_live_word_stays_held_to_what_statements_say(
    bring: Import, relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link()
    await relay.handle(
        [link.entry(position("12", "11", seconds=900, sweep="a"), positions_completed("a", 1, seconds=901))]
    )
    anchors = "SELECT first_anchor_at, last_anchor_at, dirty FROM ledger_books"
    assert (await rows(anchors))[0]["first_anchor_at"] == at(900)
    await bring(
        holding("10", "110", seconds=50), event("2", "transfer", seconds=1000, cost=Decimal(22)), name="a.xml"
    )
    await bring(event("2", "transfer", seconds=100, cost=Decimal(22)), name="b.xml")
    held = {"first_anchor_at": at(50), "last_anchor_at": at(900)}
    assert await rows(anchors) == [{**held, "dirty": False}]
    async with database.write() as connection:
        released = await release_anchors(connection, [(ACCOUNT, ACME.conid)], START)
    assert released == {(ACCOUNT, ACME.conid)}
    assert await rows(anchors) == [{**held, "last_anchor_at": at(100), "dirty": True}]
