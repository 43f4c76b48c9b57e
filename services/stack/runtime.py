"""What runs on this machine: a file that lets another shell find the stack without any settings."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.settings import Profile
from services.stack.processes import is_alive, kill_and_wait, started_at

PROFILES: tuple[Profile, ...] = ("main", "demo")


@dataclass(frozen=True)
class Runtime:
    """A running stack. Holds passwords (in the URLs), hence mode 0600."""

    profile: Profile
    pid: int
    started: str | None
    since: str
    api_url: str
    token_file: str
    log_file: str
    database_url: str
    redis_url: str
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether the supervisor that wrote this is alive."""
        return is_alive(self.pid, self.started)


def runtime_path(home: Path, profile: Profile) -> Path:
    """Where the file of a profile is."""
    return home / profile / "run" / "stack.json"


def write_runtime(path: Path, runtime: Runtime) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(runtime), file, indent=2)
    fresh.replace(path)


def read_runtime(home: Path, profile: Profile) -> Runtime | None:
    """The file of a profile, whether or not that stack still runs."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Runtime(**json.loads(runtime_path(home, profile).read_text(encoding="utf-8")))
    return None


def running_stacks(home: Path) -> list[Runtime]:
    """The stacks of this home that are running now, the real account's first."""
    found = [read_runtime(home, profile) for profile in PROFILES]
    return [runtime for runtime in found if runtime is not None and runtime.running]


def process_entry(pid: int | None, restarts: int) -> dict[str, Any]:
    """How a process is written down: its start time tells it from a later one with the same number."""
    return {"pid": pid, "started": started_at(pid) if pid is not None else None, "restarts": restarts}


def end_leftovers(runtime: Runtime) -> list[str]:
    """Kill the processes that a killed supervisor left running; the names of those that were."""
    ended = []
    for name, entry in runtime.processes.items():
        pid, started = entry.get("pid"), entry.get("started")
        if pid is not None and is_alive(pid, started):
            kill_and_wait(pid, started)
            ended.append(name)
    return ended
