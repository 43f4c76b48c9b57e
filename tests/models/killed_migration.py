"""A program for tests: migrate databases, and die by SIGKILL at a chosen statement of each.

Arguments: pairs of a database's URL and ``<before|after>:<number>``. Each is a process of its own; prints how
many statements were executed by those that did not get so far. With ``pause:<number>`` it stands still before
that statement, once it has said so, until a line comes in.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.engine import Engine

from core.errors import LotkeeperError
from models.migrate import migrate

# What it says by itself is its standard output alone.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def _die_at(moment: str, number: int) -> None:
    executed = 0

    def before(*_: Any) -> None:
        if executed + 1 == number and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if executed + 1 == number and moment == "pause":
            sys.stdout.write("paused\n")
            sys.stdout.flush()
            sys.stdin.readline()

    def after(*_: Any) -> None:
        nonlocal executed
        executed += 1
        if executed == number and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    def report() -> None:
        sys.stdout.write(f"{executed}\n")
        sys.stdout.flush()

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "engine_disposed", lambda _: report())


def _migrate(url: str, point: str) -> int:
    moment, number = point.split(":")
    _die_at(moment, int(number))
    try:
        asyncio.run(migrate(url, "main"))
    except LotkeeperError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def main() -> int:
    """Die in every database; return what one that did not die returned."""
    children = []
    for url, point in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        child = os.fork()
        if not child:
            code = 1
            try:
                code = _migrate(url, point)
            finally:
                os._exit(code)
        children.append(child)
    return max(0, *(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    sys.exit(main())
