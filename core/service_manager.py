"""What a process tells systemd of itself: that it is up, that it lives, that it stops (sd_notify(3)).

Where nobody listens nothing is told. It is a datagram to the socket that ``NOTIFY_SOCKET`` names, which needs
no library.
"""

import os
import socket
from contextlib import suppress
from typing import Final

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_WATCHED: Final = "WATCHDOG_PID"


def tell(*lines: str) -> bool:
    """Tell ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1``, ``STATUS=...``; whether anybody listens."""
    address = os.environ.get(_SOCKET, "")
    if not address.startswith(("/", "@")):
        return False
    # A name that begins with @ is in no folder: its first byte is zero.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(lines).encode(), name)
        return True
    return False


def watchdog_seconds() -> float | None:
    """How often to tell that this process lives, half of what systemd waits for; ``None``: it does not."""
    try:
        microseconds = int(os.environ.get(_WATCHDOG, ""))
        watched = int(os.environ.get(_WATCHED, "0"))
    except ValueError:
        return None
    if microseconds <= 0 or watched not in {0, os.getpid()}:
        return None
    return microseconds / 2_000_000


def without_manager(variables: dict[str, str]) -> dict[str, str]:
    """Variables for a child: systemd hears of this process alone."""
    return {name: one for name, one in variables.items() if name not in {_SOCKET, _WATCHDOG, _WATCHED}}
