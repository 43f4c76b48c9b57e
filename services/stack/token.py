"""The API's admin token: generated at the first start, kept where only its owner can read it."""

import os
import secrets

from core.settings import PREFIX, Settings


def ensure_token(settings: Settings) -> str:
    """The token in force: the one given from outside, else the one in the token file, made when missing."""
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = settings.token_file
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    token = secrets.token_urlsafe(24)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
    return token


def where_it_is(settings: Settings) -> str:
    """Where a person finds the token, for a message that must not show it."""
    if settings.api_token is not None:
        return f"token from {PREFIX}API_TOKEN"
    return f"token in {settings.token_file}"
