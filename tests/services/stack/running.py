"""Starting the stack with stand-in children, and looking for what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import eventually_now

FAKE_STACK = Path(__file__).with_name("fake_stack.py")


class Stack:
    """A supervisor in a process of its own, and everything it says."""

    def __init__(self, home: Path, port: int | None, asked: dict[str, Any], **env: str) -> None:
        chosen = {} if port is None else {"LOTKEEPER_API_PORT": str(port)}
        self.home = home
        self.profile = asked.get("profile", "demo")
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, FAKE_STACK, json.dumps(asked)],
            env={**os.environ, "LOTKEEPER_HOME": str(home), **chosen, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self.lines.extend(line.rstrip("\n") for line in iter(stream.readline, ""))

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def until_said(self, text: str) -> str:
        eventually_now(lambda: self.said(text) or self.process.poll() is not None)
        assert self.said(text), "\n".join(self.lines)
        return next(line for line in self.lines if text in line)

    def until_up(self) -> str:
        return self.until_said("Lotkeeper is up: ")

    def runtime(self) -> dict[str, Any]:
        path = self.home / self.profile / "run" / "stack.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def pid_of(self, name: str) -> int:
        pid: int = self.runtime()["processes"][name]["pid"]
        return pid

    def everybody(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(40)
        self._reader.join(10)
        return code


@contextmanager
def stack(
    home: Path, port: int | None = None, *, env: dict[str, str] | None = None, **asked: Any
) -> Iterator[Stack]:
    running = Stack(home, port, asked, **(env or {}))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            everybody = running.everybody()
            running.process.kill()
            running.wait()
            psutil.wait_procs(everybody, timeout=20)


def all_gone(processes: list[psutil.Process]) -> bool:
    """Zombies count as gone: whether they are reaped is up to the machine's first process."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def gone(processes: list[psutil.Process]) -> bool:
    try:
        return all_gone(processes)
    except psutil.NoSuchProcess:
        return gone([process for process in processes if process.is_running()])
