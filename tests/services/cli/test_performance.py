"""`lotkeeper accounts group …`, `benchmark …` and `performance`, as a person or a program uses them."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.stack import PostgresServer
from tests.services.cli.conftest import FakeApi, Said, noted

Run = Callable[..., Said]
TOLD = Path(__file__).parents[2] / "data" / "contract" / "measures.json"


async def _on_server(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def lk(
    postgres_server: PostgresServer,
    template: str,
    lotkeeper: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """The command on a database of its own with two accounts."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_on_server(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    asyncio.run(
        _on_server(
            postgres_server.url_of(name),
            "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
            "VALUES ('U1', false, now(), now()), ('U2', false, now(), now())",
        )
    )
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", postgres_server.url_of(name))
    yield lotkeeper
    asyncio.run(_on_server(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_group_is_set_changed_listed_and_dropped(lk: Run) -> None:
    assert "no group yet" in lk("accounts", "group", "list").out
    assert "The group ours is of U1, U2." in lk("accounts", "group", "set", "ours", "U2", "U1", "U2").out
    assert lk("accounts", "group", "set", "mine", "U1", "--json").data == {"name": "mine", "accounts": ["U1"]}
    assert lk("accounts", "group", "set", "ours", "U2").code == 0
    listed = lk("accounts", "group", "list", "--json").data
    assert listed == [{"name": "mine", "accounts": ["U1"]}, {"name": "ours", "accounts": ["U2"]}]
    assert "ours" in lk("accounts", "group", "list").out
    assert "forgotten" in lk("accounts", "group", "drop", "ours").out
    unknown = lk("accounts", "group", "drop", "ours")
    assert (unknown.code, "Known groups: mine." in unknown.err) == (2, True)
    assert [one[:2] for one in noted(lk)] == [
        ("group_set", "ours"),
        ("group_set", "mine"),
        ("group_set", "ours"),
        ("group_drop", "ours"),
    ]


def test_a_group_of_an_unknown_account_or_without_a_name_is_refused(lk: Run) -> None:
    lk("accounts", "group", "set", "ours", "U1")
    unknown = lk("accounts", "group", "set", "ours", "U2", "U9")
    assert (unknown.code, "There is no account U9 here. Known accounts: U1, U2." in unknown.err) == (2, True)
    for name in ("", " a", "a\nb", "x" * 65):
        said = lk("accounts", "group", "set", name, "U1")
        assert (said.code, "The name" in said.err) == (2, True)
    assert lk("accounts", "group", "list", "--json").data == [{"name": "ours", "accounts": ["U1"]}]


def test_levels_are_brought_once_and_a_later_file_counts(lk: Run, tmp_path: Path) -> None:
    file = tmp_path / "spx.csv"
    file.write_text("date,level\n2024-01-02,100\n2024-01-03,101.50\n")
    assert "no benchmark yet" in lk("benchmark", "list").out
    said = lk("benchmark", "import", "SPX", str(file), "--currency", "usd")
    assert "SPX: 2 levels new, 0 changed, 0 as they were" in said.out
    assert (
        "0 levels new, 0 changed, 2 as they were"
        in lk("benchmark", "import", "SPX", str(file), "--currency", "USD").out
    )
    file.write_text("date,level\n2024-01-03,102\n2024-01-04,103\n")
    again = lk("benchmark", "import", "SPX", str(file), "--currency", "USD", "--json").data
    assert (again["new"], again["changed"], again["unchanged"], again["last_day"]) == (1, 1, 0, "2024-01-04")
    [listed] = lk("benchmark", "list", "--json").data
    assert listed == {
        "name": "SPX",
        "currency": "USD",
        "levels": 3,
        "first_day": "2024-01-02",
        "last_day": "2024-01-04",
    }
    assert "2024-01-02" in lk("benchmark", "list").out
    assert "its 3 levels are forgotten" in lk("benchmark", "drop", "SPX").out
    unknown = lk("benchmark", "drop", "SPX")
    assert (unknown.code, "Known benchmarks: none yet." in unknown.err) == (2, True)
    assert [what for what, _, _ in noted(lk)] == ["benchmark_import"] * 3 + ["benchmark_drop"]


def test_of_a_file_with_a_fault_nothing_is_brought(lk: Run, tmp_path: Path) -> None:
    file = tmp_path / "spx.csv"
    file.write_text("date,level\n2024-01-02,100\n2024-01-03,-1\n")
    said = lk("benchmark", "import", "SPX", str(file))
    assert said.code == 1
    assert "line 3, level: '-1' is not a number above zero" in said.err
    assert "No such file" in lk("benchmark", "import", "SPX", str(tmp_path / "none.csv")).err
    assert lk("benchmark", "list", "--json").data == []


def test_levels_in_two_currencies_are_not_mixed(lk: Run, tmp_path: Path) -> None:
    file = tmp_path / "spx.csv"
    file.write_text("date,level\n2024-01-02,100\n")
    assert lk("benchmark", "import", "SPX", str(file)).code == 0
    said = lk("benchmark", "import", "SPX", str(file), "--currency", "EUR")
    assert (said.code, "kept without a currency, and these would be in EUR" in said.err) == (2, True)
    assert lk("benchmark", "import", "SPX", str(file), "--currency", "euro").code == 2


QUESTION = "GET /api/v1/performance/measures?"


def found() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(TOLD.read_text(encoding="utf-8"))
    return told


def test_what_accounts_returned_is_a_table_for_people_and_json_for_programs(
    lotkeeper: Run, fake_api: FakeApi
) -> None:
    fake_api.answers[QUESTION + "resolution=day&risk_free=0.0"] = [(200, found())]
    said = lotkeeper("performance")
    assert said.code == 0, said.err
    assert "U1111111, in USD" in said.out
    lines = [line.split() for line in said.out.splitlines()]
    assert ["time", "weighted", "-0.06", "%"] in lines
    assert ["volatility", "–", "too", "few", "values", "or", "days"] in lines
    [spell] = [line for line in lines if "-2.00" in line and "yet" in line]
    assert spell[2:6] == ["2026-11-18", "05:00Z", "2026-11-19", "05:00Z"]
    assert any(line[:1] == ["2026"] for line in lines)
    assert lotkeeper("performance", "--json").data == found()


def test_all_that_is_asked_for_is_asked_of_the_api(lotkeeper: Run, fake_api: FakeApi) -> None:
    asked = (
        QUESTION + "account=U1&account=U2&group=our+own&currency=EUR&from=2026-01-01T05%3A00%3A00%2B00%3A00"
        "&to=2026-07-01T04%3A00%3A00%2B00%3A00&resolution=hour&benchmark=S%26P&risk_free=0.03"
    )
    nothing = found()
    nothing["span"]["points"] = 0
    nothing["group"] = "our own"
    fake_api.answers[asked] = [(200, nothing)]
    said = lotkeeper(
        *("performance", "--account", "U1", "--account", "U2", "--group", "our own", "--currency", "EUR"),
        *("--from", "2026-01-01", "--to", "2026-06-30", "--resolution", "hour", "--benchmark", "S&P"),
        *("--risk-free", "0.03"),
    )
    assert (said.code, said.err) == (0, "")
    assert "Group our own: U1111111" in said.out
    assert "Nothing is kept of that time" in said.out


def test_a_gap_in_what_is_known_is_said(lotkeeper: Run, fake_api: FakeApi) -> None:
    told = found()
    told["span"]["unknown_since"] = "2026-11-18T05:00:00Z"
    told["returns"]["money_weighted"] = {"value": "0.1", "reason": None, "is_annualised": True}
    told["benchmark"]["name"] = "S&P"
    fake_api.answers[QUESTION + "resolution=day&risk_free=0.0"] = [(200, told)]
    out = lotkeeper("performance").out
    assert "No return is known of the time that ended 2026-11-18 05:00Z." in out
    assert "by the year" in out
    assert "Against the benchmark" in out


@pytest.mark.parametrize(
    ("option", "value", "wrong"),
    [
        ("--from", "yesterday", "is no time"),
        ("--to", "9999-12-31", "is no time"),
        ("--to", "2026-01-01T10:00:00", "has no zone"),
    ],
)
def test_a_time_that_is_none_is_refused(
    lotkeeper: Run, fake_api: FakeApi, option: str, value: str, wrong: str
) -> None:
    said = lotkeeper("performance", option, value)
    assert (said.code, wrong in said.err) == (2, True)
    assert fake_api.asked == []


def test_an_instant_is_asked_for_as_it_is_and_a_refusal_is_told(lotkeeper: Run, fake_api: FakeApi) -> None:
    path = QUESTION + "from=2026-01-01T10%3A00%3A00%2B00%3A00&resolution=day&risk_free=0.0"
    fake_api.answers[path] = [(404, {"detail": "There is no such group."})]
    said = lotkeeper("performance", "--from", "2026-01-01T10:00:00Z")
    assert (said.code, "There is no such group." in said.err) == (1, True)
