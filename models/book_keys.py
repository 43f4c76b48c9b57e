"""Books as a statement's parameters: two arrays of one length, in the order in which books are locked."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from core.domain.books import BookKey

BOOKS: Final = "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[])) AS k(account, conid)"
"""The books that ``book_arrays`` names, as rows ``k``."""


def book_arrays(keys: Iterable[BookKey]) -> dict[str, Any]:
    """The parameters of ``BOOKS``."""
    ordered = sorted(keys)
    return {"accounts": [key[0] for key in ordered], "conids": [key[1] for key in ordered]}


BOOKS_SINCE: Final = (
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[]), CAST(:since AS timestamptz[])) "
    "AS k(account, conid, since)"
)
"""The same, each with a time."""


def books_since(since: Iterable[tuple[BookKey, datetime | None]]) -> dict[str, Any]:
    """The parameters of ``BOOKS_SINCE``."""
    ordered = sorted(since, key=lambda one: one[0])
    return {**book_arrays(key for key, _ in ordered), "since": [at for _, at in ordered]}
