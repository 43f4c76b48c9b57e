"""Narrowing a list to what was asked for."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select

Condition = tuple[Any, Callable[[Any, Any], Any], Any]
"""A column (or several), how it must compare, and with what; with ``None`` it may be anything."""


def narrowed(query: Select[Any], *conditions: Condition) -> Select[Any]:
    """The query with those conditions that were asked for."""
    for column, compares, asked in conditions:
        if asked is not None:
            query = query.where(compares(column, asked))
    return query
