"""What goes wrong: poison among good facts, a database that goes away, workers that die or race."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import text

from core.domain.instruments import Instrument
from core.errors import DatabaseUnavailableError
from core.events import changes
from core.events.facts import FrameUnreadable, InstrumentDescribed
from core.settings import Settings
from core.streams.port import START as FIRST_ID
from core.streams.port import Entry
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.announce import publish_left_over
from services.position_sync.intake import decode_entry, sort_facts
from services.position_sync.relay import Relay, store
from services.position_sync.sweep import Sweep
from services.position_sync.tidy import tidy
from services.stack import PostgresServer
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import Link, at, commission, execution, position
from tests.services.position_sync.ledger_rows import count, ledger_rows


async def test_an_entry_that_cannot_be_read_is_kept_aside_and_the_rest_goes_on(
    relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(execution("a.01", "1")),
            Entry("9-0", b"\xff not json"),
            Entry("9-1", b'{"epoch":1}'),
            link.entry(execution("b.01", "1", seconds=1)),
        ]
    )
    assert await count(database, "executions") == 2
    dead = await rows("SELECT category, payload, source FROM dead_facts ORDER BY id")
    assert sorted(row["payload"] for row in dead) == ["\\xff not json", '{"epoch":1}']
    assert {(row["category"], row["source"]) for row in dead} == {("parsing", "facts")}


async def test_one_unknown_fact_in_a_batch_does_not_take_its_neighbours_with_it(
    relay: Relay, database: Database, rows: Rows
) -> None:
    entry = Link().entry(execution("a.01", "1"), execution("b.01", "2", seconds=1))
    batch = msgspec.json.decode(entry.data)
    batch["facts"].insert(1, {"type": "from_the_future", "received_at": "2026-11-20T14:30:00Z"})
    await relay.handle([Entry("1-0", msgspec.json.encode(batch))])
    assert await count(database, "executions") == 2
    (dead,) = await rows("SELECT category, payload FROM dead_facts")
    assert "from_the_future" in dead["payload"]


def stock(**changed: Any) -> Instrument:
    return Instrument(**{"conid": 9, "symbol": "X", "sec_type": "STK", "currency": "USD", **changed})


@pytest.mark.parametrize(
    ("poison", "category"),
    [
        (execution("p.01", "1", instrument=stock(currency="\x00")), "database"),
        (execution("p.01", "1", instrument=stock(conid=2**70)), "database"),
        (execution("p.01", "1", account="DU\x00"), "database"),
        (execution("p.01", "1", instrument=stock(multiplier=Decimal(0))), "validation"),
        (execution("p.01", "1", instrument=stock(multiplier=Decimal("NaN"))), "validation"),
        (execution("p.01", "1", instrument=stock(strike=Decimal("NaN"))), "validation"),
        (execution("p.01", "1", instrument=stock(price_magnifier=0)), "validation"),
        (execution("p.01", "1", "NaN"), "validation"),
        (position("Infinity"), "validation"),
        (execution("p.01", "1", "1E+999999"), "validation"),
        (commission("p.01", "NaN"), "validation"),
    ],
)
async def test_a_fact_that_cannot_be_applied_is_found_and_kept_aside(
    poison: object, category: str, relay: Relay, database: Database, rows: Rows
) -> None:
    link = Link()
    good = [execution(f"{number}.01", "1", seconds=number) for number in range(9)]
    await relay.handle([link.entry(*good[:4], poison, *good[4:6]), link.entry(*good[6:])])  # type: ignore[arg-type]
    assert await count(database, "executions") == 9
    (book,) = await rows("SELECT quantity FROM ledger_books")
    assert book["quantity"] == 9
    (dead,) = await rows("SELECT category, reason, source FROM dead_facts")
    assert (dead["category"], dead["source"]) == (category, "facts")
    assert dead["reason"]


async def test_a_quantity_of_zero_is_kept_aside(relay: Relay, rows: Rows) -> None:
    nothing = msgspec.structs.replace(execution("a.01", "1"), quantity=Decimal(0))
    await relay.handle([Link().entry(nothing)])
    (dead,) = await rows("SELECT category, reason FROM dead_facts")
    assert "positive" in dead["reason"]


async def test_the_same_unreadable_frame_is_counted_and_kept_once(relay: Relay, rows: Rows) -> None:
    link = Link()
    for second in (1, 2, 3):
        frame = FrameUnreadable(
            received_at=at(second), category="parsing", reason="unknown zone", frame="11|x\x00|"
        )
        await relay.handle([link.entry(frame)])
    (dead,) = await rows("SELECT occurrences, source, first_seen_at, last_seen_at FROM dead_facts")
    assert (dead["occurrences"], dead["source"]) == (3, "gateway")
    assert (dead["first_seen_at"], dead["last_seen_at"]) == (at(1), at(3))


async def test_without_the_database_nothing_is_lost_and_it_goes_on_when_that_is_back(
    settings: Settings, postgres_server: PostgresServer, relay: Relay, database: Database
) -> None:
    name = settings.require_database_url().rsplit("/", 1)[1].split("?", 1)[0]
    entry = Link().entry(execution("a.01", "1"), commission("a.01"))
    await relay.handle([Link().entry(execution("z.01", "1"))])
    admin = await asyncpg.connect(postgres_server.url)
    try:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        with pytest.raises(DatabaseUnavailableError):
            await relay.handle([entry])
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
    await relay.handle([entry])
    assert await count(database, "executions") == 2
    assert await count(database, "dead_facts") == 0


async def test_what_was_committed_and_not_acknowledged_is_delivered_again_without_effect(
    relay: Relay, database: Database
) -> None:
    link = Link()
    batch = [
        link.entry(execution("a.01", "3"), commission("a.01"), position("3")),
        link.entry(execution("b.01", "-5", seconds=1), commission("b.01"), position("-2", seconds=1)),
    ]
    await relay.handle(batch)
    before = await ledger_rows(database)
    await relay.handle(batch)
    await relay.handle(batch[:1])
    assert await ledger_rows(database) == before
    assert await count(database, "position_statements") == 2


async def test_workers_that_race_for_the_same_books_give_the_rows_of_one(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    async def nobody(_account: str, _trigger: str) -> None: ...

    other = Relay(database, streams, settings, ask_for_comparison=nobody)
    link = Link()
    fills = [link.entry(execution(f"{n:03}.01", "1" if n % 3 else "-4", seconds=n)) for n in range(40)]
    fees = [link.entry(commission(f"{n:03}.01", "0.5")) for n in range(40)]
    async with asyncio.TaskGroup() as tasks:
        for fill, fee in zip(fills, fees, strict=True):
            tasks.create_task(retried(relay, fee))
            tasks.create_task(retried(other, fill))
    raced = await ledger_rows(database)
    assert len(raced["executions"]) == 40
    assert all(row[-1] == "True" for row in raced["executions"]), "each commission was folded"
    await relay.handle([*fills, *fees])
    assert await ledger_rows(database) == raced
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()
    assert await ledger_rows(database) == raced


async def retried(relay: Relay, entry: Entry) -> None:
    """As the consumer does: what could not be committed just then is tried again."""
    while True:
        try:
            await relay.handle([entry])
        except DatabaseUnavailableError:
            continue
        return


async def test_the_later_of_two_workers_that_did_not_see_each_other_folds_the_commission(
    relay: Relay, database: Database, clock: Hand, rows: Rows
) -> None:
    link = Link()
    fill = link.entry(execution("a.01", "1"))
    items = decode_entry(fill, clock()).items
    async with database.write() as other_worker:
        await store(other_worker, sort_facts(items), [], clock())
        # The execution is not committed yet: the commission cannot find it, nor it the commission.
        await relay.handle([link.entry(commission("a.01", "2"))])
    assert await rows("SELECT provisional FROM positions") == [{"provisional": True}]
    await relay._fold_stragglers(items)
    assert await rows("SELECT provisional, commission FROM positions") == [
        {"provisional": False, "commission": 2}
    ]


async def test_a_commission_that_two_workers_let_slip_between_them_is_folded_by_the_sweep(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    await relay.handle([Link().entry(execution("a.01", "1"))])
    async with database.write() as connection:
        await connection.execute(
            text("INSERT INTO commission_reports VALUES ('a.01', 2, 'USD', NULL, now(), 1)")
        )
    await Sweep(database, streams, settings).run()
    (stored,) = await rows("SELECT commission, provisional FROM positions")
    assert (stored["commission"], stored["provisional"]) == (2, False)


async def test_changes_that_could_not_be_published_are_published_by_the_sweep(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    async def nobody(_account: str, _trigger: str) -> None: ...

    nowhere = RedisStreams.connect(
        settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1")})
    )
    cut_off = Relay(database, nowhere, settings, ask_for_comparison=nobody, clock=clock)
    await cut_off.handle([Link().entry(execution("a.01", "1"))])
    await nowhere.close()
    assert await count(database, "outbox") == 1
    assert await publish_left_over(database, streams, settings) == 0, "its own worker may still be at it"
    assert await publish_left_over(database, streams, settings, age_seconds=0) == 1
    assert await count(database, "outbox") == 0
    (entry,) = await streams.tail(settings.changes_stream, FIRST_ID, count=10, block_ms=1)
    assert {type(change).__name__ for change in changes.decode(entry.data).changes} >= {"PositionChanged"}


async def test_a_late_contract_detail_revalues_what_was_folded_without_it(relay: Relay, rows: Rows) -> None:
    link = Link()
    pence = Instrument(conid=7, symbol="VOD", sec_type="STK", currency="GBP", exchange="LSE")
    await relay.handle(
        [
            link.entry(
                execution("a.01", "100", "250", instrument=pence), commission("a.01", "1", currency="GBP")
            )
        ]
    )
    details = Instrument(
        conid=7,
        symbol="VOD",
        sec_type="STK",
        currency="GBP",
        exchange="LSE",
        price_magnifier=100,
        description="Vodafone",
    )
    await relay.handle([link.entry(InstrumentDescribed(received_at=at(5), instrument=details))])
    await relay.handle([link.entry(execution("b.01", "1", "250", instrument=pence, seconds=9))])
    (stored,) = await rows("SELECT cost_basis FROM positions")
    assert stored["cost_basis"] == Decimal("253.5")
    (kept,) = await rows("SELECT price_magnifier, description FROM instruments")
    assert (kept["price_magnifier"], kept["description"]) == (100, "Vodafone")


async def test_a_combo_is_kept_and_is_no_position(relay: Relay, database: Database) -> None:
    combo = Instrument(conid=28812380, symbol="SPX", sec_type="BAG", currency="USD")
    entry = Link().entry(execution("a.01", "1", instrument=combo), commission("a.01"))
    await relay.handle([entry])
    await relay.handle([entry])
    assert await count(database, "executions") == 1
    assert await count(database, "ledger_books") == 0


async def test_upkeep_fails_a_resync_that_nobody_answered_and_forgets_expired_logins(
    database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO jobs (id, kind, status, created_at) VALUES "
                "(gen_random_uuid(), 'resync', 'queued', now() - interval '1 hour'), "
                "(gen_random_uuid(), 'resync', 'queued', now())"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO user_sessions VALUES ('a', 'b', now(), now() - interval '1 s'), "
                "('c', 'd', now(), now() + interval '1 h')"
            )
        )
    await tidy(database, streams, settings)
    assert sorted(row["status"] for row in await rows("SELECT status FROM jobs")) == ["failed", "queued"]
    assert [row["id_hash"] for row in await rows("SELECT id_hash FROM user_sessions")] == ["c"]
