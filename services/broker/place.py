"""Which login a link serves, and from which installation."""

import secrets
import socket
from typing import Final

from core.private_files import make_private
from core.settings import Settings

FILE: Final = "link-id"


def login_of(settings: Settings) -> str:
    """What names a login. Another client id is the same login."""
    return f"{settings.ib_host.lower()}:{settings.ib_port}"


def place_of(settings: Settings) -> str:
    """What names an installation, which serves one login at a time: what it served before, it serves no more.

    A random number in its folder, or the machine where that cannot be kept.
    """
    path = settings.data_dir / FILE
    try:
        make_private(path, secrets.token_hex(8).encode())
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return socket.gethostname()
