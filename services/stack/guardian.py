"""Ends the processes of a killed supervisor, where the kernel does not do that by itself (not Linux).

Run as a plain script with a pipe on stdin whose other end only the supervisor holds. It is told
``+ pid signal`` and ``- pid``; when the pipe ends, so has the supervisor, and whatever is still listed is
signalled, then killed.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.05


def listen(lines: Iterable[str]) -> dict[int, int]:
    """The processes that are listed when the pipe ends, each with the signal that stops it cleanly."""
    listed: dict[int, int] = {}
    for line in lines:
        sign, *numbers = line.split()
        if sign == "+":
            listed[int(numbers[0])] = int(numbers[1])
        else:
            listed.pop(int(numbers[0]), None)
    return listed


def end(listed: dict[int, int], grace_seconds: float = GRACE_SECONDS) -> None:
    """Signal each, and kill those that are still there after the grace time."""
    remaining = {pid for pid, number in listed.items() if _signal(pid, number)}
    deadline = time.monotonic() + grace_seconds
    while remaining and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        remaining = {pid for pid in remaining if _signal(pid, 0)}
    for pid in remaining:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
        return True
    return False


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end(listen(sys.stdin))
