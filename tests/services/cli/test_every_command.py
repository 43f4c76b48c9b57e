"""Every command there is, once as it is meant on a fresh home, and with nonsense."""

import asyncio
import io
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import services.broker.app  # noqa: F401 - ib_async takes the loop that there is when it is first imported
from services.cli.commands import app
from services.stack import PostgresServer
from services.stack.ports import free_port
from tests.databases import create_database, drop_database, run_sql
from tests.services.cli.conftest import Said
from tests.services.statements.statements import DATA

Run = Callable[..., Said]
ROOT = Path(__file__).parents[3]


class Try(NamedTuple):
    """What is typed, and the exit code that the page of commands says it ends with."""

    typed: str
    code: int = 0
    into: str = ""
    """What standard input holds."""
    wrong_port: bool = False
    """A setting is wrong."""


PASSWORD = "violin harbour lamp 9\n"
FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"
CSV = """type,account,time,symbol,asset_class,currency,quantity,price,amount
deposit,U1,2025-01-01,,,USD,,,1000
trade,U1,2025-01-02,ACME,STK,USD,10,5,
trade,U1,2025-01-03,ACME,STK,USD,-4,6,
trade,U1,2025-01-03,OTHER,STK,USD,1,6,
"""
LEVELS = "date,level\n2025-01-02,100\n2025-01-03,101\n"
STANDING = """
INSERT INTO issues (rule, severity, subject, summary, details, magnitude, first_seen, opened_at, last_seen)
VALUES ('dead-fact', 'warning', 'x', 'x', '{}', 4, now(), now(), now());
INSERT INTO dead_facts (fingerprint, category, reason, payload, source, first_seen_at, last_seen_at)
SELECT n, 'parsing', 'no sense', '{}', 'facts', now(), now() FROM generate_series(1, 2) n;
INSERT INTO alert_conditions (id, kind, severity, summary, remedy, first_seen, last_seen)
VALUES ('disk', 'disk', 'warning', 'full', '', now(), now());
INSERT INTO jobs (id, kind, status, requested_by, created_at, details)
VALUES ('00000000-0000-0000-0000-000000000001', 'resync', 'succeeded', 'cli', now(), '{}');
INSERT INTO broker_links (login, gateway, ibkr, state, reason, since, updated_at, epoch)
VALUES ('gone:4001', 'down', 'unknown', 'disconnected', 'broker_link_down', now(), now(), 1);
"""
"""What no command brings about: an issue, what was kept aside, a standing alert, a job of the API,
a login."""

RUN_ELSEWHERE = {
    "demo": "tests/e2e/test_socket_to_screen.py",
    "up": "tests/e2e/test_real_gateway.py",
    **dict.fromkeys(("broker", "worker", "api", "simulator"), "tests/e2e/conftest.py"),
}
"""What runs until it is stopped, and where it does: here it only refuses a wrong setting."""

TRIES = (
    Try("status", 3),
    Try("user list", 3),
    Try("migrate"),
    Try("version"),
    Try("config show --set"),
    Try("openapi"),
    Try("openapi asyncapi"),
    Try("completion bash"),
    Try("doctor", 3),
    Try("resync", 3),
    *(Try(one, 6, wrong_port=True) for one in RUN_ELSEWHERE),
    *(Try(f"{one} --help") for one in RUN_ELSEWHERE),
    Try("import csv mine.csv --dry-run"),
    Try("import csv mine.csv"),
    Try("import flex {flip}"),
    Try("import flex levels.csv", 1),
    Try("import list"),
    Try("import show 2"),
    Try("import undo 2"),
    Try("issues list"),
    Try("issues show 1"),
    Try("issues acknowledge 1 --note known"),
    Try("ledger rebuild"),
    Try("ledger method U1 lifo"),
    Try("validate"),
    Try("validate rules"),
    Try("validate ledger"),
    Try("validate statements"),
    Try("dead list"),
    Try("dead show 1"),
    Try("dead retry 1", 1),
    Try("dead drop 1"),
    Try("jobs list"),
    Try("jobs show 00000000-0000-0000-0000-000000000001"),
    Try("login list"),
    Try("login end gone:4001", 2),
    Try("login end gone:4001 --yes"),
    Try("flex fetch", 6),
    Try("flex setup --token-file - --query 1 --no-check", into="123456789012345678901234\n"),
    Try("flex fetch", 3),
    Try("flex status"),
    Try("instruments list"),
    Try("instruments map {acme} US0378331005"),
    Try("instruments show {acme}"),
    Try("instruments unmap {acme}"),
    Try("instruments map {other} US5949181045"),
    Try("instruments map {acme} US0378331005"),
    Try("instruments merge isin:US0378331005 isin:US5949181045"),
    Try("instruments unmerge isin:US0378331005"),
    Try("snapshot", 3),
    Try("snapshot thin --dry-run"),
    Try("attribution --account U1", 1),
    Try("valuation"),
    Try("performance", 3),
    Try("accounts group set mine U1"),
    Try("accounts group list"),
    Try("accounts group drop mine"),
    Try("benchmark import SPX levels.csv --currency USD"),
    Try("benchmark list"),
    Try("benchmark drop SPX"),
    Try("export datasets"),
    Try("export all --format parquet --out lake --dataset cash_flows"),
    Try("export verify lake"),
    Try("export duckdb lake"),
    Try("user setup-token"),
    Try("user add anna --all", into=PASSWORD),
    Try("user list"),
    Try("user password anna", into=PASSWORD),
    Try("user scope anna admin"),
    Try("user accounts anna U1"),
    Try("user disable anna"),
    Try("user enable anna"),
    Try("user second-factor anna --remove", 2),
    Try("user remove anna --yes"),
    Try("user setup-token"),
    Try("token create mine"),
    Try("token list"),
    Try("token revoke 1"),
    Try("audit"),
    Try("alerts list"),
    Try("alerts messages"),
    Try("alerts add --url-file -", into="json://127.0.0.1:{port}/\n"),
    Try("alerts channels"),
    Try("alerts test", 1),
    Try("alerts remove {channel}"),
    Try("alerts mute disk"),
    Try("alerts price ACME --above 7"),
    Try("alerts prices"),
    Try("alerts forget 1"),
    Try("backup create"),
    Try("backup list"),
    Try("backup verify"),
    Try("backup drill"),
    Try("backup restore {archive}", 2),
    Try("backup points", 2),  # of an embedded database only: tests/services/backup
    Try("backup recover --to 2026-11-28T14:03:00Z", 2),
    Try("backup prune --dry-run"),
    Try("setup --yes --port {port}", 4),
    Try("setup --yes --port {port} --no-check"),
)


def _leaves(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield " ".join((*names, name)), command
            yield from _leaves(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(_leaves(typer.main.get_command(app)))


@pytest.fixture
def fresh(lotkeeper: Run, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A home without anything, and a database without a table."""
    assert lotkeeper is not None
    url = asyncio.run(create_database(postgres_server, "template1"))
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    monkeypatch.setenv("LOTKEEPER_API_PORT", str(free_port()))
    monkeypatch.setenv("LOTKEEPER_FLEX_URL", f"http://127.0.0.1:{free_port()}")
    Path("mine.csv").write_text(CSV, encoding="utf-8")
    Path("levels.csv").write_text(LEVELS, encoding="utf-8")
    yield url
    asyncio.run(drop_database(postgres_server, url))


def test_each_is_tried() -> None:
    missing = {name for name in COMMANDS if not _has((one.typed for one in TRIES), name)}
    assert missing == set(), "add a line for it to TRIES"
    assert all((ROOT / where).exists() for where in RUN_ELSEWHERE.values())


def test_each_ends_as_its_page_says(lotkeeper: Run, fresh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, port = [], free_port()
    for one in TRIES:
        known = {"flip": FLIP, "port": port, **_known(lotkeeper, one.typed)}
        monkeypatch.setattr("sys.stdin", io.StringIO(one.into.format(**known)))
        with monkeypatch.context() as changed:
            if one.wrong_port:
                changed.setenv("LOTKEEPER_API_PORT", "eighty")
            said = lotkeeper(*shlex.split(one.typed.format(**known)))
        # What `doctor` finds is its answer, and not that it went wrong.
        is_told = (said.err.splitlines() or [""])[-1].startswith("Error: ") or one.typed == "doctor"
        if said.code != one.code or "Traceback" in said.err or (said.code != 0 and not is_told):
            wrong.append((one.typed, said))
        if one.typed == "migrate":
            asyncio.run(run_sql(fresh, *STANDING.split(";\n")[:-1]))
    assert wrong == []


def _known(lotkeeper: Run, typed: str) -> dict[str, str]:
    """What a line names that got its name on the way."""
    if "{archive}" in typed:
        return {"archive": lotkeeper("backup", "list", "--json").data[0]["path"]}
    if "{channel}" in typed:
        return {"channel": lotkeeper("alerts", "channels", "--json").data["channels"][0]["name"]}
    if "{acme}" in typed or "{other}" in typed:
        listed = lotkeeper("instruments", "list", "--json").data
        return {one["symbol"].lower(): str(one["conid"]) for one in listed}
    return {}


NONSENSE = (
    *("nonsense", "user nonsense", "completion nonsense", "openapi nonsense", "config show NONSENSE"),
    *("jobs show nonsense", "ledger method nonsense", "ledger method U1 nonsense", "issues show nonsense"),
    *("issues show 99", "issues acknowledge nonsense", "issues acknowledge 99", "dead show nonsense"),
    *("dead show 99", "dead retry", "dead retry nonsense", "dead drop nonsense", "dead drop --all"),
    *("import show nonsense", "import show 99", "import undo 99", "instruments show nonsense"),
    *("instruments show 99", "instruments map nonsense x", "instruments map 99 x", "instruments unmap 99"),
    *("instruments merge x y", "instruments unmerge nonsense", "accounts group set mine nonsense"),
    *("accounts group set mine", "accounts group drop nonsense", "benchmark drop nonsense"),
    *("export verify nonsense", "export duckdb nonsense", "user add ? --all", "user add anna"),
    *("user password nonsense", "user scope nonsense read", "user scope anna nonsense"),
    *("user accounts nonsense --all", "user disable nonsense", "user enable nonsense", "user remove anna"),
    *("user remove nonsense --yes", "user second-factor nonsense", "token revoke nonsense"),
    *("token revoke 99", "alerts remove nonsense", "alerts mute nonsense", "alerts forget nonsense"),
    *("alerts price nonsense --above 1", "alerts price ACME --above nonsense", "alerts price ACME"),
    *("login end", "login end nonsense", "login end nonsense --yes --force", "login nonsense"),
    *("validate --json rules", "snapshot --json thin", "flex setup --query 1", "status --profile nonsense"),
)
"""What is asked wrongly: exit code 2."""

NO_FILES = (
    *("import flex nonsense", "import csv nonsense", "benchmark import SPX nonsense"),
    *("backup verify nonsense", "backup drill nonsense", "backup restore nonsense"),
)
"""What cannot be done because no such file is there: exit code 1."""

NO_SCENARIOS = ("demo --scenario nonsense", "simulator --scenario nonsense")
"""What is set wrongly: exit code 6."""


SENTENCE = re.compile(r"Error: (?!.*Value error)[^\n]+(\.|: lotkeeper [^\n]+)\n")


def _is_sentence(said: Said, *codes: int) -> bool:
    return said.code in codes and said.out == "" and SENTENCE.fullmatch(said.err) is not None


def _has(typed: Iterable[str], name: str) -> bool:
    return any(f"{one} ".startswith(f"{name} ") for one in typed)


@pytest.mark.usefixtures("fresh")
def test_nonsense_gets_a_sentence(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lotkeeper("migrate").code == 0
    wrong = []
    for typed in (*NONSENSE, *NO_FILES, *NO_SCENARIOS):
        monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
        said = lotkeeper(*shlex.split(typed))
        if not _is_sentence(said, 1 if typed in NO_FILES else 6 if typed in NO_SCENARIOS else 2):
            wrong.append((typed, said))
    assert wrong == []
    takers = {
        name
        for name, command in COMMANDS.items()
        if any(one.param_type_name == "argument" for one in command.params)
    }
    left = {name for name in takers if not _has((*NONSENSE, *NO_FILES), name)}
    assert left == {"token create"}, "add a line to NONSENSE; a token may have any name"


def test_an_unknown_option_gets_a_sentence(lotkeeper: Run) -> None:
    said = {name: lotkeeper(*name.split(), "--nonsense") for name in COMMANDS}
    assert {name: one for name, one in said.items() if not _is_sentence(one, 2)} == {}


FREE = {
    *("audit --actor", "audit --action", "jobs list --kind", "dead list --account", "doctor --bundle"),
    *("instruments list --symbol", "instruments list --isin", "export all --out"),
}
"""Options that take any word: there is nothing of that name, or a file is made that has it."""


@pytest.mark.usefixtures("fresh")
def test_a_nonsense_value_gets_a_sentence(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lotkeeper("migrate").code == 0
    wrong = []
    for name, command in COMMANDS.items():
        typed = next(one.typed for one in TRIES if f"{one.typed} ".startswith(f"{name} "))
        base = typed.format(flip=FLIP, port=1, acme=1, other=2, channel="none", archive="none")
        for option in command.params:
            is_typed = "str" not in (kind := repr(option.type_descriptor.annotation)) and "Path" not in kind
            if option.param_type_name != "option" or option.is_flag or option.opts[0] == "--profile":
                continue
            if (name in RUN_ELSEWHERE and not is_typed) or f"{name} {option.opts[0]}" in FREE:
                continue
            monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
            said = lotkeeper(*shlex.split(base), option.opts[0], "nonsense")
            if not _is_sentence(said, *((2,) if is_typed else (1, 2, 3, 4, 6))):
                wrong.append((f"{base} {option.opts[0]} nonsense", said))
    assert wrong == []
