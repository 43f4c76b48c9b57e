"""The page about statements names every kind, cause and tolerance there is, and no other."""

import re
from pathlib import Path
from typing import get_args

from core.domain import disputes

PAGE = (Path(__file__).parents[2] / "docs" / "statements.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    table = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_every_kind_and_every_cause_has_its_row() -> None:
    assert first_column("kind") == list(get_args(disputes.DisputeKind))
    assert first_column("cause") == list(get_args(disputes.DisputeCause))


def test_every_tolerance_is_named() -> None:
    for name in ("FLEX_CUT", "COST_LEEWAY", "MONEY_LEEWAY", "RATE_LEEWAY", "TWR_LEEWAY"):
        assert hasattr(disputes, name)
        assert name in PAGE
    assert {"0.000001", "0.000005"} == {f"{one:f}" for one in (disputes.FLEX_CUT, disputes.RATE_LEEWAY)}
