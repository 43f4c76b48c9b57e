"""The generated API token and the file it is kept in."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


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
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{secrets.token_urlsafe(24)}\n")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()
