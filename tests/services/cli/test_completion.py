"""The shell completes what is typed, as a shell asks for it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.services.cli.conftest import Said

ASKING = """
import sys
from services.cli import main
sys.argv = ["lotkeeper"]
main()
"""


def completed(words: str) -> set[str]:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", ASKING],
        env={**os.environ, **asked, "_LOTKEEPER_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    return set(done.stdout.split())


def test_commands_and_options_are_completed() -> None:
    assert completed("lotkeeper ale") == {"alerts"}
    assert {"list", "test", "price"} <= completed("lotkeeper alerts ")
    assert "--above" in completed("lotkeeper alerts price --a")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_its_script(lotkeeper: Callable[..., Said], shell: str) -> None:
    said = lotkeeper("completion", shell)
    assert said.code == 0
    assert "_LOTKEEPER_COMPLETE" in said.out
    program = shutil.which(shell)
    if program is not None and shell == "bash":
        checked = subprocess.run([program, "-n"], input=said.out, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_another_shell_is_refused_by_name(lotkeeper: Callable[..., Said]) -> None:
    said = lotkeeper("completion", "nonsense")
    assert (said.code, "powershell" in said.err) == (2, True)
