import json
import logging

import pytest
import structlog

from core import logs


@pytest.fixture(autouse=True)
def _root_logger_as_it_was():  # noqa: ANN202 - a generator fixture without a value
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configured = structlog.is_configured()
    before = structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    if configured:
        structlog.configure(**before)


def test_one_line_an_event_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("worker", "INFO", "json")
    logs.get_logger("x").info("resync_done", seconds=1.5)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["seconds"], line["service"], line["level"]) == (
        "resync_done",
        1.5,
        "worker",
        "info",
    )


def test_lines_for_people_are_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("worker", "INFO", "console")
    logs.get_logger("y").warning("link_down", reason="gateway_unreachable")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "link_down" in out


def test_libraries_that_tell_of_accounts_are_kept_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("broker", "INFO", "console")
    logging.getLogger("ib_async.wrapper").info("execDetails DU1234567")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("worker", "INFO", log_format)  # type: ignore[arg-type] - one of the two

    def fail() -> None:
        secret = "hunter" + "2"
        raise ValueError(len(secret))

    try:
        fail()
    except ValueError:
        logs.get_logger("z").exception("failed")
    out = capsys.readouterr().out
    assert "ValueError" in out
    assert "hunter2" not in out
