"""Each notebook runs from its first cell to its last, in a kernel of its own, and shows what it is about."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.api.conftest import Api
from tests.services.api.portfolio import TOKEN

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
SHOWN = {
    "data_import": ("old-bank.csv done", "SAP: 15 at", "left of it: 0 executions"),
    "portfolio_tracking": ("open differences from the broker", "AAPL", "USD"),
    "research_analytics": ("win rate", "MSFT", "start_value", "twr"),
    "data_exploration": ("account_groups", "AAPL", "2026", "BOT"),
}
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
try:
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[2])
"""


def notebook(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    outputs = [one for cell in notebook(path)["cells"] for one in cell.get("outputs", [])]
    return "\n".join(
        "".join(part)
        for one in outputs
        for part in (one.get("text", ""), one.get("data", {}).get("text/plain", ""))
    )


def test_there_is_a_test_for_each_notebook() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_what_somebody_saw_is_not_committed(name: str) -> None:
    for cell in notebook(NOTEBOOKS / f"{name}.ipynb")["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell["metadata"] == {}


@pytest.mark.parametrize("name", SHOWN)
async def test_a_notebook_runs_to_its_end(api: Api, tmp_path: Path, name: str) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}",
        "LOTKEEPER_URL": f"http://{api.address}",
        "LOTKEEPER_API_TOKEN": TOKEN,
        "LOTKEEPER_DATABASE_URL": api.settings.require_database_url(),
        "LOTKEEPER_REDIS_URL": api.settings.require_redis_url(),
        "LOTKEEPER_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path),
    }
    done = tmp_path / "done.ipynb"
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, str(NOTEBOOKS / f"{name}.ipynb"), str(done)),
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await running.communicate()
    assert running.returncode == 0, out.decode()
    told = shown(done)
    for one in SHOWN[name]:
        assert one in told, told
