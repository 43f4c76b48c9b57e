"""Takes or restores a backup, and dies at a named point, or has only so much room on its disk.

``python dying.py create|restore POINT URL HOME [ARCHIVE]``; with ``room=N`` for a point no file can be larger
than N bytes.
"""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.errors import LotkeeperError
from core.settings import load_settings
from models.databases import Server
from services.backup import archives, creating, restoring
from services.backup.keys import identities


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def after(owner: Any, name: str) -> None:
    """Die when this has returned."""
    before = getattr(owner, name)
    if asyncio.iscoroutinefunction(before):

        async def then_die(*arguments: Any, **named: Any) -> Any:
            await before(*arguments, **named)
            die()

        setattr(owner, name, then_die)
    else:

        def and_die(*arguments: Any, **named: Any) -> Any:
            before(*arguments, **named)
            time.sleep(0.03)
            die()

        setattr(owner, name, and_die)


def some_pieces(framed: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    def dying(*arguments: Any) -> Iterator[bytes]:
        for number, piece in enumerate(framed(*arguments)):
            if number == 3:
                die()
            yield piece

    return dying


POINTS: dict[str, Callable[[], None]] = {
    "first pieces": lambda: setattr(creating, "framed", some_pieces(creating.framed)),
    "before it is synced": lambda: setattr(os, "fsync", die),
    "before it has its name": lambda: setattr(Path, "rename", die),
    "after it has its name": lambda: setattr(archives, "sync_folder", die),
    "opened": lambda: setattr(restoring, "alone_with", die),
    "database made": lambda: after(Server, "create"),
    "half restored": lambda: after(restoring, "begin_restore"),
    "restored": lambda: after(restoring, "tables_of"),
    "migrated": lambda: after(restoring, "migrate"),
    "before it is in place": lambda: setattr(Server, "put_in_place", die),
    "after it is in place": lambda: after(Server, "put_in_place"),
    "files in place": lambda: after(restoring, "_put_files"),
}
CREATING, RESTORING = list(POINTS)[:4], list(POINTS)[4:]


def prepare(point: str) -> None:
    if point.startswith("room="):
        size = int(point.partition("=")[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    else:
        POINTS[point]()


def main(action: str, point: str, url: str, home: str, *archive: str) -> None:
    settings = load_settings(home=home, database_url=url)
    if action == "create":
        prepare(point)
        asyncio.run(creating.create(settings, "cli"))
        return
    keys = identities(settings)
    prepare(point)
    asyncio.run(restoring.restore(settings, Path(archive[0]), keys, replace=True))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LotkeeperError as error:
        sys.exit(f"{type(error).__name__}: {error}")
