"""The real supervisor with stand-in children, as a process: ``python fake_stack.py '{"children": …}'``."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from core.errors import LotkeeperError
from core.exposure import api_url
from core.settings import Settings, load_settings
from services.stack.app import Options, run
from services.stack.children import Child
from services.stack.ports import remembered_port
from services.stack.supervisor import Plan

CHILD = str(Path(__file__).with_name("fake_child.py"))
ASKED = json.loads(sys.argv[1])


def child(name: str, behaviour: str) -> Child:
    return Child(name, (sys.executable, CHILD, behaviour))


def plan(settings: Settings, _: Options) -> Plan:
    children = [child(name, behaviour) for name, behaviour in ASKED["children"].items()]
    migrate = child("migrate", ASKED.get("migrate", "migrate"))
    port = remembered_port(settings.data_dir / "fake-port")
    early = [
        replace(child(name, behaviour), port=port, env={"FAKE_PORT": str(port)})
        for name, behaviour in ASKED.get("early", {}).items()
    ]
    return Plan(settings, children, migrate, api_url(settings), early=early, ports={"fake": port})


try:
    settings = load_settings(profile=ASKED.get("profile", "demo"))
    scenario = "default" if settings.profile == "demo" else None
    run(settings, Options(scenario, port_is_chosen=ASKED.get("port_is_chosen", False)), plan)
except LotkeeperError as error:
    sys.stderr.write(f"Error: {error}\n")
    sys.exit(error.exit_code)
