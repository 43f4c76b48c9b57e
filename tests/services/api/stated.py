"""What two statements state of the portfolio's accounts, the second of a day that the first told, too."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from core.domain.days import moment_of
from models import tables as t
from models.session import Database, Writer
from models.stores.imports import File, begin_import, date_import
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD

FIRST = date(2026, 11, 16)
BALANCES: tuple[dict[str, Any], ...] = (
    {"account": USD, "currency": "USD", "as_of": FIRST, "cash": "900", "settled_cash": "890"},
    {
        "account": USD,
        "currency": "USD",
        "as_of": FIRST + timedelta(days=1),
        "cash": "1000",
        "starts_on": FIRST + timedelta(days=1),
        "starting_cash": "900",
        "trades": "-20",
        "commissions": "-1.5",
        "futures": "0",
        "flows": "121.5",
    },
    {"account": USD, "currency": "EUR", "as_of": FIRST, "cash": "-12.25"},
    {"account": PAPER, "currency": "USD", "as_of": FIRST, "cash": "5"},
)
FLOWS: tuple[tuple[Any, ...], ...] = (
    # key, account, kind, external, days, amount, currency, rate, conid, symbol, number, description
    ("1", USD, "deposit", True, 1, "100", "USD", None, None, "", "71", "CASH RECEIPT"),
    ("2", USD, "dividend", False, 1, "21.5", "USD", None, AAPL, "AAPL", "72", "AAPL CASH DIVIDEND"),
    ("3", USD, "conversion", False, 0, "-50", "EUR", "1.1", None, "EUR.USD", "73/EUR", "EUR.USD"),
    ("4", PAPER, "fee", False, 0, "-1", "USD", None, None, "", "", "MARKET DATA"),
)
DAYS: tuple[dict[str, Any], ...] = (
    {"net_liquidation": "10000", "twr": "0", "drawdown": "0", "data_quality": "incomplete"},
    {
        "net_liquidation": "10300",
        "total_cash": "1000",
        "gross_position_value": "9300",
        "daily_pnl": "200",
        "net_contribution": "100",
        "twr": "0.019801980198",
        "drawdown": "0",
        "data_quality": "complete",
    },
    {
        "net_liquidation": "10094",
        "daily_pnl": "-206",
        "unrealized_pnl": "-41.5",
        "net_contribution": "0",
        "twr": "-0.000594059406",
        "drawdown": "-0.02",
        "data_quality": "complete",
    },
)
DIFFERENCES: tuple[dict[str, Any], ...] = (
    {
        "kind": "realized",
        "cause": "cost_method",
        "conid": AAPL,
        "currency": "USD",
        "reference": "0001.aa.01.01",
        "ours": "12.5",
        "stated": "12",
    },
    {"kind": "cash", "cause": "unexplained", "currency": "USD", "ours": "1001.5", "stated": "1000"},
    {"kind": "cost", "cause": "unknown_cost", "conid": AAPL, "currency": "USD", "stated": "15001"},
)


def _amounts(row: dict[str, Any]) -> dict[str, Any]:
    texts = {"account", "currency", "kind", "cause", "reference", "data_quality"}
    return {
        name: Decimal(value) if isinstance(value, str) and name not in texts else value
        for name, value in row.items()
    }


async def _seed(writer: Writer) -> tuple[int, int]:
    numbers = []
    for number in range(2):
        file = File(f"{number}.xml", "flex", f"{number:064d}", 1, b"")
        numbers.append(await begin_import(writer, file, trigger="cli", stated_at=NOW, now=NOW))
        await date_import(writer, numbers[-1], NOW + timedelta(hours=number))
    old, new = numbers
    for line, row in enumerate(BALANCES, 1):
        await writer.execute(insert(t.cash_balances).values(import_id=old, line=line, **_amounts(row)))
    corrected = _amounts({**BALANCES[0], "cash": "901"})
    await writer.execute(insert(t.cash_balances).values(import_id=new, line=1, **corrected))
    for line, (key, account, kind, external, days, amount, currency, rate, *rest) in enumerate(FLOWS, 10):
        conid, symbol, transaction_id, description = rest
        for import_id in (old, new) if key == "1" else (old,):
            await writer.execute(
                insert(t.cash_flows).values(
                    import_id=import_id,
                    line=line,
                    flow_key=key,
                    account=account,
                    kind=kind,
                    external=external,
                    at=datetime(2026, 11, 16, 17, tzinfo=UTC) + timedelta(days=days),
                    amount=Decimal(amount),
                    currency=currency,
                    fx_rate_to_base=None if rate is None else Decimal(rate),
                    conid=conid,
                    symbol=symbol,
                    transaction_id=transaction_id,
                    description=description,
                    reported_on=FIRST + timedelta(days=days),
                )
            )
    for import_id, currency, days, rate in (
        (old, "EUR", 0, "1.1"),
        (new, "EUR", 0, "1.2"),
        (old, "GBP", 1, "1.3"),
    ):
        await writer.execute(
            insert(t.fx_rates).values(
                import_id=import_id,
                line=1,
                currency=currency,
                into_currency="USD",
                as_of=FIRST + timedelta(days=days),
                rate=Decimal(rate),
            )
        )
    return old, new


async def seed_period(database: Database, import_id: int, account: str, first: str, end: str) -> None:
    """An import states the days from one on, and before another."""
    async with database.write() as writer:
        await writer.execute(
            insert(t.stated_periods).values(
                import_id=import_id,
                account=account,
                line=1,
                complete=True,
                starts_at=moment_of(date.fromisoformat(first), time()),
                ends_at=moment_of(date.fromisoformat(end), time()),
            )
        )


async def seed_statements(database: Database) -> tuple[int, int]:
    """Returns the numbers of the two imports."""
    async with database.write() as writer:
        old, new = await _seed(writer)
        for day, row in enumerate(DAYS):
            await writer.execute(
                insert(t.performance_metrics).values(
                    account=USD,
                    resolution="day",
                    ts=datetime(2026, 11, 17 + day, 5, tzinfo=UTC),
                    day=FIRST + timedelta(days=day),
                    source="statement",
                    currency="USD",
                    import_id=old,
                    **_amounts(row),
                )
            )
        for line, row in enumerate(DIFFERENCES, 1):
            await writer.execute(
                insert(t.statement_differences).values(
                    id=uuid.uuid5(uuid.NAMESPACE_URL, f"difference {line}"),
                    account=USD,
                    day=FIRST + timedelta(days=min(line, 2)),
                    line=line,
                    import_id=new if line == 1 else old,
                    found_at=NOW,
                    **{"reference": "", **_amounts(row)},
                )
            )
        await writer.execute(
            insert(t.statement_comparisons).values(account=USD, compared_at=NOW, compared={"cash": 2})
        )
    return old, new
