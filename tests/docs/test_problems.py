"""The page of problems has a section for each code that the API can answer with."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from services.api.problems import TITLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "problems.md"
SECTION = re.compile(
    r"^## `(?P<code>\w+)`\n\n(?P<status>\d{3}(?: or \d{3})?) · (?P<title>.+)\n\n(?P<rest>(?:(?!^## ).*\n)+)",
    re.MULTILINE,
)


def codes_in(path: Path) -> Iterator[tuple[str, int | None]]:
    """The codes that a module gives to its problems, with their status where it stands there, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = {"ProblemError": 1, "not_found": 0}.get(node.func.id)
            if place is not None and len(node.args) > place:
                argument = node.args[place]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    status = node.args[0] if place else None
                    named = isinstance(status, ast.Attribute) and hasattr(HTTPStatus, status.attr)
                    told = (
                        HTTPStatus[status.attr].value if isinstance(status, ast.Attribute) and named else None
                    )
                    yield argument.value, told if place else HTTPStatus.NOT_FOUND.value


def test_each_problem_has_its_section_with_its_title_its_meaning_and_what_to_do() -> None:
    found = {match["code"]: match for match in SECTION.finditer(PAGE.read_text(encoding="utf-8"))}
    assert set(found) == set(TITLES)
    for code, section in found.items():
        assert section["title"] == TITLES[code]
        meaning, _, remedy = section["rest"].partition("**What to do:**")
        assert meaning.strip(), code
        assert remedy.strip(), code


def test_no_route_answers_with_a_code_that_is_not_listed() -> None:
    used = [one for path in (ROOT / "services" / "api").rglob("*.py") for one in codes_in(path)]
    assert len({code for code, _ in used}) > 20
    assert {code for code, _ in used} <= set(TITLES)
    told = {
        m["code"]: {int(one) for one in m["status"].split(" or ")}
        for m in SECTION.finditer(PAGE.read_text(encoding="utf-8"))
    }
    for code, status in used:
        assert status is None or status in told[code], code
