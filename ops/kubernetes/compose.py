"""What ``compose.yaml`` says of our own services, typed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ("migrate", "broker", "worker", "api")

_ASKED = re.compile(r"\$\{(\w+):-(.*)\}")
_SECONDS = re.compile(r"(\d+)s")


@dataclass(frozen=True)
class Service:
    """One of our services: what it runs, and what it is given.

    ``asked`` are the variables whose value is whoever's who runs it, with what they are otherwise.
    """

    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    asked: dict[str, str]
    secrets: list[str]
    home: str
    scratch: list[str]
    read_only: bool
    dropped: list[str]
    grace_seconds: int


def services() -> dict[str, Service]:
    """Our services by name.

    Raises:
        ValueError: it says something in a way that nothing is made of here.
    """
    content = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return {name: _service(name, content[name]) for name in SERVICES}


def user() -> int:
    """Whom the image runs as.

    Raises:
        ValueError: the Dockerfile does not say.
    """
    found = re.search(r"^USER (\d+):\1$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError("the Dockerfile names no user by number, and its group by the same")
    return int(found[1])


def _service(name: str, said: dict[str, Any]) -> Service:
    environment: dict[str, str] = {}
    asked: dict[str, str] = {}
    for variable, value in said["environment"].items():
        if found := _ASKED.fullmatch(value):
            asked[variable] = found[2]
        else:
            environment[variable] = value
    grace = _SECONDS.fullmatch(said["stop_grace_period"])
    (home,) = said["volumes"]
    if grace is None or "no-new-privileges:true" not in said["security_opt"]:
        raise ValueError(f"compose.yaml says of {name} what is not understood here")
    return Service(
        name=name,
        image=said["image"],
        command=said["command"],
        environment=environment,
        asked=asked,
        secrets=said["secrets"],
        home=home.partition(":")[2],
        scratch=said["tmpfs"],
        read_only=said["read_only"],
        dropped=said["cap_drop"],
        grace_seconds=int(grace[1]),
    )
