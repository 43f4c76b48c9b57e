"""Hours whose detail was thinned are reckoned anew as those that are kept in full."""

from datetime import UTC, date, datetime
from decimal import Decimal

from core.settings import Settings
from models.session import Database
from models.stores.performance import want_renewal
from services.snapshot.thin import Thinner
from tests.services.snapshot.kept import begin_statement, hour, renew_all, state, take
from tests.services.snapshot.test_performance import USD, hours
from tests.services.snapshot.world import ACME, FIRST, SECOND, Hand, run_sql, seed


async def test_what_was_thinned_is_reckoned_anew_as_before_and_without_a_statement_that_is_taken_back(
    database: Database, settings: Settings
) -> None:
    await seed(database, FIRST, SECOND)
    await take(database, 0, "100000", {USD: "50000"})
    await take(database, 1, "100400", {USD: "50400"})
    await take(database, 2, "102400", {USD: "50400"})
    await take(database, 3, "102400", {USD: "50400"})
    unstated = await hours(database)
    async with database.write() as writer:
        number = await begin_statement(writer)
        await state(writer, number, {date(2026, 11, 16): "102500"}, {hour(5): "400"})
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    stated = await hours(database)
    assert stated != unstated
    thinned = await Thinner(database, settings, clock=Hand(datetime(2029, 1, 1, tzinfo=UTC))).run()
    assert thinned.total.snapshots == 3
    for count in range(2):
        async with database.write() as writer:
            await want_renewal(writer, {FIRST: None})
        await renew_all(database)
        assert await hours(database) == (unstated if count else stated)
        await run_sql(database, "UPDATE imports SET status = 'undone', undone_at = now()")


async def test_what_moved_and_was_told_only_after_its_hours_were_thinned_is_valued_by_what_is_kept_of_the_day(
    database: Database, settings: Settings
) -> None:
    await seed(database, FIRST, SECOND)
    for number, worth in enumerate(("100000", "100000", "101600", "101600", "101700")):
        await take(database, number, worth, {USD: "50000"})
    mark = (
        "INSERT INTO snapshot_positions (snapshot_id, asof_ts, conid, quantity, currency, mark_price, fresh) "
        "SELECT id, asof_ts, :conid, 10, 'USD', CAST(:price AS numeric), true FROM snapshots "
        "WHERE account = :account AND hour = :hour"
    )
    for number, price in ((2, "160"), (3, "160"), (4, "170")):
        await run_sql(database, mark, conid=ACME, price=price, account=FIRST, hour=hour(number))
    assert (await hours(database))[2] == (0, Decimal("0.016"), "complete"), "nobody has told of it"
    thinned = await Thinner(database, settings, clock=Hand(datetime(2029, 1, 1, tzinfo=UTC))).run()
    assert (thinned.total.snapshots, thinned.total.positions) == (4, 2)
    await run_sql(
        database,
        "WITH p AS (INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, "
        "max_quantity, commission, opened_at, provisional, missing_commissions, estimated, event_count, "
        "lot_count, version, updated_at) VALUES (gen_random_uuid(), :account, :conid, 1, 'open', 'long', 10, "
        "10, 0, :at, false, 0, true, 1, 1, 1, :at) RETURNING id) INSERT INTO "
        "position_events (position_id, seq, type, executed_at, quantity, position_after, cause) "
        "SELECT id, 1, 'opened', :at, 10, 10, 'transfer' FROM p",
        account=FIRST,
        conid=ACME,
        at=hour(1.5),
    )
    async with database.write() as writer:
        await want_renewal(writer, {FIRST: None})
    await renew_all(database)
    came, twr, quality = (await hours(database))[2]
    assert (came, quality) == (1700, "estimated"), "at the mark that is kept of that day"
    assert twr is not None
