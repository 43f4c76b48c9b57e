"""Laws of the house that no linter knows."""

import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("core", "models", "services") for path in sorted((ROOT / folder).rglob("*.py"))
]


FLOAT = re.compile(r"(?<![\w.])float\(")
NOT_MONEY = ("models/stores/jobs.py", "services/broker/decode.py", "core/metrics/make.py")
"""A job's progress; the broker's own floats, before they become Decimals; Prometheus' numbers."""
WALL_CLOCK = re.compile(r"\b(datetime\.(now|utcnow)|date\.today)\(")
WAIT_FOR = re.compile(r"\basyncio\.wait_for\(")

BECOMES_CODE = re.compile(
    r"(?<![\w.])(eval|exec|compile|__import__)\(|\b(pickle|marshal|shelve|jsonpickle)\b|os\.(system|popen)\("
    r"|shell=True|yaml\.(load|unsafe_load)\("
)
BROKEN_HASH = re.compile(r"\bhashlib\.(md5|sha1|new)\b")
GUESSED = re.compile(r"\brandom\.(choice|choices|randbytes|getrandbits|sample)\(|\buuid\.uuid1\(")
PAGE = ROOT / "services/api/web/src"
IS_MARKUP = re.compile(
    r"\{@html|\b(inner|outer)HTML\b|insertAdjacentHTML|document\.(write|cookie)|\beval\(|new Function\(|"
    r"\bpostMessage\(|srcdoc|javascript:"
)
KEEPS = re.compile(r"\b(localStorage|sessionStorage|indexedDB)\b")


def breaches(*patterns: re.Pattern[str], but: Callable[[Path], bool] = lambda _path: False) -> list[str]:
    """Where sources have one of ``patterns`` outside a comment: ``file:line``, as an editor opens it."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        if not but(path)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(pattern.search(line.partition("#")[0]) for pattern in patterns)
    ]


def is_pretended(path: Path) -> bool:
    """Whether it is of the simulator, which has prices and a clock of its own."""
    return "simulator" in path.parts


def test_money_never_becomes_a_float() -> None:
    """Floats are for seconds and progress; what is kept and what is told of money is Decimal."""
    found = breaches(FLOAT, but=lambda path: str(path.relative_to(ROOT)) in NOT_MONEY or is_pretended(path))
    assert found == [], "turn a broker's number into a Decimal in core.domain.money"


def test_only_the_clock_reads_the_wall_clock() -> None:
    # The machine room has a clock of its own, too.
    found = breaches(
        WALL_CLOCK, but=lambda path: path.name == "clock.py" or "stack" in path.parts or is_pretended(path)
    )
    assert found == [], "take the time from core.clock"


def test_nobody_waits_in_a_way_that_swallows_a_cancellation() -> None:
    """Before Python 3.12 ``asyncio.wait_for`` returns what came in the moment of a cancellation instead."""
    assert breaches(WAIT_FOR) == [], "use `async with asyncio.timeout(seconds)`"


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-node.lock", "services/api/web/package-lock.json"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"(index-url|\"resolved\": \"http|https?://[^\"\s]*registry)", text), name


def test_nothing_that_is_read_becomes_code() -> None:
    assert breaches(BECOMES_CODE) == [], "data stays data"


def test_nothing_rests_on_a_broken_hash_or_on_chance_that_can_be_guessed() -> None:
    found = breaches(BROKEN_HASH, GUESSED, but=is_pretended)
    assert found == [], "take SHA-256 or better, and the module secrets"


def page_sources() -> list[Path]:
    return [
        path
        for path in sorted(PAGE.rglob("*"))
        if path.suffix in {".ts", ".svelte", ".html", ".js"} and ".test." not in path.name
    ]


def test_the_page_shows_text_as_text() -> None:
    assert page_sources()
    for path in page_sources():
        assert not IS_MARKUP.search(path.read_text(encoding="utf-8")), path


def test_the_page_keeps_nothing_in_the_browser_but_how_it_looks() -> None:
    keeping = [path.name for path in page_sources() if KEEPS.search(path.read_text(encoding="utf-8"))]
    assert keeping == ["prefs.svelte.ts"]
