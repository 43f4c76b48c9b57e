"""What is printed for programs, into a pipe and on a terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.progress import terminal_line
from tests.services.cli.conftest import Said, Sql

Run = Callable[..., Said]
COLOUR = re.compile(r"\x1b\[[0-9;]*(?<![0-9])(?:3|4|9|10)[0-7][;m]")


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> Run:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return lotkeeper


def test_a_table_is_a_line_a_row_whatever_is_in_it(lk: Run, sql: Sql) -> None:
    long = "long " * 200
    sql(
        "INSERT INTO jobs (id, kind, status, requested_by, created_at, error, progress, details) VALUES "  # noqa: S608
        "('00000000-0000-0000-0000-000000000001', 'snapshot', 'failed', 'api', now() - interval '1 hour', "
        f"E'no [marks]\\tand\\n\\x1b[31mred {long}', NULL, '{{}}'), "
        "('00000000-0000-0000-0000-000000000002', 'resync', 'running', 'cli', now(), NULL, 0.25, '{}')",
    )
    said = lk("jobs", "list", "--plain")
    title, names, *rows = said.out.splitlines()
    assert (said.code, said.err, title) == (0, "", "# Jobs")
    assert names.split("\t") == ["id", "asked for", "what", "how it stands", "error"]
    running, failed = (row.split("\t") for row in rows)
    assert (running[0], running[2], running[4]) == ("00000000-0000-0000-0000-000000000002", "resync", "")
    assert failed[4] == f"no [marks] and [31mred {long}".strip()
    assert "\x1b" not in said.out
    assert lk("--plain", "jobs", "list").out == said.out
    assert lk("jobs", "list").out != said.out


def test_what_is_not_known_is_an_empty_field(lotkeeper: Run) -> None:
    rows = [row.split("\t") for row in lotkeeper("export", "datasets", "--plain").out.splitlines()]
    (groups,) = (row for row in rows if row[0] == "account_groups")
    assert groups[:3] == ["account_groups", "table", ""]


def test_several_tables_follow_each_other_under_their_titles(lotkeeper: Run) -> None:
    said = lotkeeper("export", "datasets", "--plain")
    assert [line for line in said.out.splitlines() if line.startswith("#")] == [
        "# Datasets",
        "# Never exported",
    ]


def test_text_is_text_without_its_colours(lk: Run) -> None:
    assert (
        lk("user", "list", "--plain").out
        == "There is no user yet: lotkeeper user add NAME --scope admin --all\n"
    )


@pytest.mark.parametrize("no_color", [True, False])
@pytest.mark.parametrize("on_terminal", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_colours_are_for_a_terminal_that_wants_them(
    tmp_path: Path, *, no_color: bool, on_terminal: bool, plain: bool
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "LOTKEEPER_HOME": str(tmp_path)}
    environment |= {"NO_COLOR": "1"} if no_color else {}
    command = [sys.executable, "-m", "services.cli", "validate", "rules", *(["--plain"] if plain else [])]
    if on_terminal:
        printed = _on_terminal(command, environment)
    else:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        printed = done.stdout + done.stderr
        assert "\x1b" not in printed
    assert "account-value" in printed
    assert bool(COLOUR.search(printed)) is (on_terminal and not no_color and not plain)
    assert not plain or "\x1b" not in printed


def _on_terminal(command: list[str], environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    printed = b""
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux tells that nobody has the terminal any more
                break
            if not part:
                break
            printed += part
        assert process.wait() == 0
    os.close(ours)
    return printed.decode()


def test_how_far_it_has_come_is_told_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal_line() is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    tell = terminal_line()
    assert tell is not None
    tell("half of it", is_last=False)
    tell("all", is_last=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "\r\x1b[Khalf of it\r\x1b[Kall\n")
