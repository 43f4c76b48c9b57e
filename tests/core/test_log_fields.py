"""What is declared of the log is what our code writes into it."""

import ast
from collections import defaultdict
from pathlib import Path

from core.log_fields import ENDINGS, FIELDS

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("core", "models", "services") for path in (ROOT / folder).rglob("*.py")]
LEVELS = {"debug", "info", "warning", "error", "exception", "tell"}
DURATION = "duration_ms"


def calls() -> dict[str, list[set[str] | None]]:
    """The fields of each event where it is logged; ``None`` where they are not spelled out."""
    found: dict[str, list[set[str] | None]] = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            event = node.args[0]
            if name in LEVELS and isinstance(event, ast.Constant) and isinstance(event.value, str):
                fields = {one.arg for one in node.keywords}
                found[event.value].append(None if None in fields else {one for one in fields if one})
    return found


def test_what_ends_work_says_how_long_it_took_and_how_much_it_was() -> None:
    found = calls()
    lacking = {
        one.event: missing
        for one in ENDINGS
        for fields in found.get(one.event, [])
        if fields is not None and (missing := {DURATION, *one.counts} - fields)
    }
    assert lacking == {}


def test_every_ending_is_logged_somewhere_and_nothing_else_tells_a_duration() -> None:
    literals = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES if path.stem != "log_fields")
    declared = {one.event for one in ENDINGS}
    assert {event for event in declared if f'"{event}"' not in literals} == set()
    timed = {event for event, uses in calls().items() for fields in uses if fields and DURATION in fields}
    assert timed - declared == set()


def test_counts_are_declared_fields() -> None:
    names = [one.name for one in FIELDS]
    assert len({*names}) == len(names)
    assert {count for one in ENDINGS for count in one.counts} | {DURATION} <= {*names}
