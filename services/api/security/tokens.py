"""The instance's own token: given in the settings, or generated and kept in a file that only its owner reads.

And those that users make for their programs.
"""

import hashlib
import secrets
from pathlib import Path
from typing import NamedTuple

from core.settings import Settings
from core.tokens import ensure_token

TOKEN_PREFIX = "lk_"  # noqa: S105 - of all of them
"""How an API token begins, so that it is known for one wherever it turns up."""

_SHOWN = len(TOKEN_PREFIX) + 6


class NewToken(NamedTuple):
    """A fresh API token: the secret is shown once, the rest is kept."""

    secret: str
    prefix: str
    secret_hash: str


def new_token() -> NewToken:
    """An API token that nobody has."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return NewToken(secret, secret[:_SHOWN], digest(secret))


def digest(secret: str) -> str:
    """SHA-256, hexadecimal: what is kept and compared instead of the secret itself."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenSource:
    """The token as it is now. A file that is replaced counts from the next request on."""

    def __init__(self, settings: Settings) -> None:
        self._given = settings.api_token.get_secret_value() if settings.api_token else None
        self._path: Path = settings.token_file
        self._stamp: tuple[int, int] | None = None
        self._digest = digest(self._given) if self._given else ""
        if self._given is None:
            ensure_token(self._path)

    def current_digest(self) -> str:
        """The hash of the token."""
        if self._given is None:
            self._look_at_file()
        return self._digest

    def _look_at_file(self) -> None:
        try:
            about = self._path.stat()
        except FileNotFoundError:
            ensure_token(self._path)
            about = self._path.stat()
        stamp = (about.st_mtime_ns, about.st_ino)
        if stamp != self._stamp:
            self._digest = digest(ensure_token(self._path))
            self._stamp = stamp

    def is_current(self, hashed: str) -> bool:
        """Whether this is the token's hash; takes as long for one wrong hash as for another."""
        return secrets.compare_digest(hashed, self.current_digest())
