"""A small ledger with its snapshots and a statement, in which every rule is obeyed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import json
from sqlalchemy import insert, text

from core.domain.days import day_of
from models import tables as t
from models.session import Database
from models.stores.partitions import ensure_partitions
from models.stores.snapshots import Payload
from services.position_sync.relay import Relay
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    START,
    Link,
    commission,
    execution,
    position,
)

NOW = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
"""When it is looked at."""
FIRST_HOUR = datetime(2026, 11, 20, 15, tzinfo=UTC)
HOURS = int((NOW - FIRST_HOUR) / timedelta(hours=1)) + 1
VOD = 107550
CASH = Decimal(20_000)
ACCRUED = Decimal("1250.5")
GBP = Decimal("1.25")

STATED = (
    """INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report)
    VALUES ('flex', 'a.xml', 'statement', 'done', 'cli', '2026-11-21', '2026-11-22', '{}')""",
    """INSERT INTO stated_trades (import_id, number, line, exec_id, account, conid, executed_at, quantity,
    price, commission_currency, opens, closes, outcome) SELECT i.id, 1, 2, e.exec_id, e.account, e.conid,
    e.executed_at, e.quantity, e.price, 'USD', true, false, 'matched' FROM imports i, executions e
    WHERE e.exec_id = 'a.01'""",
    """INSERT INTO stated_periods (import_id, line, account, starts_at, ends_at, complete) SELECT id, 1,
    account, '2026-11-20 05:00Z', '2026-11-21 05:00Z', true FROM imports, broker_accounts""",
    """INSERT INTO cash_flows (import_id, line, flow_key, account, kind, external, at, amount, currency,
    symbol, transaction_id, description) SELECT id, 3, 'flow', account, 'deposit', true,
    '2026-11-20 15:00Z', 100, 'GBP', '', '', '' FROM imports, broker_accounts""",
    """INSERT INTO fx_rates (import_id, line, currency, into_currency, as_of, rate)
    SELECT id, 4, 'GBP', 'USD', '2026-11-20', 1.25 FROM imports""",
    """INSERT INTO corporate_actions (import_id, line, event_key, account, conid, at, cause, kind, quantity,
    carried, event_id, event_group, description) SELECT i.id, 5, 'event', b.account, 107550,
    '2026-11-20 15:00Z', 'transfer', '', 1, false, '', '', '' FROM imports i, broker_accounts b""",
)


def acme_price(hour: int) -> Decimal:
    """A price that moves up and down by about a percent, and stands still every third hour."""
    step = hour - (hour % 3 == 0)
    return Decimal(120) + Decimal(step * 7 % 13 - 6) / 5


async def make(relay: Relay, database: Database) -> None:
    """Fill a database: 20 minutes of trades, and snapshots of all hours since until ``NOW``."""
    await relay.handle(
        [
            Link().entry(
                execution("a.01", "10", "100"),
                execution("b.01", "10", "110", seconds=1),
                execution("c.01", "-10", "120", seconds=2),
                execution("g.01", "1", "2000", instrument=GOLD, seconds=3),
                commission("a.01"),
                commission("b.01"),
                commission("c.01", realized="198"),
                commission("g.01"),
                position("10", "110.1", seconds=5),
                position("1", "200001", instrument=GOLD, seconds=5),
            )
        ]
    )
    async with database.write() as writer:
        await writer.execute(text("UPDATE broker_accounts SET base_currency = 'USD', listed = true"))
        await writer.execute(
            insert(t.instruments).values(
                conid=VOD,
                symbol="VOD",
                local_symbol="VOD",
                sec_type="STK",
                currency="GBP",
                multiplier=1,
                price_magnifier=100,
                exchange="LSE",
                trading_class="",
                expiry="",
                option_right="",
                updated_at=START,
            )
        )
        await _tell_of_now(writer)
        await ensure_partitions(writer, FIRST_HOUR)
        for hour in range(HOURS):
            await _snapshot(writer, hour)
        await _results(writer)
        await writer.execute(
            insert(t.raw_payloads).values(sha256="statement", size_bytes=9, content=b"", stored_at=NOW)
        )
        for statement in STATED:
            await writer.execute(text(statement))


async def _tell_of_now(writer: Any) -> None:
    await writer.execute(
        insert(t.account_values).values(
            account=ACCOUNT,
            key="NetLiquidation",
            currency="USD",
            value="21200",
            as_of=NOW - timedelta(minutes=2),
            epoch=1,
        )
    )
    for conid in (ACME.conid, GOLD.conid):
        await writer.execute(
            insert(t.marks).values(
                account=ACCOUNT, conid=conid, quantity=1, market_price=1, priced_at=NOW, as_of=NOW
            )
        )


async def _snapshot(writer: Any, hour: int) -> None:
    at = FIRST_HOUR + timedelta(hours=hour)
    price, gain = acme_price(hour), Decimal(hour)
    held = (
        # conid, quantity, currency, price, value, rate, gain
        (ACME.conid, 10, "USD", price, 10 * price, Decimal(1), None),
        (VOD, 1000, "GBP", Decimal(72), Decimal(720), GBP, None),
        (GOLD.conid, 1, "USD", Decimal(2000), Decimal(200_000), Decimal(1), gain),
    )
    # As IBKR reckons: what a future gained is in the cash, what is owed is in neither.
    worth = CASH + 10 * price + 720 * GBP + ACCRUED
    payload = Payload.of(
        json.encode(
            {
                "at": at,
                "account_values": {
                    "columns": ("key", "currency", "value"),
                    "rows": [
                        ("AccruedCash", "USD", "3"),
                        ("AccruedCash", "BASE", "1050.5"),
                        ("AccruedDividend", "USD", "200"),
                    ],
                },
            }
        )
    )
    run = await writer.execute(
        text(
            "INSERT INTO snapshot_runs (trigger, hour, status, attempts, schema_version, app_version, "
            "started_at, finished_at) VALUES ('hourly', :at, 'success', 1, '', '', :at, :at) RETURNING id"
        ),
        {"at": at},
    )
    await writer.execute(insert(t.raw_payloads).values(**payload._asdict(), stored_at=at))
    made = await writer.execute(
        insert(t.snapshots)
        .values(
            snapshot_key=f"{ACCOUNT}/{at}",
            run_id=run.scalar_one(),
            account=ACCOUNT,
            hour=at,
            asof_ts=at - timedelta(seconds=2),
            taken_at=at + timedelta(seconds=1),
            net_liquidation=worth,
            total_cash=CASH,
            base_currency="USD",
            coverage=1,
            source="ibkr",
            payload_sha256=payload.sha256,
        )
        .returning(t.snapshots.c.id)
    )
    snapshot_id = made.scalar_one()
    told = {"snapshot_id": snapshot_id, "as_of": day_of(at), "at": at, "source": "snapshot"}
    await writer.execute(
        insert(t.snapshot_positions),
        [
            {
                "snapshot_id": snapshot_id,
                "asof_ts": at - timedelta(seconds=2),
                "conid": conid,
                "quantity": quantity,
                "currency": currency,
                "mark_price": mark,
                "mark_as_of": at,
                "fresh": True,
                "market_value": value,
                "fx_rate": rate,
                "market_value_base": value * rate,
                "unrealized_pnl": gained,
            }
            for conid, quantity, currency, mark, value, rate, gained in held
        ],
    )
    await writer.execute(insert(t.fx_rates).values(currency="GBP", into_currency="USD", rate=GBP, **told))
    for currency, cash in (("USD", CASH), ("GBP", 5), ("BASE_SUMMARY", CASH)):
        await writer.execute(
            insert(t.cash_balances).values(account=ACCOUNT, currency=currency, cash=cash, **told)
        )


async def _results(writer: Any) -> None:
    """Sixty days of evenings on which a third of a percent at most was won or lost."""
    await writer.execute(
        insert(t.performance_metrics),
        [
            {
                "account": ACCOUNT,
                "resolution": "hour",
                "ts": NOW - timedelta(days=day, hours=-7),
                "source": "snapshot",
                "day": day_of(NOW - timedelta(days=day, hours=-7)),
                "net_liquidation": 20_000,
                "daily_pnl": (day * 7 % 13 - 6) * 11,
                "data_quality": "incomplete",
            }
            for day in range(1, 61)
        ],
    )
