"""Reading datasets at one moment: how much there is of each, and its rows as PostgreSQL's COPY sends them."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text

from core.tabular import Kind
from models.queries.datasets.catalogue import Dataset
from models.queries.datasets.columns import (
    DIGITS,
    PLACES,
    Bounds,
    Column,
    Spelling,
    selected,
    within,
    within_year,
    year_of,
)
from models.session import Reader

_DAY_SECONDS: Final = 24 * 3600
# Neither can stand in what JSON writes: nothing is quoted.
_LINES: Final = {"delimiter": "\x02", "quote": "\x01"}

_SETTINGS: Final = (
    # Reading a long history takes what it takes, and writing it to a slow disk as well.
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    # Whatever the server's own are: they say how times are spelled, and in which zone.
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
)


async def begin(reader: Reader) -> Any:
    """Asyncpg's own connection, for COPY, in the transaction of ``reader``, which may take long now.

    SQLAlchemy begins the transaction with the first statement that goes through it.
    """
    for statement in _SETTINGS:
        await reader.execute(text(statement))
    raw = (await reader.get_raw_connection()).driver_connection
    if raw is None or not raw.is_in_transaction():
        raise RuntimeError("there is no transaction: what is read would be of many moments")
    return raw


async def years_of(raw: Any, dataset: Dataset, columns: Sequence[Column], bounds: Bounds) -> list[int]:
    """The years (UTC) of which a large dataset has rows."""
    rows = await raw.fetch(
        f"SELECT DISTINCT {year_of(dataset)} AS year {_rows(dataset, columns, bounds)} ORDER BY 1"
    )
    return [row["year"] for row in rows]


async def with_places(raw: Any, dataset: Dataset, columns: Sequence[Column], bounds: Bounds) -> list[Column]:
    """The columns, each amount with the digits behind the point that hold every value of it exactly.

    They are ``PLACES`` wherever all values fit: then files of different days have one schema. Otherwise as
    many as the longest value has, and ``None`` where no decimal of ``DIGITS`` holds them all.
    """
    amounts = [one.name for one in columns if one.kind is Kind.AMOUNT]
    if not amounts:
        return list(columns)
    rows = _rows(dataset, columns, bounds)
    measured = ", ".join(f'max(scale("{name}")), max(abs("{name}"))' for name in amounts)
    found = list((await raw.fetchrow(f"SELECT {measured} {rows}")).values())
    places: dict[str, int | None] = {}
    for name, behind, largest in zip(amounts, found[::2], found[1::2], strict=True):
        before = _digits_before(largest)
        if before is None:
            places[name] = None
        elif (behind or 0) <= PLACES and before + PLACES <= DIGITS:
            places[name] = PLACES
        else:
            # Without the zeros at the end: to let go of them takes a while.
            longest = await raw.fetchval(f'SELECT max(scale(trim_scale("{name}"))) {rows}')
            fits = PLACES if longest <= PLACES and before + PLACES <= DIGITS else longest
            places[name] = fits if before + fits <= DIGITS else None
    return [one._replace(places=places.get(one.name)) for one in columns]


def _digits_before(largest: Decimal | None) -> int | None:
    """How many digits the largest value has before the point; ``None`` where it is no number."""
    if largest is None:
        return 0
    if not largest.is_finite():
        return None
    return largest.adjusted() + 1 if largest >= 1 else 0


def _rows(dataset: Dataset, columns: Sequence[Column], bounds: Bounds) -> str:
    conditions = within(dataset, columns, bounds)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"FROM ({dataset.select}) d{where}"


async def copy(
    raw: Any,
    dataset: Dataset,
    columns: Sequence[Column],
    bounds: Bounds,
    year: int | None,
    spelling: Spelling,
    sink: Callable[[bytes], Awaitable[None]],
) -> int:
    """Send the rows, of one year or all, to ``sink``, whole lines at a time; returns how many there were.

    PostgreSQL sends no faster than ``sink`` takes: whatever is not taken waits there.
    """
    conditions = within(dataset, columns, bounds)
    if year is not None:
        conditions += within_year(dataset, year)
    status = await raw.copy_from_query(
        selected(dataset, columns, conditions, spelling),
        output=sink,
        format="csv",
        header=spelling == "csv",
        timeout=_DAY_SECONDS,
        **({} if spelling in {"csv", "arrow"} else _LINES),
    )
    return int(status.split()[-1])
