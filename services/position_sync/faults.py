"""Whose fault an error is, and how the one fact that is at fault is found among the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy.exc import DBAPIError

from core import logs
from core.errors import DatabaseContendedError, DatabaseUnavailableError
from models.session import Writer, is_passing, sqlstate
from services.position_sync.intake import Item

log = logs.get_logger(__name__)

Applied = TypeVar("Applied")


class SetAside(NamedTuple):
    """A fact that cannot be applied, with its category and why."""

    item: Item
    category: str
    reason: str


Apply = Callable[[Sequence[Item], Sequence[SetAside]], Awaitable[Applied]]
"""Applies facts, with a note of those that were set aside before."""

Accused = Callable[[Exception], bool]
"""Whether a fact is to be set aside for an error."""

_DATAS_FAULT = ("22", "23")
"""SQLSTATE classes that say it of the data: values out of range or of the wrong form, broken constraints."""

_NO_FACTS_FAULT = ("0A", "25", "26", "28", "3D", "3F", "42")
"""SQLSTATE classes that say it of the program, the schema or the role: no fact is set aside for that."""

_CONTENDED = ("40001", "40P01", "55P03")
"""SQLSTATEs of what was given up for the sake of another transaction, or did not get its locks in time."""


def is_datas_fault(error: Exception) -> bool:
    """Whether PostgreSQL itself says that a value is at fault: trying the same again cannot help."""
    return sqlstate(error).startswith(_DATAS_FAULT)


def can_be_a_facts_fault(error: Exception) -> bool:
    """Whether a fact may be set aside for this error, once it has come again and again."""
    return not is_passing(error) and not sqlstate(error).startswith(_NO_FACTS_FAULT)


def unavailable(error: Exception) -> DatabaseUnavailableError:
    """What to tell of an error that passes, with PostgreSQL's own code for it where it has one."""
    name, state = type(error).__name__, sqlstate(error)
    why = f"{name}, SQLSTATE {state}" if state else name
    if state in _CONTENDED:
        return DatabaseContendedError(
            f"PostgreSQL is well, but other transactions were in the way ({why}). The facts are tried again."
        )
    return DatabaseUnavailableError(f"PostgreSQL cannot take facts now ({why}). They wait in the stream.")


def verdict(error: Exception) -> tuple[str, str]:
    """Category and reason of a fact that was set aside for ``error``.

    What PostgreSQL refused is ``database``, what our own rules could not work with ``validation``.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    reason = (str(cause).splitlines() or [""])[0] or type(cause).__name__
    return ("database" if isinstance(error, DBAPIError) else "validation"), reason


async def narrow(
    connection: Writer, items: Sequence[Item], apply: Apply[Applied], accused: Accused
) -> Applied:
    """Apply ``items``, all but those that cannot be, with a note of these.

    ``accused`` says for which errors one may be set aside. Everything stays in the transaction of
    ``connection``. Every try but the last is undone: so nothing is locked by it when the next one locks anew,
    in the order that all workers keep to.

    Raises:
        Exception: an error for which none may be; the transaction is to be given up.
    """
    left, aside = list(items), list[SetAside]()
    good, ahead = 0, len(left)
    while True:
        bad = min(good + ahead, len(left))
        applied, error = await _try(connection, left[:bad], aside, apply, accused, keep=bad == len(left))
        if error is None:
            if applied is not None:
                return applied
            good, ahead = bad, ahead * 2
            continue
        if good == len(left):
            raise error  # what is at fault is none of the facts, but the notes of those set aside
        began = good
        while bad - good > 1:
            middle = (good + bad) // 2
            _, failed = await _try(connection, left[:middle], aside, apply, accused, keep=False)
            if failed is None:
                good = middle
            else:
                bad, error = middle, failed
        # The shortest beginning that fails: its last fact is at fault.
        culprit = left.pop(good)
        log.warning("fact_kept_aside", kind=type(culprit.fact).__name__, error=type(error).__name__)
        aside.append(SetAside(culprit, *verdict(error)))
        # Where many are bad, the next one is near.
        ahead = max(1, good - began)


async def _try(
    connection: Writer,
    items: Sequence[Item],
    aside: Sequence[SetAside],
    apply: Apply[Applied],
    accused: Accused,
    *,
    keep: bool,
) -> tuple[Applied | None, Exception | None]:
    """What applying ``items`` did, if that is to be kept, or why they cannot be."""
    try:
        async with connection.begin_nested() as savepoint:
            applied = await apply(items, aside)
            if keep:
                return applied, None
            await savepoint.rollback()
    except Exception as error:
        if not accused(error):
            raise
        return None, error
    return None, None
