"""A demo that is stopped and started again goes on where it was."""

from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Stack

pytestmark = pytest.mark.xdist_group("e2e")


def test_a_second_start_has_the_data_of_the_first(tmp_path: Path) -> None:
    demo = Stack(tmp_path / "home")
    try:
        demo.start()
        demo.simulator.pause_market()
        held = demo.until_equal()
        pids = [entry["pid"] for entry in demo.runtime.processes.values()]
        assert demo.stop() == 0
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []
        demo.start()
        # Its market goes on as it starts: what was held may be closed by now, and is there all the same.
        first = demo.positions(status="all")
        assert {(row["account"], row["conid"]) for row in first} >= held.keys()
        demo.simulator.pause_market()
        demo.until_equal()
    finally:
        demo.stop()
