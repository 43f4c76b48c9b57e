"""No systemd and no launchd runs here: their files are held against systemd's own checks and the code."""

import configparser
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from core.errors import SettingsError
from services.cli.commands import app

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "ops" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
WORST_EXPOSURE = 20
"""As ``systemd-analyze security`` counts, times ten: the best is 0, the worst 100."""


def read(unit: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the standard library documents
    parser.read(UNITS / unit, encoding="utf-8")
    return parser


@pytest.mark.parametrize("unit", ["lotkeeper.service", "lotkeeper@.service"])
def test_units_watch_confine_and_do_not_try_wrong_settings_again(unit: str) -> None:
    service = read(unit)["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"].removesuffix("s")) >= 30
    assert int(service["RestartPreventExitStatus"]) == SettingsError.exit_code
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["UMask"] == "0077"


def test_units_run_commands_that_there_are() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert read("lotkeeper.service")["Service"]["ExecStart"].split()[1:] == ["up"]
    assert read("lotkeeper@.service")["Service"]["ExecStart"].split()[1:] == ["%i"]
    assert {"up", "broker", "worker", "api"} <= commands


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not here")
@pytest.mark.parametrize("unit", ["lotkeeper.service", "lotkeeper@worker.service"])
def test_systemd_itself_finds_nothing_wrong_and_little_exposed(unit: str, tmp_path: Path) -> None:
    program = tmp_path / "lotkeeper"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    source = UNITS / ("lotkeeper@.service" if "@" in unit else unit)
    text = source.read_text(encoding="utf-8").replace("/opt/lotkeeper/.venv/bin/lotkeeper", str(program))
    (tmp_path / unit).write_text(text)
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    security = [str(ANALYZE), "security", "--offline=true", f"--threshold={WORST_EXPOSURE}"]
    done = subprocess.run([*security, str(tmp_path / unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_mac_starts_it_again_and_gives_it_time_to_stop() -> None:
    with (ROOT / "ops" / "launchd" / "org.lotkeeper.up.plist").open("rb") as file:
        told = plistlib.load(file)
    assert told["Label"] == "org.lotkeeper.up"
    assert told["ProgramArguments"][-1] == "up"
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["Umask"] == 0o077
    assert told["ExitTimeOut"] >= 30
