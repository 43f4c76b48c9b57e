"""What accounts were worth at a moment, from real snapshots, statements and positions."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from core.domain.valuation import AccountThen, ValuedRow, row_of
from core.settings import Settings
from models import tables as t
from models.queries.valuation import valuations
from models.session import Database
from services.snapshot.runs import Snapshots
from tests.models.holding import hold, note
from tests.services.snapshot.world import ACME, CALL, FIRST, HOUR, SECOND, VOD, Hand, run_sql, seed, tell

LONG_AGO = HOUR - timedelta(days=400)
ONE_HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Taking = Callable[..., Awaitable[None]]


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
async def take(database: Database, settings: Settings, clock: Hand) -> Taking:
    """Take the snapshots of an hour, at which ACME costs so much in every account."""
    await seed(database, FIRST, SECOND)

    async def taken(at: datetime, price: str = "160", *, accounts: tuple[str, ...] = (FIRST,)) -> None:
        clock.now = at + timedelta(seconds=1)
        await tell(database, at, *accounts)
        await run_sql(
            database,
            "UPDATE marks SET market_price = :p, market_value = quantity * :p WHERE conid = :acme",
            p=Decimal(price),
            acme=ACME,
        )
        report = await Snapshots(database, settings, clock=clock).take_hour()
        assert report is not None

    return taken


async def forget_the_last_word(database: Database) -> None:
    """Leave only what was taken down: the broker's last word is of another time."""
    await run_sql(database, "DELETE FROM marks")
    await run_sql(database, "DELETE FROM account_values")


async def value(database: Database, at: datetime, *accounts: str) -> list[AccountThen]:
    async with database.read_one_moment() as reader:
        return await valuations(reader, at, accounts)


async def rows(database: Database, at: datetime, account: str = FIRST) -> dict[int, ValuedRow]:
    (found,) = await value(database, at, account)
    return {one.held.conid: row_of(one, at) for one in found.positions}


async def test_what_was_held_is_worth_its_nearest_marks_and_its_cash(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    await take(HOUR + ONE_HOUR, "170")
    await hold(database, FIRST, ACME, 100, opened_at=LONG_AGO, cost=15001)
    await hold(database, FIRST, VOD, 1000, opened_at=LONG_AGO)
    await hold(database, FIRST, CALL, -2, opened_at=LONG_AGO, cost=-421)
    await hold(database, SECOND, ACME, 7, opened_at=HOUR + DAY)
    await forget_the_last_word(database)
    at = HOUR + timedelta(minutes=40)
    (found,) = await value(database, at, FIRST)
    told = {one.held.conid: row_of(one, at) for one in found.positions}
    assert (told[ACME].mark_price, told[ACME].mark_as_of) == (160, HOUR)
    assert (told[ACME].mark_age_seconds, told[ACME].mark_source) == (2400, "snapshot")
    assert (told[ACME].market_value, told[ACME].unrealized_pnl) == (16000, 999)
    assert (told[VOD].market_value, told[VOD].market_value_base) == (724, Decimal("948.802"))
    assert (told[VOD].fx_rate, told[VOD].fx_as_of) == (Decimal("1.3105"), HOUR)
    assert (told[VOD].unrealized_pnl, told[CALL].market_value) == (None, -300)
    assert [(one.currency, one.amount, one.as_of) for one in found.cash] == [
        ("BASE_SUMMARY", Decimal("20482.11"), HOUR),
        ("GBP", Decimal("62.5"), HOUR),
        ("USD", Decimal(20400), HOUR),
    ]
    assert found.total == Decimal("20482.11") + 16000 + Decimal("948.802") - 300
    assert (found.base_currency, found.coverage) == ("USD", (3, 3, 1))
    net = found.net_liquidation
    assert net is not None
    assert (net.amount, net.source) == (Decimal("118902.44"), "snapshot")
    later = await rows(database, HOUR + timedelta(hours=1, minutes=40))
    assert later[ACME].mark_price == 170
    both = await value(database, HOUR + 2 * DAY)
    assert [(one.account, len(one.positions)) for one in both] == [(FIRST, 3), (SECOND, 1)]


async def test_what_was_due_is_told_with_the_cash_by_whoever_told_that(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    due = "UPDATE cash_balances SET accrued = 10, futures_pnl = -4 WHERE currency IN ('USD', 'GBP')"
    await run_sql(database, due)
    (found,) = await value(database, HOUR + timedelta(minutes=1), FIRST)
    assert found.due_value == 6 + 6 * Decimal("1.3105")
    assert found.cash_value is not None
    assert found.total == found.cash_value + found.due_value
    at = HOUR + timedelta(minutes=50)
    await run_sql(database, "UPDATE account_values SET as_of = :at", at=at)
    for key, amount in (("AccruedCash", "3"), ("NetDividend", "2.5"), ("FuturesPNL", "-9")):
        await run_sql(
            database,
            "INSERT INTO account_values (account, key, currency, value, as_of, epoch) "
            "VALUES (:account, :key, 'BASE', :amount, :at, 1) "
            "ON CONFLICT (account, key, currency) DO UPDATE SET value = excluded.value",
            account=FIRST,
            key=key,
            amount=amount,
            at=at,
        )
    (last,) = await value(database, at, FIRST)
    assert last.due_value == Decimal("-3.5")


async def test_another_accounts_snapshot_knows_the_price_as_well(database: Database, take: Taking) -> None:
    await take(HOUR)
    await forget_the_last_word(database)
    await hold(database, SECOND, ACME, 7, opened_at=HOUR)
    (row,) = (await rows(database, HOUR + ONE_HOUR, SECOND)).values()
    assert (row.mark_price, row.market_value) == (160, 1120)


async def test_what_was_bought_after_the_last_snapshot_has_the_next_ones_mark(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    await forget_the_last_word(database)
    await hold(database, FIRST, ACME, 10, opened_at=HOUR - ONE_HOUR)
    (row,) = (await rows(database, HOUR - timedelta(minutes=30))).values()
    assert (row.mark_price, row.mark_age_seconds) == (160, -1800)
    await hold(database, FIRST, VOD, 10, opened_at=HOUR - 3 * DAY)
    assert (await rows(database, HOUR - 2 * DAY))[VOD].mark_price is None, "that is too long after it"


async def test_a_mark_of_long_ago_is_found_in_whichever_month_it_is(database: Database, take: Taking) -> None:
    await take(HOUR - timedelta(days=300), "120")
    await take(HOUR, "160")
    await forget_the_last_word(database)
    await hold(database, FIRST, ACME, 10, opened_at=LONG_AGO)
    at = HOUR - timedelta(days=20)
    (found,) = await value(database, at, FIRST)
    (row,) = [row_of(one, at) for one in found.positions]
    assert (row.mark_price, row.mark_age_seconds) == (120, 280 * 86400)
    assert (found.coverage.valued, found.coverage.share) == (1, 0), "nobody can trust it"
    assert found.cash, "so is the cash"


async def test_a_mark_that_was_old_when_it_was_taken_down_keeps_its_own_time(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    await take(HOUR + ONE_HOUR)
    await run_sql(
        database,
        "UPDATE snapshot_positions SET mark_as_of = :told, mark_price = 155 WHERE asof_ts > :hour",
        told=HOUR + timedelta(minutes=20),
        hour=HOUR + ONE_HOUR,
    )
    await forget_the_last_word(database)
    await hold(database, FIRST, ACME, 10, opened_at=LONG_AGO)
    (row,) = (await rows(database, HOUR + timedelta(minutes=30))).values()
    # Taken down after the moment, told before it.
    assert (row.mark_price, row.mark_age_seconds) == (155, 600)


async def test_the_brokers_last_word_is_newer_than_the_last_snapshot(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    at = HOUR + timedelta(minutes=50)
    await run_sql(database, "UPDATE marks SET market_price = 161, priced_at = :at", at=at)
    await run_sql(database, "UPDATE account_values SET as_of = :at", at=at)
    await run_sql(database, "UPDATE account_values SET value = '1.32' WHERE key = 'ExchangeRate'")
    await hold(database, FIRST, ACME, 10, opened_at=LONG_AGO)
    await hold(database, FIRST, VOD, 10, opened_at=LONG_AGO)
    (found,) = await value(database, at + timedelta(seconds=9), FIRST)
    row = row_of(found.positions[0], at)
    assert (row.mark_price, row.mark_source) == (161, "last_known")
    assert {one.source for one in found.cash} == {"last_known"}
    assert found.net_liquidation is not None
    assert (found.net_liquidation.source, found.positions[1].fx) == (
        "last_known",
        (Decimal("1.32"), at, "last_known"),
    )
    # A minute after the snapshot it is of no use: it is of the time after.
    (then,) = await value(database, HOUR + timedelta(minutes=1), FIRST)
    assert {one.source for one in then.cash} == {"snapshot"}
    assert row_of(then.positions[0], at).mark_price == 160


@pytest.mark.parametrize("price", ["0", "NaN"])
async def test_a_last_word_that_no_share_can_be_worth_is_no_mark(
    database: Database, take: Taking, price: str
) -> None:
    await take(HOUR)
    await run_sql(database, "UPDATE marks SET market_price = CAST(:p AS text)::numeric", p=price)
    await run_sql(database, "UPDATE marks SET priced_at = :at", at=HOUR + timedelta(minutes=5))
    await hold(database, FIRST, ACME, 10, opened_at=LONG_AGO)
    (row,) = (await rows(database, HOUR + timedelta(minutes=9))).values()
    assert (row.mark_price, row.mark_source) == (160, "snapshot")


async def test_a_mark_before_a_split_is_no_price_after_it(database: Database, take: Taking) -> None:
    await take(HOUR, "160")
    await forget_the_last_word(database)
    split_at = HOUR + timedelta(minutes=20)
    position = await hold(database, FIRST, ACME, 100, opened_at=LONG_AGO, cost=15000)
    await note(database, position, "adjusted", split_at, 100, 200, seq=2, cause="split")
    before = await rows(database, split_at - timedelta(seconds=1))
    after = await rows(database, split_at)
    assert [one[ACME].quantity for one in (before, after)] == [100, 200]
    assert [one[ACME].mark_price for one in (before, after)] == [160, 80]
    assert [one[ACME].mark_restated for one in (before, after)] == [False, True]
    assert [one[ACME].market_value for one in (before, after)] == [16000, 16000]
    # The account that bought it afterwards has no split of its own.
    await hold(database, SECOND, ACME, 10, opened_at=split_at + timedelta(seconds=5))
    assert (await rows(database, split_at + timedelta(minutes=1), SECOND))[ACME].mark_price == 80


async def test_statements_tell_marks_rates_cash_and_values_of_their_days(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    await forget_the_last_word(database)
    day = date(2026, 10, 15)
    closed = datetime(2026, 10, 16, 0, 30, tzinfo=UTC)  # half past eight in New York
    await _state(database, day, closed, stated_at=HOUR, price="140")
    await _state(database, day, closed, stated_at=HOUR + ONE_HOUR, price="141")
    await _state(database, day, closed, stated_at=HOUR + DAY, price="999", status="undone")
    await hold(database, FIRST, ACME, 10, opened_at=LONG_AGO, cost=1000)
    await hold(database, FIRST, VOD, 10, opened_at=LONG_AGO)
    at = datetime(2026, 10, 17, 12, tzinfo=UTC)
    (found,) = await value(database, at, FIRST)
    row, vod = (row_of(one, at) for one in found.positions)
    assert (row.mark_price, row.mark_as_of, row.mark_source) == (141, closed, "statement")
    midnight = datetime(2026, 10, 16, 4, tzinfo=UTC)
    assert (vod.mark_price, vod.fx_rate, vod.fx_as_of) == (None, Decimal("1.25"), midnight)
    assert [tuple(one) for one in found.cash] == [("USD", Decimal(500), midnight, "statement")]
    assert found.net_liquidation == (Decimal(1910), midnight, "statement")
    assert (found.positions_value, found.cash_value, found.total) == (1410, 500, None)
    # Two hours before the day ended it is what follows soon.
    (early,) = await value(database, midnight - timedelta(hours=2), FIRST)
    assert early.net_liquidation == (Decimal(1910), midnight, "statement")


async def test_executions_that_the_cash_does_not_know_of_are_counted(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    await forget_the_last_word(database)
    for minutes in (-10, 10, 20, 50):
        await run_sql(
            database,
            "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, "
            "quantity, price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, "
            "zone_assumed, source, received_at, epoch) VALUES (:id, :id, 0, :account, :acme, :at, 'BOT', 1, "
            "1, 0, 0, 0, '', '', 0, '', false, 'live', :at, 1)",
            id=f"e{minutes}",
            account=FIRST,
            acme=ACME,
            at=HOUR + timedelta(minutes=minutes),
        )
    found = [await value(database, HOUR + timedelta(minutes=one), FIRST) for one in (0, 30, -20)]
    assert [one.trades_apart for (one,) in found] == [0, 2, 1]
    (before,) = await value(database, LONG_AGO, FIRST)
    assert before.trades_apart is None


async def test_before_anything_was_told_nothing_is_known_and_nothing_is_zero(
    database: Database, take: Taking
) -> None:
    await take(HOUR)
    (found,) = await value(database, LONG_AGO - DAY, FIRST)
    assert (found.positions, found.cash, found.total, found.net_liquidation) == ((), (), None, None)
    assert (found.positions_value, found.cash_value) == (None, None)


async def _state(
    database: Database, day: date, closed: datetime, *, stated_at: datetime, price: str, status: str = "done"
) -> None:
    name = f"{stated_at}"
    async with database.write() as writer:
        await writer.execute(
            insert(t.raw_payloads).values(sha256=name, size_bytes=1, content=b"x", stored_at=HOUR)
        )
        made = await writer.execute(
            insert(t.imports)
            .values(
                kind="flex",
                name="x.xml",
                sha256=name,
                status=status,
                trigger="cli",
                stated_at=stated_at,
                imported_at=stated_at,
                undone_at=None if status == "done" else stated_at,
                report={},
            )
            .returning(t.imports.c.id)
        )
        of = {"import_id": made.scalar_one(), "line": 1}
        await writer.execute(
            insert(t.stated_positions).values(
                **of, account=FIRST, conid=ACME, as_of=closed, quantity=Decimal(10), mark_price=Decimal(price)
            )
        )
        await writer.execute(
            insert(t.fx_rates).values(
                **of, currency="GBP", into_currency="USD", as_of=day, rate=Decimal("1.25")
            )
        )
        await writer.execute(
            insert(t.cash_balances).values(**of, account=FIRST, currency="USD", as_of=day, cash=Decimal(500))
        )
        await writer.execute(
            insert(t.stated_values).values(
                **of, account=FIRST, as_of=day, currency="USD", net_liquidation=Decimal(1910)
            )
        )
