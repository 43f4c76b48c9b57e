"""Whose fault an error is, and how the one fact that is at fault is found among the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from core import logs
from models.session import Writer, is_passing, sqlstate
from services.position_sync.intake import Item

log = logs.get_logger(__name__)

Applied = TypeVar("Applied")

Accused = Callable[[Exception], bool]
"""Whether a fact is to be set aside for an error."""

_DATAS_FAULT = ("22", "23")
"""SQLSTATE classes that say it of the data: values out of range or of the wrong form, broken constraints."""

_NO_FACTS_FAULT = ("0A", "25", "26", "28", "3D", "3F", "42")
"""SQLSTATE classes that say it of the program, the schema or the role: no fact is set aside for that."""


def is_datas_fault(error: Exception) -> bool:
    """Whether PostgreSQL itself says that a value is at fault: trying the same again cannot help."""
    return sqlstate(error).startswith(_DATAS_FAULT)


def can_be_a_facts_fault(error: Exception) -> bool:
    """Whether a fact may be set aside for this error, once it has come again and again."""
    return not is_passing(error) and not sqlstate(error).startswith(_NO_FACTS_FAULT)


def verdict(error: Exception) -> tuple[str, str]:
    """Category and reason of a fact that was set aside for ``error``.

    What PostgreSQL refused is ``database``, what our own rules could not work with ``validation``.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    reason = (str(cause).splitlines() or [""])[0] or type(cause).__name__
    return ("database" if isinstance(error, DBAPIError) else "validation"), reason


async def narrow(
    connection: Writer,
    items: Sequence[Item],
    apply: Callable[[Sequence[Item]], Awaitable[Applied]],
    set_aside: Callable[[Item, str, str], Awaitable[Applied]],
    accused: Accused,
) -> list[Applied]:
    """Apply ``items``, all but those that cannot be: they are found by halves and handed to ``set_aside``.

    ``accused`` says for which errors one may be set aside. Everything stays in the transaction of
    ``connection``, each try in a savepoint of its own.

    Raises:
        Exception: an error for which none may be; the transaction is to be given up.
    """
    try:
        async with connection.begin_nested():
            return [await apply(items)]
    except Exception as error:
        if not items or not accused(error):
            raise
        if len(items) == 1:
            log.warning("fact_kept_aside", kind=type(items[0].fact).__name__, error=type(error).__name__)
            return [await set_aside(items[0], *verdict(error))]
    middle = len(items) // 2
    return [
        *await narrow(connection, items[:middle], apply, set_aside, accused),
        *await narrow(connection, items[middle:], apply, set_aside, accused),
    ]
