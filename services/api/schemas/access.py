"""Users, API tokens, and the log of who did what."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from core.domain.access import ScopeWord
from services.api.schemas.common import Moment
from services.api.schemas.session import AccountList, Code, Name, Secret

_Sees = Annotated[
    AccountList | None, Meta(description="the accounts they may see; null: all, also those to come")
]
_Expiry = Annotated[datetime, Meta(tz=True)]


class User(Struct, frozen=True, kw_only=True):
    """Somebody who signs in by name."""

    name: str
    scope: ScopeWord
    accounts: tuple[str, ...] | None
    created_at: Moment
    password_changed_at: Moment
    disabled_at: Moment | None
    second_factor: bool


class UserPage(Struct, frozen=True, kw_only=True):
    """Users, newest first."""

    items: tuple[User, ...]
    next_cursor: str | None


class NewUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to make."""

    name: Name
    password: Secret
    scope: ScopeWord
    accounts: _Sees


class UserChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a user is to be otherwise; what is left out stays."""

    scope: ScopeWord | UnsetType = UNSET
    accounts: AccountList | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET


class NewPassword(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password to have from now on. Whoever changes their own gives the one they have."""

    new_password: Secret
    current_password: Secret | None = None
    keep_tokens: Annotated[
        bool, Meta(description="leave the user's API tokens as they are; else they are revoked")
    ] = False


class FactorBegin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password once more, of who sets up a second factor."""

    current_password: Secret


class FactorBegun(Struct, frozen=True, kw_only=True):
    """A secret for an app that shows codes by time, in Base32, and the same as such apps read it."""

    secret: str
    address: str


class FactorProof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that the app shows."""

    code: Code


class RecoveryCodes(Struct, frozen=True, kw_only=True):
    """Each lets in once in the place of a code of the app. They are never told again."""

    codes: tuple[str, ...]


class FactorRemoval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever removes their own second factor gives password and code; an admin nothing for another's."""

    current_password: Secret | None = None
    code: Code | None = None


class Token(Struct, frozen=True, kw_only=True):
    """An API token. ``user`` made it, and bounds what it may; null: the instance's owner did."""

    id: int
    name: str
    prefix: str
    scope: ScopeWord
    accounts: tuple[str, ...] | None
    user: str | None
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Annotated[Moment | None, Meta(description="to the hour")]


class TokenPage(Struct, frozen=True, kw_only=True):
    """API tokens, newest first."""

    items: tuple[Token, ...]
    next_cursor: str | None


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make. Without ``expires_at`` and ``days`` it is good for a year; null: for ever."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
    scope: ScopeWord
    accounts: AccountList | None = None
    expires_at: _Expiry | UnsetType | None = UNSET
    days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET


class TokenMade(Struct, frozen=True, kw_only=True):
    """A fresh token, and its secret, which is never told again."""

    secret: str
    token: Token


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Who did what, and how it went: ``ok``, or the code of the problem."""

    id: int
    at: Moment
    actor: str
    kind: Literal["owner", "user", "token", "cli", "nobody"]
    action: str
    target: str
    address: str
    outcome: str
    request_id: str


class AuditPage(Struct, frozen=True, kw_only=True):
    """What was done, newest first."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None
