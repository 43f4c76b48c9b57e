"""Accounts of which the broker told everything a moment ago, as the worker keeps it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text

from models import tables as t
from models.session import Database

HOUR = datetime(2026, 11, 20, 15, tzinfo=UTC)
FIRST, SECOND, THIRD = "DU1000001", "DU1000002", "DU1000003"
ACME, VOD, CALL = 265598, 107550, 700001
EPOCH = 7

INSTRUMENTS = (
    # conid, symbol, type, currency, multiplier, magnifier
    (ACME, "ACME", "STK", "USD", 1, 1),
    (VOD, "VOD", "STK", "GBP", 1, 100),
    (CALL, "ACME C", "OPT", "USD", 100, 1),
)
HELD = (
    # conid, quantity, average cost, price, value
    (ACME, 100, "150.01", "160", "16000"),
    (VOD, 1000, "0.701", "72.4", "724"),
    (CALL, -2, "210.5", "1.5", "-300"),
)
VALUES = (
    ("NetLiquidation", "USD", "118902.44"),
    ("TotalCashValue", "USD", "20482.11"),
    ("GrossPositionValue", "USD", "17248.80"),
    ("CashBalance", "USD", "20400"),
    ("CashBalance", "GBP", "62.5"),
    ("CashBalance", "BASE", "20482.11"),
    ("ExchangeRate", "USD", "1.0000000"),
    ("ExchangeRate", "GBP", "1.3105"),
    ("ExchangeRate", "BASE", "1.0000000"),
    ("AccountType", "", "INDIVIDUAL"),
)


class Hand:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime = HOUR + timedelta(seconds=1)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


async def run_sql(database: Database, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    """Rows of a statement as dictionaries; what it writes is committed."""
    async with database.write() as writer:
        result = await writer.execute(text(statement), parameters)
        return [dict(row._mapping) for row in result] if result.returns_rows else []


OPEN = "20261120:0930-20261120:1600"
"""Regular hours of New York that day: from 14:30 to 21:00 UTC."""


async def tell(database: Database, at: datetime, *accounts: str) -> None:
    """Have everything of these accounts be told at a moment: the link beats, values and marks come."""
    async with database.write() as writer:
        await writer.execute(
            text("UPDATE broker_links SET heard_at = clock_timestamp(), updated_at = :at"), {"at": at}
        )
        for statement in (
            "UPDATE account_values SET as_of = :at WHERE account = ANY(:accounts)",
            "UPDATE account_pnl SET as_of = :at WHERE account = ANY(:accounts)",
            "UPDATE marks SET as_of = :at, priced_at = :at WHERE account = ANY(:accounts)",
        ):
            await writer.execute(text(statement), {"at": at, "accounts": list(accounts)})


async def seed(database: Database, *accounts: str, at: datetime = HOUR) -> None:
    """The same three positions in each account, all told at a moment."""
    async with database.write() as writer:
        await writer.execute(
            insert(t.instruments),
            [
                {
                    "conid": conid,
                    "symbol": symbol,
                    "local_symbol": symbol,
                    "sec_type": kind,
                    "currency": currency,
                    "multiplier": multiplier,
                    "price_magnifier": magnifier,
                    "exchange": "SMART",
                    "trading_class": "",
                    "expiry": "",
                    "option_right": "",
                    "updated_at": at,
                }
                for conid, symbol, kind, currency, multiplier, magnifier in INSTRUMENTS
            ],
        )
        await writer.execute(
            insert(t.broker_links).values(
                login="",
                gateway="up",
                ibkr="up",
                state="live",
                reason="",
                since=at,
                updated_at=at,
                epoch=EPOCH,
                clock_offset_seconds=Decimal("2.5"),
                heard_at=text("clock_timestamp()"),
            )
        )
        for account in accounts:
            await _seed_account(writer, account, at)


async def _seed_account(writer: Any, account: str, at: datetime) -> None:
    await writer.execute(
        insert(t.broker_accounts).values(account=account, paper=True, first_seen_at=at, last_seen_at=at)
    )
    await writer.execute(
        insert(t.sync_datasets),
        [
            {"account": account, "dataset": name, "as_of": at, "complete": True, "epoch": EPOCH}
            for name in ("positions", "account_values", "pnl")
        ],
    )
    await writer.execute(
        insert(t.account_values),
        [
            {
                "account": account,
                "key": key,
                "currency": currency,
                "value": value,
                "as_of": at,
                "epoch": EPOCH,
            }
            for key, currency, value in VALUES
        ],
    )
    await writer.execute(
        insert(t.account_pnl).values(
            account=account, daily_pnl=Decimal("12.5"), unrealized_pnl=Decimal(-3), as_of=at
        )
    )
    for conid, quantity, cost, price, value in HELD:
        await writer.execute(
            insert(t.ledger_books).values(
                account=account,
                conid=conid,
                quantity=quantity,
                broker_quantity=quantity,
                broker_average_cost=Decimal(cost),
                broker_as_of=at,
            )
        )
        await writer.execute(
            insert(t.marks).values(
                account=account,
                conid=conid,
                quantity=quantity,
                market_price=Decimal(price),
                market_value=Decimal(value),
                daily_pnl=Decimal(1),
                unrealized_pnl=Decimal(2),
                priced_at=at,
                as_of=at,
            )
        )
