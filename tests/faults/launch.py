"""Starts services as processes of their own, quickly: this one has imported them all and forks.

Run as a script by ``nursery``, which writes one JSON line for each process wanted and reads one for each that
was started or has ended. All of them end when this process does, and this one when its standard input closes.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def find_tests() -> None:
    """Let ``tests`` be this tree's: a package of that name among those installed would go before it."""
    sys.path.insert(0, str(ROOT))
    package = types.ModuleType("tests")
    package.__path__ = [str(ROOT / "tests")]
    sys.modules["tests"] = package


find_tests()

import services.api.app  # noqa: E402 - what is imported before the fork is there at once after it
import services.broker.app  # noqa: E402 - as above
import services.position_sync.app  # noqa: E402 - as above
import services.simulator.control_api  # noqa: E402 - as above
from core.settings import load_settings  # noqa: E402 - as above
from models.migrate import migrate  # noqa: E402 - as above
from services.stack.launcher import die_with_parent  # noqa: E402 - as above
from tests.faults import broker_side  # noqa: E402 - as above
from tests.faults.points import BUGS, let_die  # noqa: E402 - as above


def serve(service: str, argument: str) -> None:
    """Be a service until told to stop."""
    match service:
        case "api":
            services.api.app.run(load_settings())
        case "broker":
            services.broker.app.run(load_settings())
        case "worker":
            services.position_sync.app.run(load_settings())
        case "migrate":
            import asyncio  # noqa: PLC0415 - only here

            settings = load_settings()
            asyncio.run(migrate(settings.require_database_url(), settings.profile))
        case "simulator":
            broker_side.run(argument)
        case _:
            raise KeyError(service)


def become(wanted: dict[str, Any], parent: int) -> None:
    """In the child: take on what was wanted and never return."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(parent, signal.SIGKILL)
        with open(os.devnull, "rb") as nothing, Path(wanted["output"]).open("ab") as output:  # noqa: PTH123 - a device
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.update(wanted["env"])
        plan = wanted["plan"]
        if "file_bytes" in plan:
            resource.setrlimit(resource.RLIMIT_FSIZE, (plan["file_bytes"], resource.RLIM_INFINITY))
        if plan.get("deaths"):
            let_die(Path(plan["lives"]), plan["deaths"])
        for bug in plan.get("bugs", ()):
            BUGS[bug]()
        serve(wanted["service"], wanted["argument"])
        code = 0
    except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
        import traceback  # noqa: PLC0415 - only here

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tell(**word: Any) -> None:
    """One line to the nursery."""
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def reap() -> None:
    """Say which children have ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Fork for whoever asks, until nobody does any more."""
    parent = os.getpid()
    ended_reading, ended_writing = os.pipe()
    for end in (ended_reading, ended_writing):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ended_writing, warn_on_full_buffer=False)
    ctypes.CDLL(None)  # loaded once, before anybody forks
    asked = b""
    tell(ready=parent)
    while True:
        readable, _, _ = select.select([0, ended_reading], [], [], 1.0)
        if ended_reading in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(ended_reading, 4096)
        reap()
        if 0 not in readable:
            continue
        more = os.read(0, 65536)
        if not more:
            return
        *lines, asked = (asked + more).split(b"\n")
        for line in lines:
            wanted = json.loads(line)
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                become(wanted, parent)
            tell(started=wanted["key"], pid=pid)


if __name__ == "__main__":
    main()
