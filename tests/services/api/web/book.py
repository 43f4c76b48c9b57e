"""A portfolio to show: three accounts, stocks, options, futures and currencies in three currencies."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.services.api.web.replay import Replay, Row, freshness, now, stamp

ACCOUNTS = {"DU1000001": "Long term", "DU1000002": "Options", "DU1000003": None}

# symbol, description, kind, currency, multiplier, price
INSTRUMENTS = [
    ("AAPL", "APPLE INC", "STK", "USD", 1, "268.47"),
    ("MSFT", "MICROSOFT CORP", "STK", "USD", 1, "512.03"),
    ("NVDA", "NVIDIA CORP", "STK", "USD", 1, "188.15"),
    ("BRK B", "BERKSHIRE HATHAWAY INC-CL B", "STK", "USD", 1, "497.62"),
    ("COST", "COSTCO WHOLESALE CORP", "STK", "USD", 1, "915.4"),
    ("SAP", "SAP SE", "STK", "EUR", 1, "231.85"),
    ("ASML", "ASML HOLDING NV", "STK", "EUR", 1, "866.2"),
    ("MC", "LVMH MOET HENNESSY LOUIS VUI", "STK", "EUR", 1, "604.1"),
    ("7203", "TOYOTA MOTOR CORP", "STK", "JPY", 1, "3187"),
    ("6758", "SONY GROUP CORP", "STK", "JPY", 1, "4412"),
    ("SPY", "SPY 19DEC26 660 P", "OPT", "USD", 100, "11.4"),
    ("QQQ", "QQQ 19DEC26 640 C", "OPT", "USD", 100, "7.85"),
    ("ES", "E-mini S&P 500 Dec26", "FUT", "USD", 50, "6751.25"),
    ("GC", "Gold Feb27", "FUT", "USD", 100, "4105.3"),
    ("EUR.USD", "European Monetary Union Euro", "CASH", "USD", 1, "1.15635"),
]


def position(identity: str, account: str, instrument: tuple[Any, ...], dice: random.Random) -> Row:
    symbol, description, kind, currency, multiplier, price = instrument
    quantity = Decimal(dice.choice([1, 2, 5, -3, -8]) if multiplier > 1 else dice.choice([12, 150, 400, -60]))
    if kind == "CASH":
        quantity *= 1000
    mark = Decimal(price)
    cost = (mark * multiplier * Decimal(str(round(dice.uniform(0.8, 1.2), 4)))).quantize(Decimal("0.0001"))
    value = mark * quantity * multiplier
    return {
        "id": identity,
        "account": account,
        "conid": 1000 + int(identity.split("-")[1]),
        "symbol": symbol,
        "local_symbol": symbol,
        "description": description,
        "sec_type": kind,
        "currency": currency,
        "multiplier": str(multiplier),
        "side": "long" if quantity > 0 else "short",
        "status": "open",
        "quantity": str(quantity),
        "average_cost": str(cost),
        "cost_basis": str(cost * quantity),
        "market_price": str(mark),
        "market_value": str(value),
        "daily_pnl": str(
            (value * Decimal(str(round(dice.uniform(-0.02, 0.022), 5)))).quantize(Decimal("0.01"))
        ),
        "unrealized_pnl": str((value - cost * quantity).quantize(Decimal("0.01"))),
        "realized_pnl": str(Decimal(dice.choice([0, 0, 12845, -4310])) / 100),
        "commission": "4.37",
        "mark_as_of": stamp(now()),
        "opened_at": stamp(now() - timedelta(days=dice.randint(1, 400))),
        "closed_at": None,
        "holding_seconds": 86_400,
        "broker_quantity": str(quantity),
        "reconciled": True,
        "provisional": False,
        "freshness": freshness(),
    }


def summary(account: str, **figures: Any) -> Row:
    row: Row = {
        "account": account,
        "base_currency": "USD",
        "net_liquidation": "1284310.57",
        "total_cash": "214903.11",
        "gross_position_value": "1622840.4",
        "daily_pnl": "8412.36",
        "unrealized_pnl": "96120.04",
        "realized_pnl": "-1204.5",
        "win_rate": "0.5714",
        "open_positions": 45,
        "total_trades": 1872,
        "coverage": {"fresh": 45, "total": 45},
        "freshness": freshness(),
    }
    return row | figures


def snapshot(number: int, run: int, account: str, *, age: float = 0, coverage: str = "1") -> Row:
    """What an account was worth so many seconds ago."""
    at = stamp(now() - timedelta(seconds=age))
    return {
        "id": number,
        "run_id": run,
        "account": account,
        "hour": None,
        "asof_ts": at,
        "taken_at": at,
        "net_liquidation": "812400.12",
        "total_cash": "214903.11",
        "gross_position_value": "597497.01",
        "base_currency": "USD",
        "coverage": coverage,
        "source": "ibkr",
        "payload_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "thinned_at": None,
    }


def run(number: int, job: str | None, taken: int, *failures: tuple[str, str]) -> Row:
    """A run of snapshots; ``failures`` are accounts and why they have none."""
    return {
        "id": number,
        "trigger": "api",
        "hour": None,
        "account": None,
        "job_id": job,
        "status": ("partial" if taken else "fail") if failures else "success",
        "attempts": 1,
        "taken": taken,
        "failures": [
            {"account": account, "category": "network", "reason": reason} for account, reason in failures
        ],
        "error_category": "network" if failures else None,
        "summary": "",
        "schema_version": "0012",
        "app_version": "0.1.0",
        "started_at": stamp(now()),
        "finished_at": stamp(now()),
    }


def fill(replay: Replay, count: int = 45) -> Replay:
    """Put the portfolio into a server."""
    dice = random.Random(7)  # noqa: S311 - a portfolio, not a secret
    names = list(ACCOUNTS)
    for number in range(count):
        account = names[number % len(names)]
        identity = f"p-{number}"
        instrument = INSTRUMENTS[(number // len(names)) % len(INSTRUMENTS)]
        replay.rows["positions"][identity] = position(identity, account, instrument, dice)
    replay.rows["positions"]["p-1"] |= {"provisional": True}
    replay.rows["positions"]["p-2"] |= {"reconciled": False, "broker_quantity": "160"}
    replay.rows["positions"]["p-4"] |= {
        "freshness": freshness("old", age=1500),
        "mark_as_of": stamp(now() - timedelta(seconds=1500)),
    }
    replay.rows["positions"]["p-5"] |= dict.fromkeys(
        ("market_price", "market_value", "daily_pnl", "unrealized_pnl", "mark_as_of")
    )
    worth = ["812400.12", "391005.4", "80905.05"]
    gains = ["9120.5", "-811.14", "103"]
    for name, value, gain in zip(names, worth, gains, strict=True):
        figures = {"net_liquidation": value, "daily_pnl": gain, "open_positions": count // 3}
        replay.rows["summary"][name] = summary(name, **figures)
        replay.accounts.append(
            {
                "account": name,
                "alias": ACCOUNTS[name],
                "base_currency": "USD",
                "paper": True,
                "listed": True,
                "cost_method": "fifo",
            }
            | {"freshness": freshness()}
        )
    replay.rows["summary"]["ALL"] = summary(
        "ALL", open_positions=count, coverage={"fresh": count - 1, "total": count}
    )
    replay.snapshots.append(snapshot(1, 1, names[0], age=2400))
    replay.runs.append(run(1, None, 1))
    opened = {"id": "e-1", "position_id": "p-0", "type": "opened", "quantity": "100", "price": "231.1"}
    added = {"id": "e-2", "position_id": "p-0", "type": "increased", "quantity": "50", "price": "239.85"}
    common: Row = {"realized_pnl": None, "commission": "1.02", "cause": None, "inferred": False}
    common["replaced_quantity"] = None
    replay.events["p-0"] = [
        opened
        | common
        | {"position_after": "100", "exec_id": "0001.01", "executed_at": stamp(now() - timedelta(days=9))},
        added
        | common
        | {"position_after": "150", "exec_id": "0002.01", "executed_at": stamp(now() - timedelta(days=2))},
    ]
    return replay
