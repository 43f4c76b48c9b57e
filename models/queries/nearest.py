"""SQL for what was told around a moment: the last before it, and the first that follows soon."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, TextClause, bindparam, text

from core.domain.days import day_of
from core.domain.marks import AFTER, NEAR
from models.standing import NEWEST_FIRST, STANDING
from models.types import BigInt, Instant, String

_SLACK: Final = timedelta(hours=1)
"""Between when a mark was told and when the snapshot is that took it down: two clocks, and a few minutes."""


_KINDS: Final[dict[str, Any]] = {"conids": BigInt, "firsts": Instant, "lasts": Instant}


def around(of: str, where: str, at: str, columns: str, *, order: str = "") -> str:
    """The last row whose ``at`` is ``:at`` or before, and the first behind it up to ``:behind``."""
    return (
        f"(SELECT {columns} FROM {of} WHERE {where} AND {at} <= :at ORDER BY {at} DESC{order} LIMIT 1) "  # noqa: S608 - words of this program's own
        f"UNION ALL (SELECT {columns} FROM {of} WHERE {where} AND {at} > :at AND {at} <= :behind "
        f"ORDER BY {at}{order} LIMIT 1)"
    )


def days_around(table: str, alias: str, where: str, columns: str) -> str:
    """The same of days that standing imports state: up to ``:day``, and ``:next_day``."""
    told = f"{table} {alias} {STANDING.format(alias)}"
    return (
        f"(SELECT {columns} FROM {told} WHERE {where} AND {alias}.as_of <= :day "  # noqa: S608 - as above
        f"ORDER BY {alias}.as_of DESC, {NEWEST_FIRST} LIMIT 1) "
        f"UNION ALL (SELECT {columns} FROM {told} WHERE {where} AND {alias}.as_of = :next_day "
        f"ORDER BY {NEWEST_FIRST} LIMIT 1)"
    )


def asked(statement: str, at: datetime, **arrays: Sequence[Any]) -> TextClause:
    """A question about a moment, with its arrays: of ``conids``, moments (``firsts``, ``lasts``) or text."""
    day = day_of(at)
    moments = {
        "at": at,
        "behind": at + AFTER,
        "since": at - NEAR - _SLACK,
        "until": at + AFTER + AFTER,
        # The day that the moment is in ends within a day after it.
        "day": day - timedelta(days=1),
        "next_day": day,
    }
    return text(statement).bindparams(
        *(bindparam(name, value) for name, value in moments.items() if f":{name}" in statement),
        *(bindparam(name, list(told), ARRAY(_KINDS.get(name, String))) for name, told in arrays.items()),
    )
