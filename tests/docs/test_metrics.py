"""The page of measures has every one of them, and every reason for which one is not told."""

import re
from importlib import import_module
from inspect import getmembers, isfunction
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

from core.domain import measures
from core.domain.measures.measured import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
NOT_MEASURES = {
    "by_the_year",
    "converted",
    "currency_of",
    "days_of",
    "distinct",
    "downside",
    "along",
    "ends_of",
    "excess",
    "floats_of",
    "instant_of",
    "instants_of",
    "moments_of",
    "numbers_of",
    "per_year",
    "points_of",
    "ratio",
    "resolution_of",
    "source_of_last",
    "spread",
    "take",
    "together",
    "trading_periods",
    "unavailable",
    "why_broken",
    "why_too_little",
    "with_its_beginning",
    "without_untold_end",
}
"""What measures are made with."""


def public_functions() -> set[str]:
    names: set[str] = set()
    for module in iter_modules(measures.__path__, f"{measures.__name__}."):
        for name, function in getmembers(import_module(module.name), isfunction):
            if function.__module__ == module.name and not name.startswith("_"):
                names.add(name)
    return names


def test_the_page_has_every_measure_and_none_besides() -> None:
    functions = public_functions()
    assert functions >= NOT_MEASURES, "what is named here exists"
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert functions - NOT_MEASURES <= named
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    rows = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert rows - set(get_args(Reason)) - functions == {"win_rate", "profit_factor"}


def test_the_page_has_every_reason() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert tuple(rows) == get_args(Reason)
