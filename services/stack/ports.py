"""Loopback ports: a free one, one remembered from the last start, and who holds one that is taken."""

import contextlib
import errno
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from core.errors import PortInUseError
from services.stack.processes import ON_LINUX

LOOPBACK = "127.0.0.1"
_LISTENING = "0A"


@dataclass(frozen=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on ``port`` now (a connection in TIME_WAIT does not count).

    Raises:
        OSError: not here at all: no such address, or a port that only root may have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def remembered_port(path: Path) -> int:
    """The port written in ``path`` while it is still free, else a new one, which is written there."""
    with contextlib.suppress(OSError, ValueError):
        port = int(path.read_text(encoding="ascii"))
        if is_free(port):
            return port
    return new_port(path)


def new_port(path: Path) -> int:
    """A free port, remembered in ``path``."""
    port = free_port()
    path.write_text(f"{port}\n", encoding="ascii")
    return port


def next_free_port(port: int, host: str = LOOPBACK, tries: int = 200) -> int:
    """The first free port after ``port``."""
    for candidate in range(port + 1, min(port + tries, 65_535) + 1):
        if is_free(candidate, host):
            return candidate
    return free_port(host)


def require_free(port: int, variable: str, host: str = LOOPBACK) -> None:
    """Refuse a taken port.

    Raises:
        PortInUseError: somebody listens on it; the sentence names the holder where the system tells.
    """
    if is_free(port, host):
        return
    found = holder(port)
    by = str(found) if found else "another process"
    raise PortInUseError(
        f"Port {port} is already in use by {by}. Stop it, or choose another port with {variable}."
    )


def holder(port: int) -> Holder | None:
    """The process that listens on TCP ``port``, if we are allowed to see it."""
    if ON_LINUX:
        return _holder_from_proc(port)
    return _holder_from_lsof(port)


def _holder_from_proc(port: int) -> Holder | None:
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # Processes come and go, and those of others may not be looked into.
        with contextlib.suppress(OSError):
            for descriptor in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in wanted:
                        return Holder(int(entry.name), command_of(int(entry.name)))
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _holder_from_lsof(port: int) -> Holder | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    command = [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    match = re.search(r"^p(\d+)\nc(.*)$", found.stdout, re.MULTILINE)
    return Holder(int(match[1]), match[2]) if match else None


def command_of(pid: int) -> str:
    """A short form of the command line of ``pid``: the program and its first arguments."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        if words[0]:
            shown = " ".join([os.path.basename(words[0]), *words[1:]]).strip()  # noqa: PTH119 - not a path of ours
            return shown if len(shown) <= 80 else f"{shown[:79]}…"  # noqa: PLR2004 - one readable line
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return "unknown"
