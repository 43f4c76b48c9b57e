from typing import Annotated

from msgspec import Meta, Struct


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token to trade for a session cookie."""

    token: Annotated[str, Meta(min_length=1, max_length=512)]


class SessionInfo(Struct, frozen=True, kw_only=True):
    """Who is asking, and what is answering."""

    authenticated: bool
    profile: str
    version: str
