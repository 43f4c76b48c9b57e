import io
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.stack.journal import Journal, Line, parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("service", "raw", "level", "text"),
    [
        (
            "broker",
            "2026-11-21T12:00:00.000000Z [warning  ] gateway_lost         reason=silent service=broker",
            "warning",
            "gateway_lost         reason=silent",
        ),
        ("postgres", "LOG:  database system is ready", "debug", "database system is ready"),
        (
            "postgres",
            "FATAL:  the database system is starting up",
            "warning",
            "the database system is starting up",
        ),
        (
            "redis",
            "12:M 21 Nov 2026 12:00:00.001 * Ready to accept connections",
            "debug",
            "Ready to accept connections",
        ),
        ("redis", "12:M 21 Nov 2026 12:00:00.001 # Out of memory", "warning", "Out of memory"),
        ("redis", "12:M 21 Nov 2026 12:00:00.001 # Valkey is now ready to exit, bye bye...", "debug", None),
        ("redis", "12:signal-handler (1795224517) Received SIGTERM scheduling shutdown...", "debug", None),
        ("worker", "Traceback (most recent call last):", "info", "Traceback (most recent call last):"),
    ],
)
def test_the_lines_of_every_kind_of_process_are_understood(
    service: str, raw: str, level: str, text: str | None
) -> None:
    line = parse(service, raw, NOW)
    assert line.service == service
    assert line.level == level
    assert line.time == NOW
    assert text is None or line == Line(service, level, text, NOW)


def test_people_see_time_service_and_text_and_the_file_has_more(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "logs" / "stack.log", terminal)
    journal.hear("broker", "2026-11-21T12:00:00.123456Z [info     ] connected service=broker")
    journal.hear("postgres", "LOG:  checkpoint")
    journal.hear("worker", "   ")
    journal.announce("Lotkeeper is up")
    journal.close()
    assert terminal.getvalue() == "12:00:00 broker    connected\nLotkeeper is up\n"
    lines = (tmp_path / "logs" / "stack.log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "2026-11-21T12:00:00.123Z broker    info     connected"
    assert lines[1].endswith("postgres  debug    checkpoint")
    assert len(lines) == 3
    assert stat.S_IMODE((tmp_path / "logs" / "stack.log").stat().st_mode) == 0o600


def test_colours_are_for_terminals(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "stack.log", terminal, colours=True)
    journal.say("careful", "warning")
    journal.say("all is well")
    journal.close()
    first, second = terminal.getvalue().splitlines()
    assert "\x1b[33mWARNING careful\x1b[0m" in first
    assert "\x1b[36mstack    \x1b[0m all is well" in second
    assert "\x1b" not in (tmp_path / "stack.log").read_text(encoding="utf-8")


def test_json_lines_stay_as_they_are(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "stack.log", terminal)
    journal.hear("broker", '{"event":"connected","service":"broker"}')
    journal.close()
    assert terminal.getvalue() == '{"event":"connected","service":"broker"}\n'
    assert (tmp_path / "stack.log").read_text(encoding="utf-8") == terminal.getvalue()


def test_a_terminal_that_is_gone_does_not_stop_the_file(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "stack.log", terminal)
    terminal.close()
    journal.say("one")
    journal.say("two")
    journal.close()
    assert len((tmp_path / "stack.log").read_text(encoding="utf-8").splitlines()) == 2


def test_a_terminal_without_a_letter_shows_the_rest_and_what_follows(tmp_path: Path) -> None:
    written = io.BytesIO()
    journal = Journal(tmp_path / "stack.log", io.TextIOWrapper(written, "latin-1"))
    journal.announce("waiting …")
    journal.announce("Lotkeeper is up")
    journal.close()
    assert written.getvalue() == b"waiting ?\nLotkeeper is up\n"


def test_what_others_sent_cannot_steer_the_terminal(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "stack.log", terminal)
    journal.hear("broker", "2026-11-21T12:00:00.1Z [warning] unreadable text=\x1b[2J\x9b\x07\tgone")
    journal.close()
    assert terminal.getvalue() == "12:00:00 broker    WARNING unreadable text=\\x1b[2J\\x9b\\x07\tgone\n"
    assert "\x1b" not in (tmp_path / "stack.log").read_text(encoding="utf-8")


def test_where_lines_are_json_every_line_is(tmp_path: Path) -> None:
    terminal = io.StringIO()
    journal = Journal(tmp_path / "stack.log", terminal, as_json=True)
    journal.hear("broker", '{"event":"connected","service":"broker"}')
    journal.hear("postgres", 'WARNING:  there is "little" room')
    journal.say("Start the database.")
    journal.announce("Lotkeeper is up: http://127.0.0.1:1/")
    journal.close()
    told = [json.loads(line) for line in terminal.getvalue().splitlines()]
    assert [(one["service"], one["event"]) for one in told] == [
        ("broker", "connected"),
        ("postgres", 'there is "little" room'),
        ("stack", "Start the database."),
        ("stack", "Lotkeeper is up: http://127.0.0.1:1/"),
    ]
    assert (told[1]["level"], told[1]["timestamp"][-1]) == ("warning", "Z")
    assert (tmp_path / "stack.log").read_text(encoding="utf-8") == terminal.getvalue()
