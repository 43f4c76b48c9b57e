"""The generated API token and the file it is kept in."""

import secrets
from contextlib import suppress
from pathlib import Path

from core.private_files import make_private


def ensure_token(path: Path) -> str:
    """The token in the file; a missing or empty file is made, for its owner's eyes only (mode 0600).

    Of several processes that find it missing at once, one makes it and all get the same: the file appears
    complete or not at all.
    """
    with suppress(FileNotFoundError):
        token = path.read_text(encoding="utf-8").strip()
        if token:
            return token
        path.unlink(missing_ok=True)
    make_private(path, secrets.token_urlsafe(24).encode())
    return path.read_text(encoding="utf-8").strip()
