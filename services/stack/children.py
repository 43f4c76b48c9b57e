"""The processes that make up Lotkeeper, as data: what each is called and how it is started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLI = (sys.executable, "-m", "services.cli")


@dataclass(frozen=True)
class Child:
    """A process of ours that the supervisor keeps running."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    # A port on which it must listen before the children after it are started.
    port: int | None = None


def simulator(
    port: int, control_port: int, scenario: str, book: Path, statements: Path | None = None
) -> Child:
    """The gateway of the demo; ``statements`` is where those of the years before it go."""
    options = ["--port", str(port), "--control-port", str(control_port), "--scenario", scenario]
    options += ["--book", str(book)]
    if statements is not None:
        options += ["--statements", str(statements)]
    return Child("simulator", (*CLI, "simulator", *options), port=port)


def services() -> list[Child]:
    """What runs for every portfolio: the broker link, the worker and the API."""
    return [Child(name, (*CLI, name)) for name in ("broker", "worker", "api")]


def migrate() -> Child:
    """Brings the database up to date, once, before the others start."""
    return Child("migrate", (*CLI, "migrate"))
