"""Measures as tables for people."""

from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from services.cli.show import new_console, new_table

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOTHING: Final = "–"
_ROWS: Final = (
    # section, title, kind, figures
    ("money", "Money", "amount", "start_value end_value net_contribution gain average_value"),
    ("returns", "Returns", "percent", "time_weighted annualised money_weighted modified_dietz"),
    ("returns", "", "percent", "best_day worst_day positive_days"),
    ("drawdown", "Drawdown", "percent", "maximum current"),
    ("risk", "Risk, by the year", "percent", "risk_free volatility downside_deviation"),
    ("risk", "", "ratio", "sharpe_ratio sortino_ratio calmar_ratio"),
    ("benchmark", "Against the benchmark", "percent", "time_weighted alpha tracking_error"),
    ("benchmark", "", "ratio", "beta correlation information_ratio"),
    ("days", "Days of trading", "percent", "win_rate"),
    ("days", "", "ratio", "profit_factor"),
    ("closed_positions", "Closed positions", "percent", "win_rate"),
    ("closed_positions", "", "ratio", "profit_factor"),
    ("placement", "How money is placed", "percent", "long_exposure short_exposure gross_exposure"),
    ("placement", "", "percent", "net_exposure largest_share average_gross_exposure average_cash_share"),
    ("placement", "", "percent", "turnover cash_drag"),
    ("placement", "", "ratio", "concentration"),
)
_REASONS: Final = {
    "too_few_points": "too few values or days",
    "incomplete_data": "something that it needs is not known",
    "negative_capital": "something was gained on nothing, or on debts",
    "no_holdings": "nothing is held",
    "no_variation": "what it would be divided by does not vary",
    "no_loss": "nothing fell",
    "under_a_year": "less than a year is known",
    "no_root": "no rate fits",
    "several_roots": "more than one rate fits",
    "out_of_range": "beyond all numbers",
    "no_snapshot": "there is no snapshot",
    "no_benchmark": "no benchmark was asked for",
    "nothing_closed": "no position was closed",
    "several_currencies": "in several currencies",
}


def measures(found: dict[str, Any]) -> None:
    """Print the measures of accounts: what each is, or why it cannot be told."""
    console = new_console()
    _head(console, found)
    if not found["span"]["points"]:
        console.print("Nothing is kept of that time: lotkeeper import flex FILE, or lotkeeper snapshot")
        return
    table = new_table("", "", "", "")
    for section, title, kind, names in _ROWS:
        told = found[section]
        if section == "benchmark" and told["name"] is None:
            continue
        if title:
            table.add_row(f"[bold]{title}[/]", "", "")
        for name in names.split():
            table.add_row(f"  {name.replace('_', ' ')}", *_cells(told[name], kind))
    console.print(table)
    _worst(console, found["drawdown"]["worst"])
    _years(console, found["years"])


def _head(console: Console, found: dict[str, Any]) -> None:
    names = ", ".join(one["account"] for one in found["accounts"]) or "no account"
    group = f"Group {found['group']}: " if found["group"] else ""
    console.print(f"{escape(group)}{escape(names)}, in {found['currency'] or 'an unknown currency'}")
    span = found["span"]
    if not span["points"]:
        return
    console.print(
        f"From {_time(span['first_at'])} to {_time(span['last_at'])}: {span['points']:,} values, "
        f"{found['data_quality']}"
    )
    if span["unknown_since"]:
        console.print(f"[yellow]No return is known of the time that ended {_time(span['unknown_since'])}.[/]")


def _cells(told: Any, kind: str) -> tuple[str, str]:
    """A figure and what is to be said of it."""
    if isinstance(told, str):
        return _spelled(told, kind), ""
    if told["value"] is None:
        return _NOTHING, f"[dim]{_REASONS.get(told['reason'], told['reason'])}[/]"
    said = told.get("day") or ("by the year" if told.get("is_annualised") else "")
    return _spelled(told["value"], kind), str(said)


def _spelled(value: str, kind: str) -> str:
    number = Decimal(value)
    if kind == "percent":
        return f"{number * 100:,.2f} %"
    return f"{number:,.2f}"


def _worst(console: Console, worst: list[dict[str, Any]]) -> None:
    if not worst:
        return
    table = new_table("The deepest drawdowns", "depth", "peak", "trough", "recovered", "days")
    for one in worst:
        recovered = _time(one["recovered_at"]) if one["recovered_at"] else "not yet"
        days = f"{Decimal(one['length_days']):,.0f}"
        times = (_time(one["peak_at"]), _time(one["trough_at"]), recovered)
        table.add_row(_spelled(one["depth"], "percent"), *times, days)
    console.print(table)


def _years(console: Console, years: list[dict[str, Any]]) -> None:
    if not years:
        return
    table = new_table("Returns by month, %", "", *_MONTHS, "year", right_from=1)
    for one in years:
        table.add_row(str(one["year"]), *(_percent(month) for month in one["months"]), _percent(one["whole"]))
    console.print(table)


def _percent(figure: dict[str, Any]) -> str:
    return _NOTHING if figure["value"] is None else f"{Decimal(figure['value']) * 100:,.2f}"


def _time(at: str) -> str:
    return f"{at[:10]} {at[11:16]}Z"
