"""The Flex token and the queries: of the settings, else of the file that ``lotkeeper flex setup`` wrote."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
from pydantic import SecretStr

from core.errors import SettingsError
from core.private_files import read_private, write_private
from core.settings import PREFIX, Settings

_MARK_DIGITS = 8


class Credentials(NamedTuple):
    """A token, and the numbers of the queries to fetch with it.

    ``expires_on`` is the token's last day, ``None`` where nobody said.
    """

    token: SecretStr
    queries: tuple[str, ...]
    expires_on: date | None = None

    @property
    def mark(self) -> str:
        """Tells one token from the next, and nothing else of it: a few digits of its sum."""
        return hashlib.sha256(self.token.get_secret_value().encode()).hexdigest()[:_MARK_DIGITS]


class _Stored(msgspec.Struct):
    token: str
    queries: tuple[str, ...] = ()
    expires_on: date | None = None


def credentials_of(settings: Settings) -> Credentials | None:
    """What is set, or else stored; ``None`` where there is no token in either. Reads the file each time.

    Raises:
        SettingsError: the file cannot be read.
    """
    stored = _stored(settings.flex_file)
    token, expires_on = settings.flex_token, settings.flex_expires_on
    if token is None and stored is not None:
        token = SecretStr(stored.token)
        expires_on = expires_on or stored.expires_on
    if token is None or not token.get_secret_value():
        return None
    queries = settings.flex_queries
    if queries is None:
        queries = stored.queries if stored is not None else ()
    return Credentials(SecretStr(token.get_secret_value().strip()), queries, expires_on)


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


def store_credentials(
    path: Path, token: SecretStr, queries: Sequence[str], expires_on: date | None = None
) -> None:
    """Write them for their owner's eyes only (mode 0600); the file is the old one or the new, never half.

    Raises:
        SettingsError: it cannot be written.
    """
    kept = {"token": token.get_secret_value(), "queries": list(queries)}
    if expires_on is not None:
        kept["expires_on"] = expires_on.isoformat()
    write_private(path, json.dumps(kept, indent=2).encode())


def _stored(path: Path) -> _Stored | None:
    content = read_private(path)
    if content is None:
        return None
    # Outside of the except clause: what msgspec raised may repeat what it read.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(content, type=_Stored)
    raise SettingsError(f"{path} is damaged. Write it anew with `lotkeeper flex setup`.")
