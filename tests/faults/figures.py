"""One line of figures a run, and the table of them all."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeVar

Value = TypeVar("Value")

Form = Literal["short", "long", "full"]

FORM: Form = {"long": "long", "full": "full"}.get(os.environ.get("FAULTS", ""), "short")  # type: ignore[assignment]
"""How much is run: ``short`` by ``make test``, ``long`` by ``make faults``, ``full`` with ``FULL=1``."""

SEEDS = {"short": (1,), "long": (1,), "full": (1, 2, 3, 4, 5)}[FORM]


def by_form(short: Value, long: Value, full: Value) -> Value:
    """One of three, by how much is run."""
    return {"short": short, "long": long, "full": full}[FORM]


@dataclass(slots=True)
class Figures:
    """What a run came to."""

    program: str
    seed: int
    kills: int = 0
    executions: int = 0
    lost: int = 0
    doubled: int = 0
    wrong_positions: int = 0
    cents_off: Decimal = Decimal(0)
    settle_seconds: float = 0
    detection_seconds: float | None = None
    note: str = ""

    def cells(self) -> list[str]:
        """As they stand in the table."""
        return [
            self.program,
            str(self.seed),
            str(self.kills),
            str(self.executions),
            str(self.lost),
            str(self.doubled),
            str(self.wrong_positions),
            f"{self.cents_off:f}",
            f"{self.settle_seconds:.1f}",
            "" if self.detection_seconds is None else f"{self.detection_seconds:.1f}",
            self.note,
        ]


_HANG_SECONDS = 60.0


def assert_found(figures: Figures, within_seconds: float) -> None:
    """It was found out in time. Beside other tests, on a busy machine, only that it was found out at all."""
    assert figures.detection_seconds is not None
    assert figures.detection_seconds <= by_form(_HANG_SECONDS, within_seconds, within_seconds)


HEADS = [
    "program",
    "seed",
    "kills",
    "executions",
    "lost",
    "doubled",
    "wrong positions",
    "cents off",
    "settle s",
    "detection s",
    "note",
]
TABLE: list[Figures] = []


def record(figures: Figures) -> None:
    """Keep a run's figures for the table, and print them."""
    TABLE.append(figures)
    told = ", ".join(f"{head} {cell}" for head, cell in zip(HEADS, figures.cells(), strict=True) if cell)
    print(told)  # noqa: T201 - pytest shows it, or -s does


def write_table() -> list[str]:
    """The table as Markdown; the longer forms also bring it into ``bench/faults.md``."""
    rows = [figures.cells() for figures in TABLE]
    if FORM != "short":
        path = Path(__file__).parents[2] / "bench" / "faults.md"
        path.write_text(brought_into(path.read_text(encoding="utf-8"), rows), encoding="utf-8")
    return _lines(rows)


def _lines(rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (HEADS, ["---"] * len(HEADS), *rows)]


def brought_into(page: str, rows: Sequence[Sequence[str]]) -> str:
    """The page with these rows: of a program and seed that it has in the place of those, others behind.

    What was not run this time stays as it was, and so does what is said above the table.
    """
    said, bar, table = page.partition("| ")
    known = [line[2:-2].split(" | ") for line in (bar + table).splitlines()[2:]]
    merged = {(row[0], row[1]): [cell.strip() for cell in row] for row in known}
    for row in rows:
        merged[row[0], row[1]] = list(row)
    return said + "\n".join(_lines(merged.values())) + "\n"
