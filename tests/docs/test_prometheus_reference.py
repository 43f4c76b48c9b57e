"""The reference of metrics says what the catalogue says. ``UPDATE_DOCS=1`` writes it anew."""

import os
from pathlib import Path

from core.metrics.catalogue import BY_NAME, OF_THE_LIBRARY
from core.metrics.declared import PROCESSES, Declared

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "prometheus.md"
HEAD = """# Metrics for Prometheus

What the processes tell Prometheus of themselves and of your portfolio's state; measures of performance are
[another page](metrics.md). The API serves them at `/metrics`, to a token that may read and sees every
account. The broker link and the worker serve theirs without one, on loopback only, at the ports that
`LOTKEEPER_BROKER_METRICS_PORT` and `LOTKEEPER_WORKER_METRICS_PORT` name (`/metrics`).
[Watching](../watching.md) tells how to have them scraped, and [the runbook](../runbook.md) what the alerts
mean.

- What is not known is absent, never 0: a gauge says nothing before its first value, and again once that is
  not known any more. With labels, what never happened is absent, too.
- What stands is told by the API, once, however many workers there are: it reads it from the database in one
  moment. What a process did is told by that process.
- No account number is in them, as none is in the logs. `account` is the alias that you gave an account at
  IBKR; of one without, or with its number in it, `account 2`: the second that was ever seen here.
- What accounts are worth is told only with `LOTKEEPER_METRICS_MONEY=true`: whoever reads Prometheus then
  reads that, too, and Prometheus keeps it.
"""
SERVED = {
    PROCESSES: "Every process",
    ("api",): "The API",
    ("broker",): "The broker link",
    ("worker",): "The worker",
}
UNITS = {"moment": "seconds since 1970", "money": "currency of the account or label"}
LISTED = ", ".join(f"`{name}`" for name in OF_THE_LIBRARY)
TAIL = f"""
Besides, every process tells what the library finds of it: {LISTED}.
"""


def row(metric: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    money = " Only with `LOTKEEPER_METRICS_MONEY`." if metric.money else ""
    unit = UNITS.get(metric.unit, metric.unit)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {unit} | {metric.help}{money} |"


def page() -> str:
    parts = [HEAD]
    for processes, title in SERVED.items():
        rows = [row(metric) for metric in BY_NAME.values() if metric.processes == processes]
        table = ["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|", *rows]
        parts.append("\n".join(["", f"## {title}", "", *table, ""]))
    return "".join(parts) + TAIL


def test_the_page_lists_every_metric() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run `UPDATE_DOCS=1 pytest tests/docs`"
    assert all(f"`{name}`" in page() for name in BY_NAME)
