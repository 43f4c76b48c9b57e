"""Laws of the house that no linter knows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("core", "models", "services") for path in sorted((ROOT / folder).rglob("*.py"))
]


FLOAT = re.compile(r"(?<![\w.])float\(")
NOT_MONEY = ("models/stores/jobs.py", "services/broker/decode.py", "services/api/metrics.py")
"""A job's progress; the broker's own floats, before they become Decimals; Prometheus' numbers."""
WALL_CLOCK = re.compile(r"\b(datetime\.(now|utcnow)|date\.today)\(")
WAIT_FOR = re.compile(r"\basyncio\.wait_for\(")


def lines_with(pattern: re.Pattern[str], path: Path) -> list[int]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if pattern.search(line.partition("#")[0])]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_money_never_becomes_a_float(path: Path) -> None:
    """Floats are for seconds and progress; what is kept and what is told of money is Decimal."""
    if str(path.relative_to(ROOT)) in NOT_MONEY or "simulator" in path.parts:
        return
    found = lines_with(FLOAT, path)
    assert found == [], f"{path}:{found}: turn a broker's number into a Decimal in core.domain.money"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_reads_the_wall_clock(path: Path) -> None:
    if path.name == "clock.py" or {"stack", "simulator"} & set(path.parts):
        return  # the machine room and the pretended broker have clocks of their own
    found = lines_with(WALL_CLOCK, path)
    assert found == [], f"{path}:{found}: take the time from core.clock"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_waits_in_a_way_that_swallows_a_cancellation(path: Path) -> None:
    """Before Python 3.12 ``asyncio.wait_for`` returns what came in the moment of a cancellation instead."""
    found = lines_with(WAIT_FOR, path)
    assert found == [], f"{path}:{found}: use `async with asyncio.timeout(seconds)`"


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-node.lock", "services/api/web/package-lock.json"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"(index-url|\"resolved\": \"http|https?://[^\"\s]*registry)", text), name
