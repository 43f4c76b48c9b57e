"""The test's side of ``launch``: start services by forking, hear of their end."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, Self

from services.stack.processes import LAUNCHER
from tests.environment import of_the_machine
from tests.faults.points import Plan

LAUNCH = Path(__file__).with_name("launch.py")
_START_SECONDS = 30


class Child:
    """A service that runs as a process of its own."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        self.code: int | None = None

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, also if it was stopped."""
        self.send(signal.SIGKILL)


class Nursery:
    """A process that forks services, for as many runs as there are."""

    def __init__(self, output: Path, environment: Mapping[str, str] | None = None) -> None:
        self._output = output
        self._environment = environment or {}
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[str, Future[Child]]] = {}
        self._children: dict[int, Child] = {}

    def __enter__(self) -> Self:
        variables = of_the_machine()
        options = {"uid": None, "gid": None, "parent": os.getpid(), "signal": int(signal.SIGKILL)}
        with self._output.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(options), sys.executable, str(LAUNCH)],
                env={**variables, **self._environment, "NO_COLOR": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                process_group=0,
            )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._asking = self._popen.stdin
        assert self._popen.stdout.readline(), self._output.read_text()
        self._hearing = threading.Thread(target=self._hear, args=(self._popen.stdout,), daemon=True)
        self._hearing.start()
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            child.kill()
        # It ends when nobody asks any more, and with it whatever it has started.
        self._asking.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(10)
        self._popen.kill()
        self._popen.wait()
        self._hearing.join(5)
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def start(
        self,
        name: str,
        service: str,
        *,
        env: Mapping[str, str],
        output: Path,
        plan: Plan | None = None,
        argument: str = "",
    ) -> Child:
        """Start a service; its output is appended to a file."""
        key = next(self._numbers)
        started: Future[Child] = Future()
        self._asked[key] = name, started
        wanted: dict[str, Any] = {
            "key": key,
            "service": service,
            "env": dict(env),
            "output": str(output),
            "plan": plan or {},
            "argument": argument,
        }
        self._asking.write(json.dumps(wanted).encode() + b"\n")
        self._asking.flush()
        return started.result(_START_SECONDS)

    def _hear(self, words: IO[bytes]) -> None:
        for line in words:
            word = json.loads(line)
            if "started" in word:
                name, started = self._asked.pop(word["started"])
                child = self._children[word["pid"]] = Child(name, word["pid"])
                started.set_result(child)
            else:
                self._children.pop(word["ended"]).code = word["code"]
