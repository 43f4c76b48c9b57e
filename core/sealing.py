"""Short secrets that the database keeps and cannot read: AES-256-GCM with a key that is kept elsewhere."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from core.errors import LotkeeperError
from core.tokens import ensure_token

_VERSION: Final = "1"
_NONCE_BYTES: Final = 12
_NAME_BYTES: Final = 4
_WHERE_FROM: Final = (
    "Bring it from where the first second factor was set up: the setting LOTKEEPER_SECOND_FACTOR_KEY, or the "
    "file second-factor-key beside the API's token. Where it is lost, remove the second factors that were "
    "sealed with it (lotkeeper user second-factor NAME --remove), and they can be set up anew."
)


class SealedWithAnotherKeyError(LotkeeperError):
    """None of the keys opens it: it was sealed with another, or it is not what was sealed."""

    code = "sealed_with_another_key"
    exit_code = 2


class KeyUnavailableError(LotkeeperError):
    """There is no key to seal or open with here; the sentence names the file, or the setting."""

    code = "second_factor_key_unavailable"
    exit_code = 2


class KeySettings(Protocol):
    """Where keys are: in a setting, or in a file."""

    @property
    def second_factor_key(self) -> SecretStr | None:
        """Keys with white space between them."""

    @property
    def second_factor_key_file(self) -> Path:
        """Where they are when the setting is empty."""


class Sealer:
    """Seals with the first of its keys, and opens what was sealed with any of them."""

    def __init__(self, *keys: str) -> None:
        if not keys:
            raise ValueError("there is no key")
        self._keys = {_name(key): key for key in map(_hashed, reversed(keys))}
        self._first = _hashed(keys[0])

    @classmethod
    def of_settings(cls, settings: KeySettings, sealed_by: Collection[str] | None = None) -> Self:
        """By the keys of the settings, or else those in their file; several stand with white space between.

        ``sealed_by`` are the names of the keys (``key_name``) that have sealed something, ``None``: it is
        only to open. A file that is missing is made while nothing was sealed: later, nobody else could open
        what a key of our own seals.

        Raises:
            KeyUnavailableError: there is no key, or it is none of those that have sealed something.
        """
        path, given = settings.second_factor_key_file, settings.second_factor_key
        if given is None:
            keys = _keys_of_file(path, may_make=sealed_by is not None and not sealed_by)
        else:
            keys = given.get_secret_value().split()
        place = f"the file {path}" if given is None else "LOTKEEPER_SECOND_FACTOR_KEY"
        if not keys:
            raise KeyUnavailableError(f"The key that seals second factors is not in {place}. {_WHERE_FROM}")
        sealer = cls(*keys)
        if sealed_by and not sealer.names & {*sealed_by}:
            raise KeyUnavailableError(
                f"The key in {place} is not the one that sealed the second factors there are. {_WHERE_FROM}"
            )
        return sealer

    @property
    def names(self) -> set[str]:
        """What its keys are called."""
        return {*self._keys}

    def seal(self, secret: str, whose: str) -> str:
        """The secret as it is kept for somebody."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        kept = nonce + AESGCM(self._first).encrypt(nonce, secret.encode(), whose.encode())
        return f"{_VERSION}.{_name(self._first)}.{base64.urlsafe_b64encode(kept).decode()}"

    def open(self, sealed: str, whose: str) -> str:
        """What was sealed for somebody; of before there were keys, as it stands.

        Raises:
            SealedWithAnotherKeyError: no key of ours opens it.
        """
        name = key_name(sealed)
        if name is None:
            return sealed
        key, plain = self._keys.get(name), None
        if key is not None:
            # What was changed may be no base64 any more, or shorter than a nonce.
            with suppress(InvalidTag, ValueError):
                kept = base64.urlsafe_b64decode(sealed.split(".", 2)[-1])
                plain = AESGCM(key).decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], whose.encode())
        if plain is None:
            raise SealedWithAnotherKeyError(
                "A secret was sealed with a key that is not here, or is not what was sealed. Bring the key "
                "back, or remove the second factor and set it up anew."
            )
        return plain.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the first key; else it is to be sealed anew."""
        return key_name(sealed) == _name(self._first)


def key_name(sealed: str) -> str | None:
    """What the key is called that sealed it; ``None``: it is not sealed."""
    return sealed.split(".", 2)[1] if sealed.startswith(f"{_VERSION}.") else None


def _keys_of_file(path: Path, *, may_make: bool) -> list[str]:
    """Those in a file; none where it is missing, or empty, and may not be made.

    Raises:
        KeyUnavailableError: it can neither be read nor made.
    """
    try:
        with suppress(FileNotFoundError):
            keys = path.read_text(encoding="utf-8").split()
            if keys:
                return keys
        return ensure_token(path).split() if may_make else []
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise KeyUnavailableError(
            f"The key that seals second factors cannot be had from the file {path}: {why}."
        ) from None


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _name(key: bytes) -> str:
    """Tells keys apart, and nothing about them."""
    return hmac.digest(key, b"name", "sha256")[:_NAME_BYTES].hex()
