"""Rows of performance as they are kept, for series of accounts, and the rates that they are converted with.

A series may have a hundred thousand rows. They come as one text each account, so that nobody else of this
process is kept waiting while they are read; what is in it is read with ``recorded`` in a thread.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, cast

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.days import BROKER_ZONE
from core.domain.measures.recorded import Recorded
from core.domain.performance import Quality, Resolution, Source
from core.domain.rate_history import HOLDS_FOR, ToldRate
from models.session import Reader
from models.standing import newest
from models.types import String

FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""All the time there is, a day in: bounds are compared in other zones, too."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = (
    *("CAST(extract(epoch FROM p.ts) AS bigint)", "p.day", "p.source", "p.net_liquidation"),
    *("p.net_contribution", "p.daily_pnl", "p.total_cash", "p.gross_position_value", "p.data_quality"),
    *("CAST(p.twr IS NOT NULL AS int)", "translate(p.currency, E'|\\n', '')"),
)
_LINE: Final = ", '|', ".join(_FIELDS)
# A statement's row stands before a snapshot's of the same time.
_rows = text(
    f"SELECT string_agg(concat({_LINE}), E'\\n' ORDER BY p.ts, p.source DESC) "  # noqa: S608 - columns of this program's own
    "FROM performance_metrics p WHERE p.account = :account AND p.resolution = :resolution "
    "AND p.ts BETWEEN :since AND :until"
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
        f"SELECT {_END_OF_DAY} AS at, currency, into_currency, rate FROM ({_STATED}) s "  # noqa: S608 - as above
        f"UNION ALL SELECT * FROM ({_KEPT.format(distinct=distinct, order=order)}) k"
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
    """What is kept of an account, as text."""

    account: str
    resolution: Resolution
    lines: str


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
    return [
        AccountRows(
            account,
            resolution,
            (await reader.execute(_rows, {**bounds, "account": account})).scalar_one() or "",
        )
        for account in accounts
    ]


def recorded(rows: AccountRows) -> list[Recorded]:
    """What the rows of an account say."""
    return [*_recorded(rows)]


async def rates_between(
    reader: Reader,
    currencies: Sequence[str],
    resolution: Resolution,
    *,
    since: datetime,
    until: datetime,
) -> list[ToldRate]:
    """What these currencies were worth in each other, from a week before one time to another."""
    began = max(since, FIRST + HOLDS_FOR) - HOLDS_FOR
    named = {
        "currencies": sorted(currencies),
        "since": began,
        "until": until,
        "first": (began - timedelta(days=1)).date(),
        "last": until.date(),
    }
    return [ToldRate(*row) for row in await reader.execute(_rates_of[resolution], named)]


def _recorded(rows: AccountRows) -> Iterator[Recorded]:
    by_the_day = rows.resolution == "day"
    for line in rows.lines.split("\n") if rows.lines else ():
        seconds, day, source, value, came, pnl, cash, gross, quality, told, currency = line.split("|")
        ends_at = _EPOCH + timedelta(seconds=int(seconds))
        yield Recorded(
            date.fromisoformat(day) if by_the_day else ends_at,
            ends_at,
            cast("Source", source),
            currency or None,
            Decimal(value),
            _amount(came),
            _amount(pnl) if by_the_day else None,
            _amount(cash),
            _amount(gross),
            cast("Quality", quality),
            told == "1",
        )


def _amount(spelled: str) -> Decimal | None:
    return Decimal(spelled) if spelled else None
