"""Rows of performance for accounts: years of them, with flows, as statements or snapshots leave them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import insert, select

from models import tables as t
from models.session import Database
from models.stores.groups import set_group
from tests.services.api.portfolio import NOW, PAPER, USD

NEW_YORK = ZoneInfo("America/New_York")
FIRST = date(2024, 1, 1)


class Day(NamedTuple):
    """What an account was worth at the end of a day, and what came on it."""

    day: date
    worth: Decimal
    came: Decimal | None = Decimal(0)
    cash: Decimal | None = None


def end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), NEW_YORK).astimezone(UTC)


def weekdays(count: int, first: date = FIRST) -> list[date]:
    every = (first + timedelta(days=number) for number in range(2 * count + 7))
    return [day for day in every if day.weekday() < 5][:count]


def random_days(seed: int, count: int, first: date = FIRST, flow_every: int = 17) -> list[Day]:
    """Days of an account that drifts, to which money comes and from which some goes."""
    chance = np.random.default_rng(seed)
    worth, told = Decimal(50_000), []
    for number, day in enumerate(weekdays(count, first)):
        came = Decimal(0)
        if number % flow_every == flow_every - 1:
            came = Decimal(int(chance.integers(-900, 1_500)))
        moved = Decimal(repr(round(float(chance.normal(0.0004, 0.011)), 6)))
        worth = ((worth + max(came, Decimal(0))) * (1 + moved)).quantize(Decimal("0.01")) + min(
            came, Decimal(0)
        )
        told.append(Day(day, worth, came if number else None, worth / 8))
    return told


async def write_days(
    database: Database,
    account: str,
    days: Iterable[Day],
    *,
    currency: str = "USD",
    import_id: int | None = None,
    **more: Any,
) -> None:
    before: Day | None = None
    rows = []
    for one in days:
        pnl = None
        if before is not None and one.came is not None:
            pnl = one.worth - before.worth - one.came
        rows.append(
            {
                "account": account,
                "resolution": "day",
                "ts": end_of(one.day),
                "day": one.day,
                "source": "snapshot" if import_id is None else "statement",
                "import_id": import_id,
                "currency": currency,
                "net_liquidation": one.worth,
                "total_cash": one.cash,
                "gross_position_value": None if one.cash is None else one.worth - one.cash,
                "daily_pnl": pnl,
                "net_contribution": one.came,
                "twr": Decimal(0),
                "data_quality": "complete",
                **more,
            }
        )
        before = one
    async with database.write() as writer:
        await writer.execute(insert(t.performance_metrics), rows)


async def write_hours(
    database: Database, account: str, first: datetime, told: Sequence[tuple[str, str | None]]
) -> None:
    async with database.write() as writer:
        for number, (worth, came) in enumerate(told):
            ts = first + timedelta(hours=number)
            await writer.execute(
                insert(t.performance_metrics).values(
                    account=account,
                    resolution="hour",
                    ts=ts,
                    day=(ts - timedelta(microseconds=1)).astimezone(NEW_YORK).date(),
                    source="snapshot",
                    currency="USD",
                    net_liquidation=Decimal(worth),
                    daily_pnl=Decimal(7),  # IBKR's own window, which says nothing of the hour
                    net_contribution=None if came is None else Decimal(came),
                    data_quality="complete",
                )
            )


async def write_levels(
    database: Database, name: str, levels: Iterable[tuple[date, Decimal]], currency: str = ""
) -> None:
    rows = [
        {
            "benchmark": name,
            "day": day,
            "level": level,
            "currency": currency,
            "source_sha256": "0" * 64,
            "imported_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for day, level in levels
    ]
    async with database.write() as writer:
        await writer.execute(insert(t.benchmark_levels), rows)


async def write_rates(
    database: Database, import_id: int, rates: Iterable[tuple[date, str, str, str]]
) -> None:
    """Day, currency, into which, rate."""
    async with database.write() as writer:
        for line, (day, currency, into, rate) in enumerate(rates, 1):
            await writer.execute(
                insert(t.fx_rates).values(
                    import_id=import_id,
                    line=line,
                    currency=currency,
                    into_currency=into,
                    as_of=day,
                    rate=Decimal(rate),
                )
            )


async def seed_groups(database: Database) -> None:
    """A group of both accounts of the portfolio, and a benchmark."""
    async with database.write() as writer:
        await set_group(writer, "both", [USD, PAPER], NOW)
    days = weekdays(3, date(2026, 11, 16))
    await write_levels(database, "S&P 500", zip(days, map(Decimal, (5900, 5950, 5925)), strict=True), "USD")


async def new_account(database: Database, account: str, base: str) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    async with database.write() as writer:
        await writer.execute(
            insert(t.broker_accounts).values(
                account=account, base_currency=base, paper=False, first_seen_at=at, last_seen_at=at
            )
        )


async def new_import(database: Database) -> int:
    """An import that stands, for rows to belong to."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    async with database.write() as writer:
        count = len((await writer.execute(select(t.imports.c.id))).all())
        sha256 = f"{count + 7:064d}"
        await writer.execute(
            insert(t.raw_payloads).values(sha256=sha256, size_bytes=0, content=b"", stored_at=at)
        )
        made = await writer.execute(
            insert(t.imports)
            .values(
                kind="flex",
                name="x.xml",
                sha256=sha256,
                status="done",
                trigger="cli",
                stated_at=at,
                imported_at=at,
                report={},
            )
            .returning(t.imports.c.id)
        )
        number: int = made.scalar_one()
    return number
