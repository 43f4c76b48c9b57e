"""Tests of a group run one after another, in one process: side by side they would fight for the machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

GROUPED = """
import os
import pytest

pytestmark = pytest.mark.xdist_group("together")

@pytest.mark.parametrize("number", range(6))
def test_where(number):
    print("ran in", os.environ["PYTEST_XDIST_WORKER"])
"""


def test_a_group_stays_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "3",
        "--dist",
        "loadgroup",
        "-rP",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-p", "no:asyncio", str(tmp_path)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    places = re.findall(r"ran in (gw\d)", done.stdout)
    assert len(places) == 6
    assert len(set(places)) == 1
