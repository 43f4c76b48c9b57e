"""The Flex token and the queries: of the settings, else of the file that ``lotkeeper flex setup`` wrote."""

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from pydantic import SecretStr

from core.errors import SettingsError
from core.settings import PREFIX, Settings

_MARK_DIGITS = 8


class Credentials(NamedTuple):
    """A token, and the numbers of the queries to fetch with it."""

    token: SecretStr
    queries: tuple[str, ...]

    @property
    def mark(self) -> str:
        """Tells one token from the next, and nothing else of it: a few digits of its sum."""
        return hashlib.sha256(self.token.get_secret_value().encode()).hexdigest()[:_MARK_DIGITS]


class _Stored(msgspec.Struct):
    token: str
    queries: tuple[str, ...] = ()


def credentials_of(settings: Settings) -> Credentials | None:
    """What is set, or else stored; ``None`` where there is no token in either. Reads the file each time.

    Raises:
        SettingsError: the file cannot be read.
    """
    stored = _stored(settings.flex_file)
    token = settings.flex_token
    if token is None and stored is not None:
        token = SecretStr(stored.token)
    if token is None or not token.get_secret_value():
        return None
    queries = settings.flex_queries
    if queries is None:
        queries = stored.queries if stored is not None else ()
    return Credentials(SecretStr(token.get_secret_value().strip()), queries)


def require_credentials(settings: Settings) -> Credentials:
    """The same where there must be some.

    Raises:
        SettingsError: there is no token, or the file cannot be read.
    """
    found = credentials_of(settings)
    if found is None:
        raise SettingsError(
            f"There is no Flex token. `lotkeeper flex setup` stores one, or set {PREFIX}FLEX_TOKEN (or "
            f"{PREFIX}FLEX_TOKEN_FILE)."
        )
    return found


def store_credentials(path: Path, token: SecretStr, queries: Sequence[str]) -> None:
    """Write them for their owner's eyes only (mode 0600); the file is the old one or the new, never half.

    Raises:
        SettingsError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    content = json.dumps({"token": token.get_secret_value(), "queries": list(queries)}, indent=2)
    try:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{content}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or 'unknown'}.") from error


def _stored(path: Path) -> _Stored | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or 'unknown'}.") from error
    # Outside of the except clause: what msgspec raised may repeat what it read.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(content, type=_Stored)
    raise SettingsError(f"{path} is damaged. Write it anew with `lotkeeper flex setup`.")
