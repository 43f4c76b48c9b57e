"""Groups by period, symbol or account, and the order in which they are listed."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, func, tuple_

from models.tables import instruments

Period = Literal["day", "month", "year"]
_FORMATS = {"day": "YYYY-MM-DD", "month": "YYYY-MM", "year": "YYYY"}


class GroupKey(NamedTuple):
    """Which group a row is: periods stand newest first, symbols and accounts in order."""

    key: str
    account: str
    currency: str


def is_period(grouping: str) -> bool:
    """Whether groups are stretches of time."""
    return grouping in _FORMATS


def period_of(grouping: str, at: ColumnElement[datetime]) -> ColumnElement[str]:
    """The day, month or year of a moment, by UTC."""
    return func.to_char(func.timezone("UTC", at), _FORMATS[grouping]).collate("C")


def symbol_key() -> ColumnElement[str]:
    """The instrument's symbol, in the order of its letters' codes."""
    return instruments.c.symbol.collate("C")


def period_end(period: str) -> datetime:
    """When a day, month or year that is spelled so is over. Raises ``ValueError`` for anything else."""
    year, month, day = (*map(int, period.split("-")), 0, 0)[:3]
    if day:
        return datetime.fromordinal(datetime(year, month, day, tzinfo=UTC).toordinal() + 1).replace(
            tzinfo=UTC
        )
    following = (year, month + 1) if 0 < month < 12 else (year + 1, 1)  # noqa: PLR2004 - months a year has
    return datetime(*following, 1, tzinfo=UTC)


def in_order(
    query: Select[Any],
    place: tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]],
    grouping: str,
    after: GroupKey | None,
) -> Select[Any]:
    """The groups of ``query`` in the order of the list, only those after ``after``."""
    if is_period(grouping):
        query = query.order_by(*(column.desc() for column in place))
        return query if after is None else query.where(tuple_(*place) < after)
    query = query.order_by(*place)
    return query if after is None else query.where(tuple_(*place) > after)
