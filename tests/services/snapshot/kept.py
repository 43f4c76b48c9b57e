"""Snapshots of an account that were taken hour by hour, with whatever cash is said to be there."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from core.domain.account_values import BASE_SUMMARY
from core.domain.days import day_of
from core.domain.snapshots import CashHeld, RateUsed, Valuation
from models import tables as t
from models.reckoned import reckon_hour, renew
from models.session import Database, Writer
from models.stores.imports import File, begin_import
from models.stores.partitions import ensure_partitions
from models.stores.snapshot_runs import Versions, open_hour
from models.stores.snapshots import Payload, store_snapshot
from tests.services.snapshot.world import ACME, FIRST, run_sql

START = datetime(2026, 11, 16, 15, tzinfo=UTC)
"""A Monday, at ten in New York."""
EUR = Decimal("1.1")
LATER = START + timedelta(days=400)
PAYLOAD = Payload.of(b"{}")

FIGURES = (
    "SELECT resolution, source, ts, day, net_liquidation AS worth, net_contribution AS came, twr, drawdown, "
    "data_quality AS quality, daily_pnl, linked_index, peak_index, since, trades_until, extreme "
    "FROM performance_metrics WHERE account = :account ORDER BY resolution, ts, source"
)


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


async def take(
    database: Database,
    number: float,
    worth: str | Decimal,
    cash: Mapping[str, str | Decimal] | None = None,
    *,
    base: str = "USD",
    account: str = FIRST,
    minutes: float = 0.05,
) -> None:
    """Keep an hour's snapshot of an account, and reckon it; ``cash`` is by currency, ``None``: not told."""
    at = hour(number) + timedelta(minutes=minutes)
    told = {name: Decimal(amount) for name, amount in (cash or {}).items()}
    total = sum((amount * (1 if name == base else EUR) for name, amount in told.items()), Decimal(0))
    held = [CashHeld(name, amount, at) for name, amount in told.items()]
    if cash is not None:
        held.append(CashHeld(BASE_SUMMARY, total, at))
    valued = Valuation(
        account=account,
        asof_ts=at,
        base_currency=base,
        net_liquidation=Decimal(worth),
        total_cash=None if cash is None else total,
        gross_position_value=None,
        coverage=Decimal(1),
        pnl=None,
        positions=(),
        rates=tuple(RateUsed(name, EUR, at) for name in told if name != base),
        cash=tuple(held),
    )
    async with database.write() as writer:
        run = await open_hour(writer, hour(number), Versions("", ""), at)
        await ensure_partitions(writer, at, months_ahead=0)
        await store_snapshot(writer, valued, PAYLOAD, run_id=run.id, hour=hour(number), now=at)
        await reckon_hour(writer, account, hour(number))


async def trade(
    database: Database,
    name: str,
    at: datetime,
    *,
    quantity: str = "1",
    price: str,
    commission: str | None = None,
    received_at: datetime | None = None,
    account: str = FIRST,
) -> None:
    """An execution of ours, bought if the quantity is above zero; told a second later if nothing is said."""
    told_at = received_at or at + timedelta(seconds=1)
    size = Decimal(quantity)
    async with database.write() as writer:
        await writer.execute(
            insert(t.executions).values(
                exec_id=f"{name}.01",
                exec_base_id=name,
                revision=1,
                account=account,
                conid=ACME,
                executed_at=at,
                side="BOT" if size > 0 else "SLD",
                quantity=abs(size),
                price=Decimal(price),
                order_id=0,
                perm_id=0,
                client_id=0,
                order_ref="",
                exchange="",
                liquidity=0,
                model_code="",
                zone_assumed=False,
                source="live",
                received_at=told_at,
                epoch=1,
            )
        )
        if commission is not None:
            await writer.execute(
                insert(t.commission_reports).values(
                    exec_id=f"{name}.01",
                    commission=Decimal(commission),
                    currency="USD",
                    received_at=told_at,
                    epoch=1,
                )
            )


async def begin_statement(writer: Writer, name: str = "x") -> int:
    """An import that stands."""
    return await begin_import(
        writer, File(name, "flex", name * 64, 1, b""), trigger="cli", stated_at=LATER, now=LATER
    )


async def state(
    writer: Writer,
    import_id: int,
    values: Mapping[date, str],
    flows: Mapping[datetime, str] | None = None,
    *,
    account: str = FIRST,
) -> None:
    """What a statement states of an account: what it was worth, and what its owner brought."""
    for line, (day, worth) in enumerate(values.items()):
        await writer.execute(
            insert(t.stated_values).values(
                import_id=import_id,
                line=line,
                account=account,
                as_of=day,
                currency="USD",
                net_liquidation=Decimal(worth),
            )
        )
    for line, (at, amount) in enumerate((flows or {}).items()):
        await writer.execute(
            insert(t.cash_flows).values(
                import_id=import_id,
                line=line,
                flow_key=f"{import_id}/{line}",
                account=account,
                kind="deposit",
                external=True,
                at=at,
                amount=Decimal(amount),
                currency="USD",
                symbol="",
                transaction_id="",
                description="",
                reported_on=day_of(at),
            )
        )


async def renew_all(database: Database, account: str = FIRST, now: datetime = LATER) -> int:
    """Do what is to be reckoned anew; in how many parts that was."""
    parts = 0
    while True:
        async with database.write() as writer:
            if not await renew(writer, account, now):
                return parts
        parts += 1


async def figures(database: Database, resolution: str = "", account: str = FIRST) -> list[dict[str, Any]]:
    rows = await run_sql(database, FIGURES, account=account)
    return [row for row in rows if not resolution or row["resolution"] == resolution]
