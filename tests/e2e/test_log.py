"""The log of a running Lotkeeper: one id for what one thing caused, in all its processes."""

from pathlib import Path

import pytest

from tests.canaries import found_in
from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.waiting import eventually_now

pytestmark = pytest.mark.xdist_group("e2e")


def test_a_comparison_that_is_asked_for_is_told_under_one_id_by_all_three_processes(demo: Stack) -> None:
    job = demo.resync()

    def told() -> set[tuple[str, str]]:
        text = Path(demo.runtime.log_file).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if f"correlation_id={job}" in line]
        assert found_in("\n".join(lines)) is None
        # Time, process, level, event.
        return {(line.split()[1], line.split()[3]) for line in lines}

    wanted = {
        ("api", "resync_requested"),
        ("api", "request_answered"),
        ("broker", "resync_requested"),
        ("broker", "resync_complete"),
        ("worker", "job_ended"),
    }
    eventually_now(told, lambda found: found >= wanted, seconds=PATIENCE_SECONDS)
