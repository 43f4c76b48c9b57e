"""Two snapshots of the portfolio's accounts, and an hour of which one of them has none."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from core.domain.days import day_of
from core.domain.snapshots import Refusal, snapshot_key
from models import tables as t
from models.session import Database
from models.stores.partitions import ensure_partitions
from models.stores.snapshot_runs import Versions, begin_attempt, end_attempt, open_hour
from tests.services.api.portfolio import AAPL, ESZ6, NOW, PAPER, USD, VOD

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_HELD: dict[str, tuple[tuple[Any, ...], ...]] = {
    # conid, quantity, cost, currency, price, value, rate, base
    USD: (
        (AAPL, 100, "150.01", "USD", "160", "16000", 1, "16000"),
        (ESZ6, -2, "225002.37", "USD", None, None, 1, None),
    ),
    PAPER: ((VOD, 1000, "0.701", "GBP", "72.4", "724", "1.3105", "948.802"),),
}


async def seed_snapshots(database: Database) -> None:
    """The runs are two hours and one hour old."""
    versions = Versions("0010", "0.1.0")
    async with database.write() as writer:
        await ensure_partitions(writer, NOW, months_ahead=0)
        await writer.execute(
            insert(t.raw_payloads).values(sha256=_SHA256, size_bytes=2, content=b"{}", stored_at=NOW)
        )
        for hours, accounts in ((2, (USD, PAPER)), (1, (USD,))):
            hour = NOW - timedelta(hours=hours)
            run = await open_hour(writer, hour, versions, hour)
            await begin_attempt(writer, run, versions)
            for account in accounts:
                await _snapshot(writer, run.id, account, hour)
            failed = {} if PAPER in accounts else {PAPER: Refusal("network", "incomplete: positions")}
            await end_attempt(
                writer,
                run.id,
                "partial" if failed else "success",
                taken=len(accounts),
                category="network" if failed else None,
                failures=failed,
                summary="1 of 2 accounts: network: incomplete: positions" if failed else "",
                now=hour + timedelta(seconds=1),
            )


async def _snapshot(writer: Any, run_id: int, account: str, hour: Any) -> None:
    as_of = hour - timedelta(seconds=2)
    made = await writer.execute(
        insert(t.snapshots)
        .values(
            snapshot_key=snapshot_key(account, hour, run_id),
            run_id=run_id,
            account=account,
            hour=hour,
            asof_ts=as_of,
            taken_at=hour + timedelta(seconds=1),
            net_liquidation=Decimal("25000.5"),
            total_cash=Decimal(9000) if account == USD else None,
            gross_position_value=Decimal(16000),
            base_currency="USD",
            coverage=Decimal("0.95") if account == USD else Decimal(1),
            source="ibkr",
            payload_sha256=_SHA256,
        )
        .returning(t.snapshots.c.id)
    )
    number = made.scalar_one()
    for conid, quantity, cost, currency, price, worth, rate, base in _HELD[account]:
        await writer.execute(
            insert(t.snapshot_positions).values(
                snapshot_id=number,
                asof_ts=as_of,
                conid=conid,
                quantity=Decimal(quantity),
                average_cost=Decimal(cost),
                currency=currency,
                mark_price=None if price is None else Decimal(price),
                mark_as_of=None if price is None else as_of,
                fresh=price is not None,
                market_value=None if worth is None else Decimal(worth),
                fx_rate=Decimal(rate),
                market_value_base=None if base is None else Decimal(base),
                unrealized_pnl=Decimal("12.5"),
                daily_pnl=None,
                market_open=conid == AAPL or None,
            )
        )
    told = {"as_of": day_of(as_of), "at": as_of, "source": "snapshot", "snapshot_id": number}
    await writer.execute(
        insert(t.fx_rates).values(currency="GBP", into_currency="USD", rate=Decimal("1.3105"), **told)
    )
    await writer.execute(
        insert(t.cash_balances).values(account=account, currency="USD", cash=Decimal(9000), **told)
    )
