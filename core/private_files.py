"""Small files with secrets: for their owner's eyes only, and never half written."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from core.errors import SettingsError


def read_private(path: Path) -> bytes | None:
    """What is in it; ``None`` where there is no such file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or 'unknown'}.") from error


def make_private(path: Path, content: bytes) -> None:
    """Make it with mode 0600, whole or not at all; where there is one, that stays.

    Of several processes that make it at once one does, and all find the same afterwards.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    draft = _draft(path, content)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write it with mode 0600; the file is the old one or the new, never half.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = _draft(path, content)
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or 'unknown'}.") from error


def _draft(path: Path, content: bytes) -> Path:
    """A file beside ``path`` with its content, one line end at its end, on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.rstrip(b"\n") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft
