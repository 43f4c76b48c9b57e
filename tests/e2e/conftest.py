"""The whole demo, as a newcomer starts it: ``lotkeeper demo`` in a home of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.metrics.declared import Process
from core.settings import Profile
from services.simulator.control import ControlClient
from services.simulator.history.past import YEARS
from services.stack.ports import free_port
from services.stack.runtime import Runtime, read_runtime
from tests.environment import of_the_machine
from tests.waiting import SECONDS, eventually_now

Holdings = dict[tuple[str, int], Decimal]

# How long one waits for what must come at all: a busy machine is slow, and how fast it is, benchmarks say.
PATIENCE_SECONDS = 240.0

RUNNING: list["Stack"] = []
"""The demo that this process has started."""


class Stack:
    """A running ``lotkeeper demo`` or ``lotkeeper up``, watched from outside."""

    def __init__(self, home: Path, profile: Profile = "demo", **variables: str) -> None:
        self.home = home
        self.profile: Profile = profile
        self.variables = variables
        self.port = free_port()
        self.output = home.parent / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        self.home.mkdir(parents=True, exist_ok=True)
        variables = of_the_machine() | {
            "LOTKEEPER_HOME": str(self.home),
            "LOTKEEPER_API_PORT": str(self.port),
            "LOTKEEPER_SETTLE_SECONDS": "0.5",
            "HOME": str(self.home.parent),
            **self.variables,
        }
        command = "demo" if self.profile == "demo" else "up"
        with self.output.open("ab") as output:
            self._said_before = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", command], env=variables, stdout=output, stderr=output
            )
        try:
            up = eventually_now(self._up_or_ended, seconds=PATIENCE_SECONDS)
        except AssertionError as none:
            raise AssertionError(f"It did not come up; it said:\n{self.output.read_text()}") from none
        assert up == "up", self.output.read_text()

    def _up_or_ended(self) -> str:
        assert self._process is not None
        said = self.output.read_text()[self._said_before :]
        if self._process.poll() is not None:
            return "ended"
        return "up" if f"Lotkeeper is up: http://127.0.0.1:{self.port}/" in said else ""

    def stop(self) -> int:
        """Press Ctrl-C and wait for the end."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(PATIENCE_SECONDS)
        self._process = None
        return code

    @property
    def runtime(self) -> Runtime:
        runtime = read_runtime(self.home, self.profile)
        assert runtime is not None
        return runtime

    @property
    def token(self) -> str:
        return (self.home / self.profile / "api-token").read_text().strip()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def scrape(self, process: Process) -> str:
        """What a process tells Prometheus."""
        if process == "api":
            url, headers = f"{self.url}/metrics", {"Authorization": f"Bearer {self.token}"}
        else:
            port = self.variables[f"LOTKEEPER_{process.upper()}_METRICS_PORT"]
            url, headers = f"http://127.0.0.1:{port}/metrics", {}
        reply = httpx.get(url, headers=headers, timeout=SECONDS)
        reply.raise_for_status()
        return reply.text

    @property
    def simulator(self) -> ControlClient:
        return ControlClient(self.runtime.ports["simulator_control"])

    def pid(self, name: str) -> int | None:
        """The process now running under ``name``."""
        entry = self.runtime.processes.get(name)
        return entry["pid"] if entry else None

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """A GET of the API with the token."""
        reply = httpx.get(
            f"{self.url}/api/v1{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=SECONDS,
        )
        reply.raise_for_status()
        body: dict[str, Any] = reply.json()
        return body

    def positions(self, **parameters: Any) -> list[dict[str, Any]]:
        """Every position, page by page."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get("/positions", limit=500, **parameters, **({"cursor": cursor} if cursor else {}))
            rows.extend(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    def holdings(self) -> Holdings:
        """What the API says is held."""
        return {(row["account"], row["conid"]): Decimal(row["quantity"]) for row in self.positions()}

    def book(self) -> Holdings:
        """What the simulator's book holds."""
        return {
            (row["account"], row["conid"]): Decimal(row["quantity"])
            for row in self.simulator.book()["positions"]
            if Decimal(row["quantity"])
        }

    def resync(self) -> str:
        """Have everything told anew, and wait until that is stored; returns the id of the job."""
        reply = httpx.post(
            f"{self.url}/api/v1/sync/resync",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=SECONDS,
        )
        reply.raise_for_status()
        job: str = reply.json()["job"]["id"]
        eventually_now(
            lambda: self.get(f"/jobs/{job}")["job"]["status"],
            lambda status: status == "succeeded",
            seconds=PATIENCE_SECONDS,
        )
        return job

    def imports(self) -> list[dict[str, Any]]:
        """The imports that stand."""
        return [one for one in self.get("/imports")["items"] if one["status"] == "done"]

    def until_it_has_a_past(self) -> list[dict[str, Any]]:
        """Wait until the statements of a new demo are imported; what is told of positions then stays."""
        return eventually_now(self.imports, lambda found: len(found) == YEARS, seconds=PATIENCE_SECONDS)

    def until_equal(self, seconds: float = PATIENCE_SECONDS) -> Holdings:
        """Wait until the API holds what the simulator's book holds; the market must be paused."""

        def differences() -> dict[tuple[str, int], tuple[Decimal | None, Decimal | None]] | None:
            try:
                ours, book = self.holdings(), self.book()
            except (httpx.HTTPError, OSError):
                return None  # one of them is restarting
            keys = ours.keys() | book.keys()
            return {key: (ours.get(key), book.get(key)) for key in keys if ours.get(key) != book.get(key)}

        eventually_now(differences, lambda found: found == {}, seconds=seconds)
        return self.holdings()


@pytest.fixture(scope="session")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One demo for all tests of this folder; each leaves it healthy, and it ends with them."""
    ports = {f"LOTKEEPER_{name}_METRICS_PORT": str(free_port()) for name in ("BROKER", "WORKER")}
    demo = Stack(tmp_path_factory.mktemp("demo") / "home", **ports)
    try:
        demo.start()
        demo.until_it_has_a_past()
        yield demo
    finally:
        demo.stop()


@pytest.fixture
def demo(running_demo: Stack) -> Stack:
    """The demo with its market paused and its books equal."""
    running_demo.simulator.pause_market()
    running_demo.until_equal()
    return running_demo
