import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import commands
from tests.services.cli.conftest import Said

Run = Callable[..., Said]
COMMANDS = (
    *("demo", "up", "simulator", "broker", "worker", "api", "migrate", "status", "resync"),
    *("ledger", "validate"),
)


def test_help_names_every_command_in_words(lotkeeper: Run) -> None:
    said = lotkeeper("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert f" {command} " in said.out
        assert lotkeeper(command, "--help").code == 0


def test_without_a_command_help_is_shown(lotkeeper: Run) -> None:
    said = lotkeeper()
    assert "lotkeeper demo" in said.out


def test_help_imports_nothing_heavy() -> None:
    """Help answers at once: what a command needs is imported when it runs."""
    code = "import sys; sys.argv = ['lotkeeper', '--help']\nfrom services.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "heavy = {'pydantic', 'sqlalchemy', 'fastapi', 'ib_async', 'arq', 'redis'}\n"
    code += "print('HEAVY', sorted(heavy & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_version_is_shown(lotkeeper: Run) -> None:
    said = lotkeeper("--version")
    assert said.code == 0
    assert said.out.startswith("lotkeeper 0.")


@pytest.mark.parametrize("command", ["demo", "up", "broker", "worker", "api", "migrate", "status", "resync"])
def test_a_wrong_setting_is_one_sentence_with_its_name_and_exit_code_6(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LOTKEEPER_API_PORT", "eighty")
    said = lotkeeper(command)
    assert said.code == 6
    assert said.out == ""
    assert said.err.startswith("Error: LOTKEEPER_API_PORT is wrong: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", ["broker", "worker", "api"])
def test_a_service_alone_without_its_servers_says_which_setting_is_missing(
    lotkeeper: Run, command: str
) -> None:
    said = lotkeeper(command)
    assert said.code == 6
    assert "LOTKEEPER_" in said.err
    assert "Traceback" not in said.err


def test_ctrl_c_is_no_traceback(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "app", interrupted)
    said = lotkeeper("status")
    assert (said.code, said.err) == (130, "")


def test_the_simulator_alone_refuses_an_unknown_scenario_in_one_sentence(lotkeeper: Run) -> None:
    said = lotkeeper("simulator", "--port", "0", "--scenario", "no-such-scenario")
    assert said.code not in {0, 130}
    assert said.err.startswith("Error: ")
    assert "no-such-scenario" in said.err


@pytest.mark.parametrize("command", [["demo"], ["up"], ["demo", "--port", "18321"]])
def test_demo_and_up_choose_profile_scenario_and_port(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    seen: list[tuple[str, str | None, bool, int]] = []
    monkeypatch.setattr(
        "services.stack.app.run",
        lambda settings, options: seen.append(
            (settings.profile, options.scenario, options.port_is_chosen, settings.api_port)
        ),
    )
    assert lotkeeper(*command).code == 0
    expected = {
        "demo": ("demo", "default", False, 8321),
        "up": ("main", None, True, 8321),
        "demo --port 18321": ("demo", "default", True, 18321),
    }
    assert seen == [expected[" ".join(command)]]


def test_a_port_in_the_environment_counts_as_chosen(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[bool] = []
    monkeypatch.setattr("services.stack.app.run", lambda _, options: chosen.append(options.port_is_chosen))
    monkeypatch.setenv("LOTKEEPER_API_PORT", "18321")
    lotkeeper("demo")
    assert chosen == [True]


HEAVY = {
    "sqlalchemy",
    "asyncpg",
    "pydantic",
    "fastapi",
    "uvicorn",
    "redis",
    "arq",
    "ib_async",
    "numpy",
    "httpx",
}
"""Each takes a noticeable while to load."""


def test_the_command_itself_loads_nothing_that_takes_long(tmp_path: Path) -> None:
    told = (
        "import runpy, sys\nsys.argv = ['lotkeeper', '--help']\n"
        "try:\n    runpy.run_module('services.cli', run_name='__main__')\n"
        "except SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, check=True, cwd=tmp_path, text=True
    )
    loaded = {name.partition(".")[0] for name in said.stderr.split()}
    assert "typer" in loaded
    assert loaded & HEAVY == set()
