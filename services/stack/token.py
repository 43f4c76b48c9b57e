"""The token as the machine room shows it to a person."""

from core.settings import PREFIX, Settings
from core.tokens import ensure_token


def token_in_force(settings: Settings) -> str:
    """The token given from outside, else the one in the token file, made when missing."""
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    return ensure_token(settings.token_file)


def where_it_is(settings: Settings) -> str:
    """Where a person finds the token, for a message that must not show it."""
    if settings.api_token is not None:
        return f"token from {PREFIX}API_TOKEN"
    return f"token in {settings.token_file}"
