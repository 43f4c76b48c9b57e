"""What the server's own tests have on file, for screens that ask by HTTP: the very answers of the API."""

import json
from pathlib import Path
from typing import Any

FILES = Path(__file__).parents[3] / "data" / "contract"
NAMES = {
    "portfolio/history": "portfolio-history",
    "portfolio/calendar": "portfolio-calendar",
    "portfolio/drawdowns": "portfolio-drawdowns",
    "portfolio/summary": "portfolio-summary",
    "performance/measures": "measures",
    "benchmarks": "benchmarks",
    "realized": "realized",
}


def recorded(name: str) -> dict[str, Any]:
    """An answer by the name of its file."""
    told: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    return told


def answers() -> dict[str, Any]:
    """Answers by path, without the query; a list of which nothing is on file is empty."""
    found = {path: recorded(name) for path, name in NAMES.items()}
    empty = {"items": [], "next_cursor": None, "freshness": found["benchmarks"]["freshness"]}
    found["issues"] = {**empty, "checked_at": "2026-11-20T15:00:00Z"}
    calendar = found["portfolio/calendar"]
    found["portfolio/calendar"] = lambda asked: {**calendar, "year": int(asked.get("year", calendar["year"]))}
    one = "positions/p-0"
    found[one] = recorded("position") | {"id": "p-0"}
    found |= {f"{one}/lots": recorded("lots"), f"{one}/methods": recorded("methods")}
    found[f"{one}/executions"] = recorded("position-executions")
    found |= {f"{one}/notes": recorded("position-notes"), f"{one}/prices": recorded("position-prices")}
    # Of none of the days that the history on file has.
    found |= {"executions": empty, "tags": recorded("tags")}
    return found
