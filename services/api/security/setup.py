"""The first user: whoever can read a file on the machine says who that is, once."""

import secrets
from contextlib import suppress
from pathlib import Path

from core.settings import Settings
from core.tokens import ensure_token
from services.api.security.tokens import digest


class SetupToken:
    """The token, made when it is asked for and gone once there is a user."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.setup_token_file

    def ensure(self) -> None:
        """Have it lie there for who runs ``lotkeeper user setup-token``."""
        ensure_token(self._path)

    def is_right(self, token: str) -> bool:
        """Whether this is it."""
        return secrets.compare_digest(digest(token), digest(ensure_token(self._path)))

    def forget(self) -> None:
        """It has done what it was for."""
        with suppress(FileNotFoundError):
            self._path.unlink()
