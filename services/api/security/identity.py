"""Who was let in, and what they may."""

from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import HTTPConnection

from core.domain.access import OWNER, Accounts, Scope
from models.queries.access import Grant
from models.queries.users import Reach

Kind = Literal["owner", "user", "token"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was let in; equal as long as nothing about it has changed.

    ``kind`` is ``owner`` for the instance's own token, ``user`` for who signed in by name and ``token`` for
    an API token. ``accounts`` are those they may see, ``None``: all. ``session`` is the number of the
    session they came with, 0 for a bearer. ``user_id`` is the user who they are, or who made the token.
    """

    name: str
    kind: Kind
    scope: Scope
    accounts: Accounts
    credential: str = field(repr=False)
    """SHA-256 of what they showed."""
    owner_digest: str = field(default="", repr=False)
    """Of the instance's own token, where it was that which let them in."""
    session: int = 0
    user_id: int | None = None
    token_id: int | None = None
    lacks_factor: bool = False
    """Whether they may do nothing but set up a second factor."""

    @property
    def is_admin(self) -> bool:
        """Whether they decide who may do what."""
        return self.scope >= Scope.ADMIN

    @property
    def reach(self) -> Reach | None:
        """Whose tokens and sessions they may see and end; ``None``: everybody's.

        Their own, of which a token has itself and its sessions; and an admin those of whoever sees no account
        that the admin does not.
        """
        if self.is_admin and self.accounts is None:
            return None
        accounts = self.accounts if self.is_admin else None
        if self.token_id is not None:
            return Reach(token_id=self.token_id, accounts=accounts)
        return Reach(user_id=self.user_id, accounts=accounts)


def owner_identity(digest: str, *, credential: str = "", session: int = 0) -> Identity:
    """The bearer of the instance's own token."""
    return Identity(OWNER, "owner", Scope.ADMIN, None, credential or digest, digest, session)


def granted(grant: Grant, credential: str, *, session: int = 0, needs_factor: bool = False) -> Identity:
    """Whom a user's or a token's grant lets in; ``needs_factor``: users need a second factor."""
    kind: Kind = "user" if grant.token_id is None else "token"
    return Identity(
        grant.name,
        kind,
        grant.scope,
        grant.accounts,
        credential,
        session=session,
        user_id=grant.user_id,
        token_id=grant.token_id,
        lacks_factor=needs_factor and kind == "user" and not grant.second_factor,
    )


def identity_of(connection: HTTPConnection) -> Identity:
    """Who sends a request that nobody unknown may send."""
    identity: Identity = connection.scope["identity"]
    return identity
