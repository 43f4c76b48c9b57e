"""The page of figures: a part that was run anew takes the place of what it was, and nothing else goes."""

from tests.faults.figures import HEADS, brought_into

PAGE = f"""# Faults

Measured on a quiet machine.

| {" | ".join(HEADS)} |
| {" | ".join("---" for _ in HEADS)} |
| kills | 1 | 199 | 100000 | 0 | 0 | 0 | 0 | 12.1 |  | settled in 1.17 of floor 10.3 s |
| clock back | 1 | 0 | 3000 | 0 | 0 | 0 | 0 | 2.0 |  |  |
"""


def row(program: str, seed: str, settled: str) -> list[str]:
    return [program, seed, *["0"] * 6, settled, "", ""]


def test_what_was_not_run_stays_and_what_is_new_comes_behind() -> None:
    assert len(row("", "", "")) == len(HEADS)
    page = brought_into(PAGE, [row("clock back", "1", "3.5"), row("kills", "2", "9.0")])
    assert page.startswith(PAGE[: PAGE.index("| clock back")])
    assert page.splitlines()[-2:] == [
        "| clock back | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 3.5 |  |  |",
        "| kills | 2 | 0 | 0 | 0 | 0 | 0 | 0 | 9.0 |  |  |",
    ]
    assert brought_into(page, []) == page
