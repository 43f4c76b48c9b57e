import asyncio
import json
import logging
from typing import Any

import pytest
import structlog

from core import logs
from core.process import again_and_again


@pytest.fixture(autouse=True)
def _root_logger_as_it_was():  # noqa: ANN202 - a generator fixture without a value
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configured = structlog.is_configured()
    before = structlog.get_config()
    yield
    structlog.contextvars.clear_contextvars()
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


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_came_from_elsewhere_makes_up_no_lines(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("api", "INFO", log_format)  # type: ignore[arg-type] - one of the two
    forged = "x\r\n2026-01-01T00:00:00Z [info] signed_in\x1b[2J\u2028\ud800"
    logs.get_logger("z").info("refused", name=forged)
    logging.getLogger("elsewhere").warning("refused %s", forged)
    out = capsys.readouterr().out
    assert out.count("\n") == len(out.splitlines()) == 2
    assert "\x1b" not in out


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_what_one_thing_causes_has_one_id_in_its_tasks_and_threads_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("worker", "INFO", "json")
    log = logs.get_logger("x")

    async def later() -> None:
        await asyncio.sleep(0)
        log.info("in_a_task")

    with logs.caused_by("request-1"):
        log.info("begun")
        task = asyncio.create_task(later())
        await asyncio.to_thread(log.info, "in_a_thread")
        with logs.caused_by():
            log.info("something_else")
        log.info("ended")
    await task
    log.info("of_nothing")
    told = {line["event"]: line.get("correlation_id") for line in lines(capsys.readouterr().out)}
    other = told.pop("something_else")
    assert other not in {None, "request-1"}
    assert told == {
        "begun": "request-1",
        "in_a_task": "request-1",
        "in_a_thread": "request-1",
        "ended": "request-1",
        "of_nothing": None,
    }


def test_what_is_done_again_and_again_has_another_id_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("worker", "INFO", "json")
    log = logs.get_logger("x")
    times = 0

    async def step() -> None:
        nonlocal times
        times += 1
        log.info("first")
        log.info("second")
        if times == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(again_and_again(step, 0.01, name="x", is_passing=lambda _: False))
    told = [line["correlation_id"] for line in lines(capsys.readouterr().out)]
    assert told[0] == told[1] != told[2] == told[3]


@pytest.mark.parametrize(("log_format", "told"), [("json", ["exported", "odd"]), ("console", ["odd"])])
def test_a_commands_data_is_alone_on_stdout(
    capsys: pytest.CaptureFixture[str], log_format: str, told: list[str]
) -> None:
    logs.configure_command("INFO", log_format)  # type: ignore[arg-type] - one of the two
    log = logs.get_logger("x")
    log.info("exported", rows=3)
    log.warning("odd")
    said = capsys.readouterr()
    assert said.out == ""
    found = said.err.splitlines()
    assert [event for event in ("exported", "odd") if any(event in line for line in found)] == told
    if log_format == "json":
        first, second = lines(said.err)
        assert first["correlation_id"] == second["correlation_id"]
        assert first["service"] == "cli"


def test_a_stopwatch_tells_milliseconds() -> None:
    elapsed_ms = logs.stopwatch()
    first = elapsed_ms()
    assert 0 <= first <= elapsed_ms() < 60_000
