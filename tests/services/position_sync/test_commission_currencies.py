"""A commission in another currency than its instrument's: kept as charged, counted with a recorded rate."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from core.domain.instruments import Instrument
from core.events.facts import InstrumentDescribed
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.ledger import unfolded_commissions
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, broker_link, quick
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    Link,
    at,
    commission,
    exchange_rate,
    execution,
)
from tests.services.position_sync.ledger_rows import clear, ledger_rows
from tests.services.position_sync.test_app import running
from tests.waiting import eventually

EUR_BASE = (exchange_rate("EUR", "1.00"), exchange_rate("USD", "0.8", seconds=1))
REPORT = "SELECT commission, currency, rate, rate_as_of, rate_source FROM commission_reports"
POSITION = "SELECT commission, cost_basis, provisional, missing_commissions FROM positions"
UNCONVERTED = {"commission": 0, "cost_basis": 50, "provisional": True, "missing_commissions": 1}
CONVERTED = {
    "commission": Decimal("2.5"),
    "cost_basis": Decimal("52.5"),
    "provisional": False,
    "missing_commissions": 0,
}
FILL, CHARGE = execution("a.01", "5"), commission("a.01", "2", currency="EUR")


@pytest.mark.parametrize(
    "batches",
    [
        [[*EUR_BASE], [FILL, CHARGE]],
        [[*EUR_BASE], [FILL], [CHARGE]],
        [[*EUR_BASE], [CHARGE], [FILL]],
        [[FILL, CHARGE], [*EUR_BASE]],
        [[FILL, CHARGE], [EUR_BASE[0]], [EUR_BASE[1]]],
        [[CHARGE], [EUR_BASE[1]], [FILL, EUR_BASE[0]]],
        [[FILL, CHARGE, *EUR_BASE]],
    ],
)
async def test_whenever_the_rate_becomes_known_the_commission_counts_with_it(
    batches: list[list[Any]], relay: Relay, rows: Rows
) -> None:
    link = Link()
    for batch in batches:
        await relay.handle([link.entry(*batch)])
    assert await rows(POSITION) == [CONVERTED]
    assert await rows(REPORT) == [
        {
            "commission": 2,
            "currency": "EUR",
            "rate": Decimal("1.25"),
            "rate_as_of": at(1),
            "rate_source": "ExchangeRate",
        }
    ]
    assert await rows("SELECT commission FROM position_events") == [{"commission": Decimal("2.5")}]
    assert await rows("SELECT commission_folded FROM executions") == [{"commission_folded": True}]


async def test_while_no_rate_is_known_the_fill_is_provisional_and_nothing_is_mixed(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(FILL, CHARGE, EUR_BASE[0])])
    version = await rows("SELECT version FROM ledger_books")
    for _ in range(2):
        await relay.handle([link.entry(commission("a.01", "2", currency="EUR", seconds=9))])
        await Sweep(database, streams, settings).run()
    assert await rows(POSITION) == [UNCONVERTED]
    assert (await rows(REPORT))[0]["rate"] is None
    assert await rows("SELECT version FROM ledger_books") == version, "nothing was folded in vain"


async def test_of_the_base_currency_no_rate_has_to_be_told(relay: Relay, rows: Rows) -> None:
    worth = msgspec.structs.replace(exchange_rate("EUR", "1000"), key="NetLiquidation")
    await relay.handle([Link().entry(worth, EUR_BASE[1], FILL, CHARGE)])
    assert await rows(POSITION) == [CONVERTED]


async def test_a_recorded_rate_stays_whatever_is_told_later(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(*EUR_BASE, FILL, CHARGE)])
    recorded = await rows(REPORT)
    await relay.handle([link.entry(exchange_rate("USD", "0.5", seconds=60))])
    await relay.handle([link.entry(commission("a.01", "2", currency="EUR", seconds=70))])
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()
    assert await rows(REPORT) == recorded
    assert await rows(POSITION) == [CONVERTED]
    await relay.handle([link.entry(commission("a.01", "4", currency="EUR", seconds=80))])
    assert (await rows(REPORT))[0]["rate"] == Decimal("1.25"), "another amount of the same trade"
    await relay.handle([link.entry(commission("a.01", "2", currency="USD", seconds=90))])
    assert await rows(REPORT) == [
        {"commission": 2, "currency": "USD", "rate": None, "rate_as_of": None, "rate_source": None}
    ]
    assert (await rows(POSITION))[0]["commission"] == 2


async def test_the_commission_of_a_combo_is_waited_for_by_nobody(relay: Relay, database: Database) -> None:
    combo = Instrument(conid=28812380, symbol="X", sec_type="BAG", currency="USD")
    await relay.handle([Link().entry(execution("a.01", "1", instrument=combo), commission("a.01"))])
    async with database.read() as reader:
        assert await unfolded_commissions(reader, None) == []
        assert await unfolded_commissions(reader, ["a.01"]) == []


async def test_another_accounts_rates_are_not_taken(relay: Relay, rows: Rows) -> None:
    others = [msgspec.structs.replace(one, account="DU2") for one in EUR_BASE]
    await relay.handle([Link().entry(*others, FILL, CHARGE)])
    assert await rows(POSITION) == [UNCONVERTED]


@pytest.mark.parametrize("absurd", ["", "NaN", "0", "-1", "1E+400", "a lot"])
async def test_a_rate_that_is_no_number_is_unknown(absurd: str, relay: Relay, rows: Rows) -> None:
    link = Link()
    await relay.handle([link.entry(EUR_BASE[0], exchange_rate("USD", absurd), FILL, CHARGE)])
    assert await rows(POSITION) == [UNCONVERTED]
    await relay.handle([link.entry(exchange_rate("USD", "0.8", seconds=1))])
    assert await rows(POSITION) == [CONVERTED]


async def test_a_late_commission_is_converted_without_touching_the_history(
    relay: Relay, rows: Rows, database: Database
) -> None:
    link = Link()
    await relay.handle(
        [
            link.entry(
                *EUR_BASE, *(execution(f"{n}.01", "5", seconds=n) for n in range(5)), execution("s.01", "-2")
            )
        ]
    )
    before = await rows("SELECT seq, xmin::text FROM position_events WHERE seq < 5 ORDER BY seq")
    await relay.handle([link.entry(commission("4.01", "0.1", currency="EUR"))])
    assert await rows("SELECT seq, xmin::text FROM position_events WHERE seq < 5 ORDER BY seq") == before
    charged = await rows("SELECT commission FROM lots WHERE exec_id = '4.01'")
    assert charged == [{"commission": Decimal("0.125")}]
    live = await ledger_rows(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await relay.handle([link.entry(commission("4.01", "0.1", currency="EUR", seconds=50))])
    assert (await ledger_rows(database))["lots"] == live["lots"]


async def test_an_instruments_currency_that_was_wrong_takes_its_rates_with_it(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(*EUR_BASE, exchange_rate("GBP", "1.6"), FILL, CHARGE)])
    pounds = msgspec.structs.replace(ACME, currency="GBP")
    await relay.handle([link.entry(InstrumentDescribed(received_at=at(5), instrument=pounds))])
    await Sweep(database, streams, settings).run()
    assert [row["rate"] for row in await rows(REPORT)] == [Decimal("0.625")]
    assert (await rows(POSITION))[0]["commission"] == Decimal("1.25")


async def test_a_commission_waits_until_the_instruments_currency_is_known(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    link = Link()
    nameless = msgspec.structs.replace(ACME, currency="")
    await relay.handle([link.entry(*EUR_BASE, execution("a.01", "5", instrument=nameless), CHARGE)])
    assert await rows(POSITION) == [UNCONVERTED]
    await relay.handle([link.entry(InstrumentDescribed(received_at=at(5), instrument=ACME))])
    await Sweep(database, streams, settings).run()
    assert await rows(POSITION) == [CONVERTED]


async def test_told_twice_a_commission_is_known_from_the_first_time_and_keeps_the_brokers_figure(
    relay: Relay, rows: Rows
) -> None:
    link = Link()
    stored = "SELECT received_at, repeated_at, realized_pnl FROM commission_reports"
    first = commission("a.01", "2", seconds=1, realized="7")
    again = [commission("a.01", "2", seconds=60 * n) for n in (1, 2)]
    await relay.handle([link.entry(first, again[0])])
    known = {"received_at": at(1.2), "repeated_at": at(60.2), "realized_pnl": 7}
    assert await rows(stored) == [known]
    await relay.handle([link.entry(again[1])])
    assert await rows(stored) == [{**known, "repeated_at": at(120.2)}]
    await relay.handle([link.entry(again[0])])
    assert await rows(stored) == [{**known, "repeated_at": at(120.2)}]
    await relay.handle([link.entry(commission("a.01", "3", seconds=180))])
    assert await rows(stored) == [{**known, "received_at": at(180.2), "repeated_at": at(180.2)}]


@pytest.mark.parametrize("corrected", ["3", "0"])
async def test_a_replaced_revisions_charge_that_nothing_converts_leaves_the_fill_provisional_however_late(
    corrected: str, relay: Relay, database: Database, rows: Rows
) -> None:
    facts = [
        execution("a.01", "9"),
        execution("b.01", "5", seconds=1),
        execution("b.02", corrected, seconds=1),
        commission("a.01"),
        commission("b.02"),
    ]
    late = commission("b.01", "2", currency="JPY")
    await relay.handle([Link().entry(*facts, late)])
    expected = await ledger_rows(database)
    assert await rows("SELECT missing_commissions FROM positions") == [{"missing_commissions": 1}]
    await clear(database)
    link = Link()
    await relay.handle([link.entry(*facts)])
    await relay.handle([link.entry(late)])
    assert await ledger_rows(database) == expected


POUNDS: dict[str, Any] = {
    **SMALL,
    "instruments": [
        *SMALL["instruments"],
        {
            "conid": 12087807,
            "ref": "EUR.GBP",
            "symbol": "EUR",
            "kind": "CASH",
            "currency": "GBP",
            "tick": "0.00005",
            "mark": "0.8",
            "name": "Euro",
        },
        {
            "conid": 12087797,
            "ref": "GBP.USD",
            "symbol": "GBP",
            "kind": "CASH",
            "tick": "0.00005",
            "mark": "1.25",
            "name": "British pound",
        },
    ],
    "accounts": [{"id": ACCOUNT, "cash": {"USD": "100000", "GBP": "500"}, "holdings": {"AAPL": "100 @ 200"}}],
}


async def test_from_the_gateway_to_the_row_a_conversion_is_charged_in_dollars_and_booked_in_pounds(
    settings: Settings, rows: Rows
) -> None:
    async with (
        Simulator.start(POUNDS) as sim,
        broker_link(quick(settings, sim.port)),
        running(settings),
    ):
        await eventually(lambda: rows("SELECT 1 FROM account_values WHERE key = 'ExchangeRate'"))
        exec_id = await sim.fill(account=ACCOUNT, conid=12087807, side="BOT", quantity="1000")
        (report,) = await eventually(
            lambda: rows(f"{REPORT} WHERE exec_id = '{exec_id}' AND rate IS NOT NULL")
        )
        (position,) = await eventually(
            lambda: rows(f"{POSITION} WHERE conid = 12087807 AND missing_commissions = 0")
        )
    assert (report["commission"], report["currency"], report["rate"]) == (2, "USD", Decimal("0.8"))
    assert position["commission"] == Decimal("1.6")
