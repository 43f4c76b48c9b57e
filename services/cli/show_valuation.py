"""What accounts were worth, as tables for people."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.markup import escape

from core.domain.money import plain
from core.domain.valuation import AccountThen, row_of
from services.cli.show import age, new_console, new_table

_NOTHING = "–"


def show(found: Sequence[AccountThen], at: datetime) -> None:
    """Print each account: its positions with their marks, its cash, and what that comes to."""
    console = new_console()
    console.print(f"As of {at:%Y-%m-%d %H:%M:%S} UTC")
    for one in found:
        _account(console, one, at)


def _account(console: Console, one: AccountThen, at: datetime) -> None:
    base = one.base_currency or ""
    rows = [row_of(each, at) for each in one.positions]
    if rows:
        table = new_table(
            f"{escape(one.account)}: positions",
            *("symbol", "quantity", "mark", "value", "currency", "rate", f"in {base or 'base'}"),
            *("unrealized", "mark's age", "from"),
        )
        for row in rows:
            table.add_row(
                escape(row.symbol),
                plain(row.quantity),
                _amount(row.mark_price) + (" (restated for a split)" if row.mark_restated else ""),
                _amount(row.market_value),
                row.currency,
                _amount(row.fx_rate),
                _amount(row.market_value_base),
                _amount(row.unrealized_pnl),
                _age(row.mark_age_seconds),
                (row.mark_source or _NOTHING).replace("_", " "),
            )
        console.print(table)
    if one.cash:
        table = new_table(f"{escape(one.account)}: cash", "currency", "amount", "as of", "from")
        for each in one.cash:
            name = f"all, in {base}" if each.currency == "BASE_SUMMARY" else each.currency
            told = f"{each.as_of:%Y-%m-%d %H:%M:%S}"
            table.add_row(name, plain(each.amount), told, each.source.replace("_", " "))
        console.print(table)
    coverage, net = one.coverage, one.net_liquidation
    total = "not known: a part of it has no value" if one.total is None else f"{plain(one.total)} {base}"
    console.print(
        f"{escape(one.account)}: total {total} (cash {_amount(one.cash_value)}, positions "
        f"{_amount(one.positions_value)}, due {_amount(one.due_value)}; "
        f"{coverage.valued} of {coverage.positions} positions have a value, "
        f"{coverage.share * 100:.1f} % of it from marks and rates of the week before)."
    )
    if one.trades_apart:
        console.print(
            f"[yellow]{escape(one.account)}: {one.trades_apart:,} executions lie between the moment and the "
            "time of the cash, which they did not move on.[/]"
        )
    if net is not None:
        console.print(
            f"{escape(one.account)}: the broker's own net liquidation nearest to it was "
            f"{plain(net.amount)} {base}, as of {net.as_of:%Y-%m-%d %H:%M:%S}."
        )


def _amount(value: Decimal | None) -> str:
    return _NOTHING if value is None else plain(value)


def _age(seconds: int | None) -> str:
    if seconds is None or seconds >= 0:
        return age(seconds)
    return f"{age(-seconds)} after"
