"""What somebody may do, and of which accounts."""

import re
import unicodedata
from collections.abc import Iterable
from enum import IntEnum
from typing import Literal, Self, TypeAlias, cast

ScopeWord: TypeAlias = Literal["read", "sync", "admin"]
"""A scope as it is stored and told."""

Accounts: TypeAlias = frozenset[str] | None
"""The accounts that somebody may see; ``None``: all, also those to come."""


class Scope(IntEnum):
    """What somebody may do. Each may also do what those before it may."""

    READ = 1
    """See what is kept."""

    SYNC = 2
    """Ask for work: comparisons, snapshots, imports, checks."""

    ADMIN = 3
    """Decide who may do what."""

    @property
    def word(self) -> ScopeWord:
        """As it is stored and told."""
        return cast("ScopeWord", self.name.lower())

    @classmethod
    def of(cls, word: str) -> Self:
        """The scope of that name.

        Raises:
            KeyError: there is none.
        """
        return cls[word.upper()]


SCOPES = tuple(scope.word for scope in Scope)


def accounts_of(every: bool, listed: Iterable[str]) -> Accounts:
    """The accounts that a row and its list allow."""
    return None if every else frozenset(listed)


def both(one: Accounts, other: Accounts) -> Accounts:
    """The accounts that both allow."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def within(inner: Accounts, outer: Accounts) -> bool:
    """Whether all of the inner accounts are among the outer ones."""
    return outer is None or (inner is not None and inner <= outer)


OWNER = "owner"
"""What the bearer of the instance's own token is called; no user can be."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def folded(name: str) -> str:
    """A user's name as it is kept: one person has not two names by case."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def is_user_name(name: str) -> bool:
    """Whether a user can have this name, as it is kept."""
    return _NAME.fullmatch(name) is not None and name != OWNER
