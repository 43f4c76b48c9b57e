"""Rows of performance as they are kept, for series of accounts, and the rates that they are converted with.

A series may have a hundred thousand rows. They come as one text each account, and rates as one, so that
nobody else of this process is kept waiting while they are read; what is in it is read with ``recorded`` and
``told_rates`` in a thread.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, cast

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.days import BROKER_ZONE
from core.domain.measures.points import Amounts, Floats, Instants
from core.domain.measures.recorded import Rows
from core.domain.money import ZERO
from core.domain.performance import Quality, Resolution, Source
from core.domain.rate_history import HOLDS_FOR, ToldRates
from models.session import Reader
from models.standing import newest
from models.types import String

FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""All the time there is, a day in: bounds are compared in other zones, too."""

_CHARACTERS: Final = 10_000
"""A long text is taken apart part by part, so that no other thread waits for all of it."""

_FIELDS: Final = {
    "seconds": "CAST(extract(epoch FROM p.ts) AS bigint)",
    "day": "CASE WHEN p.resolution = 'day' THEN p.day END",
    "source": "p.source",
    "value": "p.net_liquidation",
    "came": "p.net_contribution",
    "pnl": "CASE WHEN p.resolution = 'day' THEN p.daily_pnl END",
    "cash": "p.total_cash",
    "gross": "p.gross_position_value",
    "quality": "p.data_quality",
    "told": "CAST(p.twr IS NOT NULL AS int)",
    "currency": "translate(p.currency, E'\\n', '')",
}
_COLUMNS: Final = ", ".join(
    f"string_agg(coalesce(CAST({name} AS text), ''), E'\\n') AS {name}" for name in _FIELDS
)
# A statement's row stands before a snapshot's of the same time. They are sorted once for all columns.
_rows = text(
    f"SELECT count(*) AS rows, {_COLUMNS} FROM (SELECT "  # noqa: S608 - columns of this program's own
    + ", ".join(f"{field} AS {name}" for name, field in _FIELDS.items())
    + " FROM performance_metrics p WHERE p.account = :account AND p.resolution = :resolution "
    "AND p.ts BETWEEN :since AND :until ORDER BY p.ts, p.source DESC) p"
)
_END_OF_DAY: Final = f"CAST(as_of + 1 AS timestamp) AT TIME ZONE '{BROKER_ZONE.key}'"
_STATED: Final = newest(
    "fx_rates f",
    ("as_of", "currency", "into_currency"),
    columns="f.as_of, f.currency, f.into_currency, f.rate",
    where="f.currency = ANY(:currencies) AND f.into_currency = ANY(:currencies) "
    "AND f.as_of BETWEEN :first AND :last AND f.import_id IS NOT NULL",
)
# Of a broker's day the last word is enough where the series is of days.
_KEPT: Final = (
    "SELECT {distinct} f.at, f.currency, f.into_currency, f.rate FROM fx_rates f "
    "WHERE f.currency = ANY(:currencies) AND f.into_currency = ANY(:currencies) "
    "AND f.at BETWEEN :since AND :until AND f.snapshot_id IS NOT NULL {order}"
)
_rates_of: Final = {
    resolution: text(
        "SELECT r.currency, r.into_currency, "  # noqa: S608 - as above
        "string_agg(CAST(CAST(extract(epoch FROM r.at) * 1000000 AS bigint) AS text), E'\\n' "
        "ORDER BY r.at, r.rate), string_agg(CAST(r.rate AS text), E'\\n' ORDER BY r.at, r.rate) FROM ("
        f"SELECT {_END_OF_DAY} AS at, currency, into_currency, rate FROM ({_STATED}) s "
        f"UNION ALL SELECT * FROM ({_KEPT.format(distinct=distinct, order=order)}) k) r WHERE r.rate > 0 "
        "GROUP BY r.currency, r.into_currency"
    ).bindparams(bindparam("currencies", type_=ARRAY(String)))
    for resolution, distinct, order in (
        ("hour", "", ""),
        (
            "day",
            "DISTINCT ON (f.currency, f.into_currency, f.as_of)",
            "ORDER BY f.currency, f.into_currency, f.as_of, f.at DESC",
        ),
    )
}


class AccountRows(NamedTuple):
    """What is kept of an account: so many rows, and a text of lines for each of ``_FIELDS``."""

    account: str
    resolution: Resolution
    rows: int
    columns: tuple[str, ...]


async def rows_of(
    reader: Reader,
    accounts: Sequence[str],
    resolution: Resolution,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[AccountRows]:
    """The rows of each account that ended from one time to another, both included, oldest first."""
    bounds = {"resolution": resolution, "since": since or FIRST, "until": until or LAST}
    found = []
    for account in accounts:
        count, *columns = (await reader.execute(_rows, {**bounds, "account": account})).one()
        found.append(AccountRows(account, resolution, count, (*columns,) if count else ("",) * len(_FIELDS)))
    return found


def recorded(rows: AccountRows) -> Rows:
    """What the rows of an account say."""
    seconds, day, source, value, came, pnl, cash, gross, quality, told, currency = (
        _lines(column, rows.rows) for column in rows.columns
    )
    by_the_day = rows.resolution == "day"
    ends_at = Instants(np.array([int(one) for one in seconds], dtype=np.int64))
    return Rows(
        [date.fromisoformat(one) for one in day] if by_the_day else ends_at,
        ends_at,
        cast("list[Source]", source),
        [one or None for one in currency],
        [Decimal(one) for one in value],
        _amounts(came),
        _amounts(pnl),
        _floats(cash),
        _floats(gross),
        cast("list[Quality]", quality),
        [one == "1" for one in told],
    )


class PairRates(NamedTuple):
    """What was told of one currency in another: times in microseconds since 1970 and rates, a line each."""

    currency: str
    into: str
    times: str
    rates: str


async def rates_between(
    reader: Reader,
    currencies: Sequence[str],
    resolution: Resolution,
    *,
    since: datetime,
    until: datetime,
) -> list[PairRates]:
    """What these currencies were worth in each other, from a week before one time to another, as text."""
    began = max(since, FIRST + HOLDS_FOR) - HOLDS_FOR
    named = {
        "currencies": sorted(currencies),
        "since": began,
        "until": until,
        "first": (began - timedelta(days=1)).date(),
        "last": until.date(),
    }
    return [PairRates(*row) for row in await reader.execute(_rates_of[resolution], named)]


def told_rates(pair: PairRates) -> ToldRates:
    """The rates of a pair that ``rates_between`` read, oldest first."""
    return ToldRates(
        pair.currency,
        pair.into,
        np.array([int(one) for one in pair.times.split("\n")], dtype=np.int64),
        [Decimal(one) for one in pair.rates.split("\n")],
    )


def _lines(column: str, rows: int) -> list[str]:
    """The lines of a column, of which there are so many; quickly where all are the same."""
    first = column.split("\n", 1)[0]
    if len(column) == rows * (len(first) + 1) - 1 and column == "\n".join([first] * rows):
        return [first] * rows
    lines: list[str] = []
    begin = 0
    while begin <= len(column) and rows:
        end = column.find("\n", begin + _CHARACTERS)
        end = len(column) if end < 0 else end
        lines += column[begin:end].split("\n")
        begin = end + 1
    return lines


def _amounts(spelled: Sequence[str]) -> Amounts:
    return [(Decimal(one) if one != "0" else ZERO) if one else None for one in spelled]


def _floats(spelled: Sequence[str]) -> Floats:
    return np.array([one or "nan" for one in spelled], dtype=np.float64)
