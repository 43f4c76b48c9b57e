"""How money was placed: what accounts held by their last snapshot, and what they bought and sold."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.days import BROKER_ZONE
from core.domain.snapshots import CASH_LIKE
from models.session import Reader
from models.types import String

NO_HOLDINGS: Final = ", ".join(f"'{name}'" for name in sorted(CASH_LIKE))
"""What is no holding, though it has a book, as PostgreSQL lists it."""

_newest = text(
    "SELECT s.account, s.id, s.asof_ts, s.net_liquidation, s.base_currency "
    "FROM unnest(CAST(:accounts AS text[])) AS a(account) CROSS JOIN LATERAL ("
    "SELECT * FROM snapshots s WHERE s.account = a.account AND s.asof_ts <= :until "
    # What was thinned says nothing of what was held.
    "AND s.thinned_at IS NULL "
    "ORDER BY s.asof_ts DESC, s.id DESC LIMIT 1) s ORDER BY s.account"
).bindparams(bindparam("accounts", type_=ARRAY(String)))
# The time names the month that its rows are in.
_held = text(
    "SELECT p.conid, i.symbol, p.market_value_base FROM snapshot_positions p "  # noqa: S608 - constants of this program's own
    "JOIN instruments i USING (conid) WHERE p.snapshot_id = :id AND p.asof_ts = :asof_ts AND p.quantity <> 0 "
    f"AND i.sec_type NOT IN ({NO_HOLDINGS})"
)
# Only what is paid for when it is traded: neither currencies, nor what is settled by difference, nor combos,
# whose legs are traded.
_traded = text(
    f"SELECT CAST(e.executed_at AT TIME ZONE '{BROKER_ZONE.key}' AS date) AS day, n.currency, e.side, "  # noqa: S608 - no input in it
    "sum(e.quantity * e.price * n.multiplier / n.price_magnifier) AS amount "
    "FROM executions e JOIN instruments n USING (conid) WHERE e.account = :account "
    "AND e.executed_at > :since AND e.executed_at <= :until AND e.corrected_by IS NULL AND e.quantity <> 0 "
    "AND n.sec_type NOT IN ('CASH', 'BAG', 'FUT', 'CFD') GROUP BY 1, 2, 3"
)


class HeldValue(NamedTuple):
    """What a holding was worth in its account's base currency; ``None``: not known."""

    conid: int
    symbol: str
    value: Decimal | None


class Placed(NamedTuple):
    """What an account was worth and held at its last snapshot."""

    account: str
    asof_ts: datetime
    net_liquidation: Decimal
    currency: str
    holdings: tuple[HeldValue, ...]


class TradedValue(NamedTuple):
    """What was bought (``BOT``) or sold (``SLD``) on a day in one currency, above zero."""

    day: date
    currency: str
    side: str
    amount: Decimal


async def placed_at(reader: Reader, accounts: Sequence[str], until: datetime) -> list[Placed]:
    """The last snapshot of each account up to a time; an account without one is left out."""
    newest = (await reader.execute(_newest, {"accounts": list(accounts), "until": until})).all()
    found = []
    for row in newest:
        held = await reader.execute(_held, {"id": row.id, "asof_ts": row.asof_ts})
        holdings = tuple(HeldValue(*one) for one in held)
        found.append(Placed(row.account, row.asof_ts, row.net_liquidation, row.base_currency, holdings))
    return found


async def traded_between(
    reader: Reader, accounts: Sequence[str], since: datetime, until: datetime
) -> list[TradedValue]:
    """What accounts bought and sold after one time, up to another."""
    found: list[TradedValue] = []
    for account in accounts:
        rows = await reader.execute(_traded, {"account": account, "since": since, "until": until})
        found += [TradedValue(*row) for row in rows]
    return found
