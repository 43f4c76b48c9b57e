"""The checklist of security names tests that are there, and counts itself rightly."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECKLIST = ROOT / "docs/security-checklist.md"
ROW = re.compile(
    r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE
)
COUNTS = re.compile(
    r"Of (\d+) requirements \((\d+) of level 1, (\d+) of level 2\) (\d+) are met, "
    r"(\d+) not applicable and (\d+) open\."
)


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def rows() -> list[tuple[str, ...]]:
    return ROW.findall(CHECKLIST.read_text(encoding="utf-8"))


def test_each_test_that_the_checklist_names_is_there() -> None:
    for number, _, _, _, _, shown_by in rows():
        for path, name in re.findall(r"`([\w/.]+)::(\w+)`", shown_by):
            assert (ROOT / path).is_file(), f"{number}: {path}"
            assert name in names_in(ROOT / path), f"{number}: {path}::{name}"


def test_what_is_met_is_shown_and_what_is_not_says_why() -> None:
    for number, _, about, state, how, shown_by in rows():
        assert about.strip(), number
        assert state in {"met", "not applicable", "open"}, number
        assert ("::" in shown_by) if state == "met" else how.strip(), number


def test_the_checklist_counts_itself_rightly() -> None:
    text = CHECKLIST.read_text(encoding="utf-8")
    listed = rows()
    assert len({row[0] for row in listed}) == len(listed) == len(re.findall(r"^\| \d", text, re.MULTILINE))
    levels, states = Counter(row[1] for row in listed), Counter(row[3] for row in listed)
    counts = (len(listed), levels["1"], levels["2"])
    told = COUNTS.search(text)
    assert told is not None
    assert tuple(map(int, told.groups())) == (
        *counts,
        states["met"],
        states["not applicable"],
        states["open"],
    )
