"""The real supervisor with stand-in children, as a process: ``python fake_stack.py '{"children": …}'``."""

import json
import sys
from pathlib import Path

from core.errors import LotkeeperError
from core.settings import Settings, load_settings
from services.stack.app import Options, api_url, run
from services.stack.children import Child
from services.stack.supervisor import Plan

CHILD = str(Path(__file__).with_name("fake_child.py"))
ASKED = json.loads(sys.argv[1])


def child(name: str, behaviour: str) -> Child:
    return Child(name, (sys.executable, CHILD, behaviour))


def plan(settings: Settings, _: Options) -> Plan:
    children = [child(name, behaviour) for name, behaviour in ASKED["children"].items()]
    return Plan(settings, children, child("migrate", ASKED.get("migrate", "migrate")), api_url(settings))


try:
    settings = load_settings(profile=ASKED.get("profile", "demo"))
    scenario = "default" if settings.profile == "demo" else None
    run(settings, Options(scenario, port_is_chosen=ASKED.get("port_is_chosen", False)), plan)
except LotkeeperError as error:
    sys.stderr.write(f"Error: {error}\n")
    sys.exit(error.exit_code)
