"""Taking an import back leaves no trace of it: what others state, and what was told live, stands again."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from sqlalchemy import text

from core.domain.stated import StatedRate
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.accounts import ensure_accounts
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from services.position_sync.validate import validate_ledger
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    START,
    Link,
    commission,
    exchange_rate,
    execution,
)
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.ledger_rows import ledger_rows

_lines = count(1)


async def miss(database: Database, start: float, end: float) -> None:
    """Record that nobody listened for some hours."""
    async with database.write() as connection:
        await ensure_accounts(connection, {ACCOUNT: START})
        await connection.execute(
            text(
                "INSERT INTO observation_gaps (account, started_at, ended_at, reason, detected_at, epoch) "
                "VALUES (:account, :start, :end, 'offline', :now, 1)"
            ),
            {"account": ACCOUNT, "start": hour(start), "end": hour(end), "now": START},
        )


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


async def gaps(rows: Rows) -> list[tuple[datetime, datetime, str | None]]:
    found = await rows("SELECT started_at, ended_at, closed_by FROM observation_gaps ORDER BY started_at")
    return [(one["started_at"], one["ended_at"], one["closed_by"]) for one in found]


async def test_gaps_are_open_again_and_in_one_piece(
    bring: Import, undo: Undo, database: Database, rows: Rows
) -> None:
    await miss(database, 1, 9)
    before = await gaps(rows)
    report = await bring(period(3 / 24, starts_at=hour(3)))
    assert report.gaps_closed == 1
    assert len(await gaps(rows)) == 3
    await undo(report)
    assert await gaps(rows) == before


async def test_a_gap_that_another_statement_covers_too_stays_closed_as_far_as_it_does(
    bring: Import, undo: Undo, database: Database, rows: Rows
) -> None:
    await miss(database, 1, 9)
    first = await bring(period(1, starts_at=hour(0)), name="a.xml")
    second = await bring(period(3 / 24, starts_at=hour(3)), name="b.xml")
    await undo(first)
    assert await gaps(rows) == [
        (hour(1), hour(3), None),
        (hour(3), hour(6), f"import {second.import_id}"),
        (hour(6), hour(9), None),
    ]


@pytest.mark.parametrize("second", ["a.01.01", "a.01.1"], ids=["the same id", "another spelling"])
async def test_what_was_kept_aside_because_of_it_stands_now(
    bring: Import, undo: Undo, rows: Rows, database: Database, second: str
) -> None:
    told = trade(second, "12", "11", "3", seconds=1, order_ref="mine", exchange="NYSE", order_id="77")
    alone = await bring(told, name="alone.xml")
    expected = await ledger_rows(database)
    await undo(alone)
    first = await bring(trade("a.01.01", "10", "10", "1", seconds=1), name="a.xml")
    other = await bring(told, name="b.xml")
    third = await bring(told, name="c.xml")
    assert (other.disputed, third.disputed) == (1, 1)
    undone = await undo(first)
    assert await ledger_rows(database) == expected
    assert [(one.quantity_before, one.quantity) for one in undone.changes] == [(10, 12)]
    [stands] = await rows("SELECT order_ref, exchange, perm_id, confirmed_by FROM executions")
    assert tuple(stands.values()) == ("mine", "NYSE", 77, other.import_id)
    outcomes = await rows("SELECT outcome FROM stated_trades ORDER BY import_id")
    assert [one["outcome"] for one in outcomes] == ["new", "matched"]
    for report in (other, third):
        await undo(report)
    assert await rows("SELECT exec_id FROM executions") == []
    assert await rows("SELECT exec_id FROM commission_reports") == []


async def test_what_was_kept_aside_and_is_of_another_book_stands_there(
    bring: Import, undo: Undo, rows: Rows
) -> None:
    first = await bring(trade("a.01.01", "10", seconds=1), name="a.xml")
    await bring(trade("a.01.01", "10", seconds=1, account="U2"), name="b.xml")
    await undo(first)
    assert await rows("SELECT account, quantity FROM positions") == [
        {"account": "U2", "quantity": Decimal(10)}
    ]


async def test_what_contradicts_a_trade_that_was_told_live_stays_aside(
    bring: Import, undo: Undo, rows: Rows, relay: Relay
) -> None:
    await relay.handle([Link().entry(execution("a.01.01", "10", seconds=1))])
    first = await bring(trade("a.01.01", "10", seconds=1), name="a.xml")
    await bring(trade("a.01.01", "12", seconds=1), name="b.xml")
    await undo(first)
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]
    assert await rows("SELECT outcome FROM stated_trades") == [{"outcome": "disputed"}]


ASIDE = "SELECT status FROM dead_facts ORDER BY id"


@pytest.mark.parametrize("account", [ACCOUNT, "DU2"])
async def test_what_was_told_live_and_kept_aside_because_of_it_stands_now(
    account: str, bring: Import, undo: Undo, rows: Rows, relay: Relay, database: Database
) -> None:
    """As if the statement had never been: also where it named another account."""
    link = Link()
    told = execution("a.01.01", "12", "11", seconds=1), commission("a.01.01", "2", seconds=1)
    report = await bring(trade("a.01.01", "10", seconds=1, account=account))
    await relay.handle([link.entry(*told)])
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]
    assert await rows(ASIDE) == [{"status": "open"}]
    undone = await undo(report)
    assert await rows("SELECT account, quantity, commission FROM positions") == [
        {"account": ACCOUNT, "quantity": Decimal(12), "commission": Decimal(2)}
    ]
    assert await rows("SELECT source, confirmed_by FROM executions") == [
        {"source": "live", "confirmed_by": None}
    ]
    assert await rows(ASIDE) == [{"status": "retried"}]
    assert undone.changed_books == (1 if account == ACCOUNT else 2)
    assert (await validate_ledger(database)).differences == {}
    await relay.handle([link.entry(*told)])
    assert await rows(ASIDE) == [{"status": "retried"}]


@pytest.mark.parametrize(("quantity", "status"), [("12", "retried"), ("13", "open")])
async def test_what_another_statement_told_before_the_live_stream_goes_before_it(
    quantity: str, status: str, bring: Import, undo: Undo, rows: Rows, relay: Relay, clock: Hand
) -> None:
    clock.now = START - timedelta(days=1)
    first = await bring(trade("a.01.01", "10", seconds=1), name="a.xml")
    await bring(trade("a.01.01", quantity, seconds=1), name="b.xml")
    await relay.handle([Link().entry(execution("a.01.01", "12", seconds=1))])
    await undo(first)
    assert [one["quantity"] for one in await rows("SELECT quantity FROM positions")] == [Decimal(quantity)]
    assert await rows(ASIDE) == [{"status": status}]


async def test_what_is_kept_aside_because_of_another_statement_stays_aside(
    bring: Import, undo: Undo, rows: Rows, relay: Relay
) -> None:
    first = await bring(trade("a.01.01", "10", seconds=1), name="a.xml")
    await bring(trade("a.01.01", "10", seconds=1), name="b.xml")
    await relay.handle([Link().entry(execution("a.01.01", "12", seconds=1))])
    await undo(first)
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]
    assert await rows(ASIDE) == [{"status": "open"}]


async def test_a_trade_that_it_cancelled_counts_again(bring: Import, undo: Undo, rows: Rows) -> None:
    await bring(trade("a.01.01", "10", seconds=1, trade_id="77"), name="a.xml")
    cancelling = await bring(
        trade("", "-10", "10", "-1", seconds=1, trade_id="77", cancels=True), name="b.xml"
    )
    assert await rows("SELECT id FROM positions") == []
    await undo(cancelling)
    assert await rows("SELECT quantity FROM positions") == [{"quantity": Decimal(10)}]


@pytest.mark.parametrize("live_first", [True, False])
async def test_the_last_live_word_on_a_commission_stands_again(
    bring: Import, undo: Undo, rows: Rows, relay: Relay, live_first: bool
) -> None:
    link = Link()
    fill = execution("a.01.01", "10", seconds=1)
    if live_first:
        await relay.handle([link.entry(fill, commission("a.01.01", "1", seconds=1))])
    report = await bring(trade("a.01.01", "10", "10", "1.5", seconds=1, realized_pnl="9"))
    await relay.handle([link.entry(fill, commission("a.01.01", "1.2", seconds=2, realized="8"))])
    [stated] = await rows("SELECT commission, realized_pnl FROM commission_reports")
    assert tuple(stated.values()) == (Decimal("1.5"), Decimal(9))
    assert await rows("SELECT commission FROM positions") == [{"commission": Decimal("1.5")}]
    await undo(report)
    [told] = await rows("SELECT commission, realized_pnl, live_commission FROM commission_reports")
    assert tuple(told.values()) == (Decimal("1.2"), Decimal(8), None)
    assert await rows("SELECT commission FROM positions") == [{"commission": Decimal("1.2")}]
    # And what is told after that counts as ever.
    await relay.handle([link.entry(commission("a.01.01", "1.3", seconds=3))])
    assert await rows("SELECT commission FROM commission_reports") == [{"commission": Decimal("1.3")}]


async def test_an_older_live_word_replaces_no_newer_one_beside_a_statements(
    bring: Import, undo: Undo, rows: Rows, relay: Relay
) -> None:
    link = Link()
    await relay.handle(
        [link.entry(execution("a.01.01", "10", seconds=1), commission("a.01.01", "1.2", seconds=5))]
    )
    report = await bring(trade("a.01.01", "10", "10", "1.5", seconds=1))
    await relay.handle([link.entry(commission("a.01.01", "1", seconds=2))])
    await undo(report)
    assert await rows("SELECT commission FROM commission_reports") == [{"commission": Decimal("1.2")}]


def rate(day: date, currency: str, value: str, into: str = "EUR") -> StatedRate:
    return StatedRate(
        line=next(_lines), section="rates", as_of=day, currency=currency, into=into, rate=Decimal(value)
    )


RATE = "SELECT rate, rate_source FROM commission_reports"


async def test_a_commission_in_another_currency_is_converted_at_the_rate_of_its_day(
    bring: Import, undo: Undo, rows: Rows, relay: Relay, database: Database
) -> None:
    charged = execution("a.01.01", "10", seconds=1), commission("a.01.01", "2", currency="CHF", seconds=1)
    await relay.handle([Link().entry(*charged)])
    before = await ledger_rows(database)
    # Of francs the last rate is of the day before, and so is what both are worth in the base currency.
    report = await bring(
        rate(date(2026, 11, 19), "CHF", "1.05"),
        rate(date(2026, 11, 19), "USD", "0.84"),
        rate(date(2026, 11, 20), "USD", "0.9"),
        trade("a.01.01", "10", commission=None, seconds=1),
    )
    assert await rows(RATE) == [{"rate": Decimal("1.25"), "rate_source": f"import {report.import_id}"}]
    assert await rows("SELECT commission, provisional FROM positions") == [
        {"commission": Decimal("2.5"), "provisional": False}
    ]
    await undo(report)
    assert await ledger_rows(database) == before


async def test_a_rate_of_another_statement_that_stands_is_as_good(
    bring: Import, undo: Undo, rows: Rows
) -> None:
    told = trade("a.01.01", "10", seconds=1, commission_currency="EUR")
    first = await bring(rate(date(2026, 11, 20), "USD", "0.8"), name="a.xml")
    second = await bring(told, rate(date(2026, 11, 20), "USD", "0.5"), name="b.xml")
    assert await rows(RATE) == [{"rate": Decimal(2), "rate_source": f"import {second.import_id}"}]
    third = await bring(told, name="c.xml")
    await undo(second)
    assert await rows(RATE) == [{"rate": Decimal("1.25"), "rate_source": f"import {first.import_id}"}]
    await undo(first)
    assert await rows(RATE) == [{"rate": None, "rate_source": None}]
    await undo(third)
    assert await rows(RATE) == []


async def test_without_a_rate_of_that_day_todays_counts_and_says_that_it_is_not_that_days(
    bring: Import,
    rows: Rows,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    await bring(
        trade("a.01.01", "10", seconds=-20 * 86400, commission_currency="EUR"),
        trade("b.01.01", "10", seconds=1, commission_currency="EUR"),
    )
    today = (exchange_rate("EUR", "1", seconds=5), exchange_rate("USD", "0.8", seconds=5))
    await relay.handle([Link().entry(*today)])
    await Sweep(database, streams, settings, clock=clock).run()
    told = await rows("SELECT rate_source FROM commission_reports ORDER BY exec_id")
    assert [one["rate_source"] for one in told] == ["ExchangeRate of another day", "ExchangeRate"]


CHARGED_LATE = (
    execution("a.01.01", "10", seconds=-20 * 86400),
    commission("a.01.01", "2", currency="CHF", seconds=1),
)
LONG_AGO = date(2026, 10, 31)


async def todays_rates(relay: Relay, link: Link) -> None:
    await relay.handle(
        [link.entry(exchange_rate("CHF", "1", seconds=5), exchange_rate("USD", "1", seconds=5))]
    )


@pytest.mark.parametrize("stated", [False, True], ids=["of another book", "of what it states, too"])
async def test_the_rate_of_its_day_takes_the_place_of_another_days_wherever_it_was_needed(
    stated: bool, bring: Import, undo: Undo, rows: Rows, relay: Relay, database: Database
) -> None:
    """And the other one comes back, to the digit, although another is told by then."""
    link = Link()
    await todays_rates(relay, link)
    await relay.handle([link.entry(*CHARGED_LATE)])
    before = await ledger_rows(database)
    assert await rows(RATE) == [{"rate": 1, "rate_source": "ExchangeRate of another day"}]
    told = trade("a.01.01", "10", commission="2", commission_currency="CHF", seconds=-20 * 86400)
    report = await bring(
        rate(LONG_AGO, "CHF", "1.05"), rate(LONG_AGO, "USD", "0.84"), *([told] if stated else ())
    )
    assert await rows(RATE) == [{"rate": Decimal("1.25"), "rate_source": f"import {report.import_id}"}]
    assert await rows("SELECT commission FROM positions") == [{"commission": Decimal("2.5")}]
    assert report.changed_books == 1
    assert (await validate_ledger(database)).differences == {}
    await relay.handle([link.entry(exchange_rate("CHF", "1.1", seconds=50))])
    await undo(report)
    assert await ledger_rows(database) == before
    assert await rows(RATE) == [{"rate": 1, "rate_source": "ExchangeRate of another day"}]


async def test_another_statements_rate_of_that_day_is_next_when_one_is_taken_back(
    bring: Import, undo: Undo, rows: Rows, relay: Relay
) -> None:
    link = Link()
    await todays_rates(relay, link)
    await relay.handle([link.entry(*CHARGED_LATE)])
    first, second = [
        await bring(rate(LONG_AGO, "CHF", value), rate(LONG_AGO, "USD", "1"), name=f"{value}.xml")
        for value in ("2", "3")
    ]
    await undo(first)
    assert await rows(RATE) == [{"rate": 3, "rate_source": f"import {second.import_id}"}]
    await undo(second)
    assert await rows(RATE) == [{"rate": 1, "rate_source": "ExchangeRate of another day"}]


async def test_a_rate_of_its_own_day_stays(bring: Import, rows: Rows, relay: Relay) -> None:
    link = Link()
    await todays_rates(relay, link)
    charged = execution("a.01.01", "10", seconds=1), commission("a.01.01", "2", currency="CHF", seconds=1)
    await relay.handle([link.entry(*charged)])
    await bring(rate(date(2026, 11, 20), "CHF", "2"), rate(date(2026, 11, 20), "USD", "1"))
    assert await rows(RATE) == [{"rate": 1, "rate_source": "ExchangeRate"}]


async def test_a_rate_stands_when_a_statement_with_another_amount_in_that_currency_is_taken_back(
    bring: Import, undo: Undo, rows: Rows, relay: Relay
) -> None:
    link = Link()
    await todays_rates(relay, link)
    charged = execution("a.01.01", "10", seconds=1), commission("a.01.01", "2", currency="CHF", seconds=1)
    await relay.handle([link.entry(*charged)])
    report = await bring(trade("a.01.01", "10", commission="3", commission_currency="CHF", seconds=1))
    await undo(report)
    assert await rows(RATE) == [{"rate": 1, "rate_source": "ExchangeRate"}]
