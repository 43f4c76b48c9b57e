"""`lotkeeper flex …` against a pretended service, as a person or a program uses it."""

import asyncio
import json
import os
import pty
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models.stores.flex_fetches import LOCK_CLASS
from services.simulator.flex import FlexService, http_status, refusal, serve_flex, web_page
from tests.services.cli.conftest import Said, Sql, noted
from tests.services.statements.flex_world import QUERY, STATEMENT

Run = Callable[..., Said]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlexService]:
    """The service in a thread of its own; the commands have their own loop."""
    started, ended = threading.Event(), asyncio.Event()
    made: list[FlexService] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        made.append(FlexService({QUERY: STATEMENT, "2": STATEMENT}, counts_requests=False))
        async with serve_flex(made[0]):
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(20)
    monkeypatch.setenv("LOTKEEPER_FLEX_URL", made[0].url)
    yield made[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture(autouse=True)
def _no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """These commands wait for the pace of the service in real time, which other tests look after."""
    monkeypatch.setattr("services.statements.limiter._SPACING_SECONDS", 0.0)
    monkeypatch.setattr("services.statements.limiter._MARGIN_SECONDS", 0.0)
    monkeypatch.setattr("services.statements.fetch._FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def token_file(service: FlexService, tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{service.token}\n")
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "home" / "main" / "flex.json"


@pytest.fixture
def lk(lotkeeper: Run, token_file: Path) -> Run:
    """Both queries are set up."""
    assert lotkeeper(*setup(token_file, QUERY, "2")).code == 0
    return lotkeeper


def setup(token_file: Path | str, *queries: str) -> list[str]:
    return [
        *("flex", "setup", "--token-file", str(token_file)),
        *(word for query in queries for word in ("--query", query)),
    ]


@pytest.fixture
def sql(sql: Sql, url: str, monkeypatch: pytest.MonkeyPatch) -> Sql:
    """On the database that the commands use."""
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return sql


def test_setup_tries_token_and_queries_and_stores_them_for_the_owner_only(
    lotkeeper: Run, service: FlexService, token_file: Path, stored: Path
) -> None:
    said = lotkeeper(*setup(token_file, QUERY, "2"))
    assert said.code == 0
    assert str(stored) in said.out
    assert "Corporate Actions" in said.out, "it says what a query should have in it"
    assert service.token not in said.out + said.err
    assert json.loads(stored.read_text()) == {"token": service.token, "queries": [QUERY, "2"]}
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert [(one.step, one.number) for one in service.asked] == [("send", QUERY), ("send", "2")]


def test_a_new_token_needs_no_naming_of_the_queries(
    lk: Run, service: FlexService, token_file: Path, stored: Path
) -> None:
    service.token = "4711"
    token_file.write_text("4711")
    assert lk(*setup(token_file)).code == 0
    assert json.loads(stored.read_text()) == {"token": "4711", "queries": [QUERY, "2"]}


def test_the_token_can_come_over_standard_input(
    lotkeeper: Run, service: FlexService, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(f" {service.token}\n"))
    assert lotkeeper(*setup("-", QUERY)).code == 0
    assert json.loads(stored.read_text())["token"] == service.token


@pytest.mark.parametrize(
    ("reply", "code"), [(refusal(1012), 6), (refusal(1014), 2), (http_status(503), 3), (web_page(), 1)]
)
def test_what_the_service_refuses_is_not_stored(
    lotkeeper: Run, service: FlexService, token_file: Path, stored: Path, reply: Any, code: int
) -> None:
    service.script("send", *[reply] * 3)
    said = lotkeeper(*setup(token_file, QUERY))
    assert (said.code, stored.exists()) == (code, False)
    assert service.token not in said.out + said.err
    assert lotkeeper(*setup(token_file, QUERY), "--no-check").code == 0
    assert stored.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--token-file", "nowhere", "--query", "1"), 6, "cannot be read"),
        (("--token-file", "empty", "--query", "1"), 6, "no Flex token"),
        (("--token-file", "token"), 2, "--query"),
        (("--token-file", "token", "--query", "x"), 2, "not the number"),
        (("--query", "1"), 2, "--token-file"),
    ],
)
def test_what_is_missing_for_a_setup_is_told(
    lotkeeper: Run,
    token_file: Path,
    stored: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())
    token_file.with_name("empty").write_text("\n")
    said = lotkeeper("flex", "setup", *arguments)
    assert (said.code, stored.exists()) == (code, False)
    assert words in said.err


def test_settings_that_win_over_what_is_stored_are_named(
    lotkeeper: Run, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_FLEX_TOKEN", "1")
    assert "LOTKEEPER_FLEX_TOKEN is set" in lotkeeper(*setup(token_file, QUERY)).err


def test_a_person_is_asked_and_the_token_is_not_shown(
    service: FlexService, tmp_path: Path, stored: Path
) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"LOTKEEPER_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", "flex", "setup", "--no-check"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = _read_until(ours, b"shown): ")
        os.write(ours, f"{service.token}\n".encode())
        seen += _read_until(ours, b"between: ")
        os.write(ours, f"{QUERY}, 2\n".encode())
        seen += _read_until(ours, b"Stored in")
        assert process.wait(20) == 0
    os.close(ours)
    assert service.token.encode() not in seen
    assert b"Open Positions" in seen
    assert json.loads(stored.read_text()) == {"token": service.token, "queries": [QUERY, "2"]}


def _read_until(descriptor: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        seen += os.read(descriptor, 4096)
    return seen


def test_statements_are_fetched_to_the_folder_of_the_profile(lk: Run, tmp_path: Path) -> None:
    said = lk("flex", "fetch", "--json")
    assert (said.code, said.err) == (0, "")
    fetched = said.data["fetched"]
    assert [one["query"] for one in fetched] == [QUERY, "2"]
    for one in fetched:
        assert Path(one["file"]).parent == tmp_path / "home" / "main" / "statements"
        assert Path(one["file"]).read_bytes() == STATEMENT
        assert one["size_bytes"] == len(STATEMENT)
    said = lk("flex", "fetch", "--query", "2")
    assert said.out.startswith(f"2: {tmp_path}")


def test_a_statement_can_be_put_elsewhere(lk: Run, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    one = lk("flex", "fetch", "--query", QUERY, "--output", "here", "--json").data["fetched"][0]
    assert Path(one["file"]).parent == tmp_path / "here"
    one = lk("flex", "fetch", "--output", "new/", "--json").data["fetched"][1]
    assert Path(one["file"]).parent == tmp_path / "new"
    for _ in range(2):
        one = lk("flex", "fetch", "--query", QUERY, "--output", "here/a.xml", "--json").data["fetched"][0]
        assert one["file"] == str(tmp_path / "here" / "a.xml")
    assert (tmp_path / "here" / "a.xml").read_bytes() == STATEMENT
    said = lk("flex", "fetch", "--output", "here/b.xml")
    assert said.code == 2
    assert "name a folder" in said.err


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (refusal(1012), 6, "Generate a new one"),
        (refusal(1014), 2, "Query is invalid"),
        (http_status(502), 3, "HTTP 502"),
        (web_page(), 1, "web page"),
    ],
)
def test_each_failure_has_its_exit_code_and_stops_no_other_query(
    lk: Run, service: FlexService, reply: Any, code: int, words: str
) -> None:
    service.script("send", *[reply] * (3 if code == 3 else 1))
    said = lk("flex", "fetch", "--json")
    assert said.code == code
    assert words in said.err
    assert service.token not in said.err + said.out
    first, second = said.data["fetched"]
    assert (first["file"], first["error"]) == (None, said.err.removeprefix("Error: ").strip())
    assert Path(second["file"]).read_bytes() == STATEMENT


def test_a_statement_that_is_not_ready_is_exit_code_4(
    lk: Run, service: FlexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.statements.fetch._FIRST_WAIT_SECONDS", 1000.0)
    monkeypatch.setattr("services.statements.fetch._MOST_WAIT_SECONDS", 1000.0)
    service.still_generating(5)
    said = lk("flex", "fetch", "--query", QUERY)
    assert said.code == 4
    assert "yet" in said.err


def test_without_a_token_or_queries_it_says_how_to_set_them_up(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    said = lotkeeper("flex", "fetch")
    assert said.code == 6
    assert "lotkeeper flex setup" in said.err
    monkeypatch.setenv("LOTKEEPER_FLEX_TOKEN", "1")
    said = lotkeeper("flex", "fetch")
    assert said.code == 6
    assert "--query" in said.err
    monkeypatch.setenv("LOTKEEPER_FLEX_URL", f"http://flex.example.org:{unused_port}")
    assert lotkeeper("flex", "fetch", "--query", "1").code == 6


def test_a_fetch_is_recorded_where_there_is_a_database(lk: Run, sql: Sql, service: FlexService) -> None:
    assert lk("flex", "fetch").code == 0
    service.script("send", refusal(1014))
    assert lk("flex", "fetch", "--query", "2").code == 2
    rows = sql("SELECT query_id, asked, outcome, error_category FROM flex_fetches ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        (QUERY, True, "succeeded", None),
        ("2", True, "succeeded", None),
        ("2", True, "failed", "validation"),
    ]
    assert [one[:2] for one in noted(lk)] == [("flex_fetch", QUERY), ("flex_fetch", "2"), ("flex_fetch", "2")]
    assert [how for _, _, how in noted(lk)][:2] == ["ok", "ok"]
    assert [how for _, _, how in noted(lk)][2] != "ok"


def test_a_query_that_another_process_fetches_just_now_is_exit_code_4(lk: Run, sql: Sql) -> None:
    sql("SELECT 1")
    loop = asyncio.new_event_loop()
    other = loop.run_until_complete(asyncpg.connect(os.environ["LOTKEEPER_DATABASE_URL"]))
    loop.run_until_complete(other.execute("SELECT pg_advisory_lock($1, hashtext('2'))", LOCK_CLASS))
    said = lk("flex", "fetch", "--query", "2")
    loop.run_until_complete(other.close())
    loop.close()
    assert said.code == 4
    assert "another process" in said.err
    assert lk("flex", "fetch", "--query", "2").code == 0


def test_the_status_tells_how_it_goes_with_each_query_and_never_the_token(
    lk: Run, sql: Sql, service: FlexService, stored: Path
) -> None:
    assert lk("flex", "fetch", "--query", QUERY).code == 0
    service.script("send", http_status(503), http_status(503), http_status(503))
    assert lk("flex", "fetch", "--query", "2").code == 3
    said = lk("flex", "status")
    assert said.code == 0
    for words in (str(stored), QUERY, "never", "now", "network", "HTTP 503", "(failed)"):
        assert words in said.out
    told = lk("flex", "status", "--json")
    assert service.token not in said.out + told.out
    first, second = told.data["queries"]
    assert told.data["token_from"] == str(stored)
    assert (first["query"], first["last_outcome"], first["error"]) == (QUERY, "succeeded", None)
    assert Path(first["file"]).read_bytes() == STATEMENT
    assert datetime.fromisoformat(first["last_success_at"]) > datetime.now(UTC) - timedelta(minutes=5)
    assert (second["last_success_at"], second["error_category"]) == (None, "network")
    assert datetime.fromisoformat(second["next_due_at"]) < datetime.now(UTC)
    sql("UPDATE flex_fetches SET error_category = 'auth' WHERE outcome = 'failed'")
    assert "when the token is another" in lk("flex", "status").out
    assert lk("flex", "status", "--json").data["queries"][1]["next_due_at"] is None


def test_the_status_without_anything_set_up_says_what_to_do(
    lotkeeper: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql("SELECT 1")
    assert "lotkeeper flex setup" in lotkeeper("flex", "status").out
    assert lotkeeper("flex", "status", "--json").data == {
        "token_from": None,
        "token_expires_on": None,
        "queries": [],
    }
    monkeypatch.setenv("LOTKEEPER_FLEX_TOKEN", "1")
    said = lotkeeper("flex", "status")
    assert "LOTKEEPER_FLEX_TOKEN" in said.out
    assert "No queries" in said.out


def test_without_a_database_there_is_no_status(
    lk: Run, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", f"postgresql://nobody@127.0.0.1:{unused_port}/nothing")
    assert lk("flex", "status").code == 3
