from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.domain.access import ScopeWord
from services.api.schemas.common import Moment

Secret = Annotated[str, Meta(min_length=1, max_length=512)]
Name = Annotated[str, Meta(min_length=1, max_length=64, description="of a user; upper case counts as lower")]
AccountList = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")], ...],
    Meta(max_length=500),
]


Code = Annotated[str, Meta(min_length=1, max_length=64, description="of an app, or a recovery code")]


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is traded for a session cookie: a token, or a name and its password.

    Where the user has a second factor, the answer without its ``code`` is `second_factor_needed`.
    """

    token: Secret | None = None
    name: Name | None = None
    password: Secret | None = None
    code: Code | None = None


class FirstUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to be the first admin, and the token that only somebody on the machine can read."""

    setup_token: Secret
    name: Name
    password: Secret


class SetupState(Struct, frozen=True, kw_only=True):
    """Whether there is no user yet."""

    needed: bool


class SessionInfo(Struct, frozen=True, kw_only=True):
    """Who is asking, and what is answering. ``accounts`` are those they may see, null: all."""

    authenticated: bool
    profile: str
    version: str
    name: str
    kind: Literal["owner", "user", "token"]
    scope: ScopeWord
    accounts: tuple[str, ...] | None


class OpenSession(Struct, frozen=True, kw_only=True):
    """A session that stands. ``name`` is whose it is, by ``kind`` as in ``SessionInfo``."""

    id: int
    name: str
    kind: Literal["owner", "user", "token"]
    current: bool
    address: str
    created_at: Moment
    last_seen_at: Moment
    expires_at: Moment


class SessionPage(Struct, frozen=True, kw_only=True):
    """Sessions, newest first."""

    items: tuple[OpenSession, ...]
    next_cursor: str | None
