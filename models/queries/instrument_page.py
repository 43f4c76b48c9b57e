"""What a page about one instrument tells of it: what became of its positions, what it paid, its last mark."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.stated import CashKind
from models.session import Reader
from models.standing import newest
from models.types import String

_ACCOUNTS: Final = bindparam("accounts", type_=ARRAY(String))
INCOME: Final[tuple[CashKind, ...]] = ("dividend", "payment_in_lieu", "withholding_tax", "bond_interest")
"""What an instrument pays, and what is kept back of it."""

_KINDS: Final = ", ".join(f"'{kind}'" for kind in INCOME)
_outcome: Final = text(
    "SELECT count(*) FILTER (WHERE p.status = 'open') AS open, "
    "count(*) FILTER (WHERE p.status = 'closed') AS closed, sum(p.realized_pnl) AS realized, "
    "count(*) FILTER (WHERE p.realized_pnl IS NULL) AS unknown, "
    "coalesce(sum(p.commission), 0) AS commission, "
    "coalesce(bool_or(p.provisional), false) AS provisional, min(p.opened_at) AS first_opened_at, "
    "max(p.closed_at) AS last_closed_at FROM positions p "
    "WHERE p.conid = :conid AND p.account = ANY(:accounts)"
).bindparams(_ACCOUNTS)
_income: Final = text(
    "SELECT f.kind, f.currency, sum(f.amount) AS amount, count(*) AS flows, max(f.at) AS last_at FROM ("  # noqa: S608 - words of this program's own
    + newest(
        "cash_flows c",
        ("account", "flow_key"),
        columns="c.kind, c.currency, c.amount, c.at",
        where=f"c.conid = :conid AND c.account = ANY(:accounts) AND c.kind IN ({_KINDS})",
    )
    + ") f GROUP BY f.kind, f.currency ORDER BY f.kind, f.currency"
).bindparams(_ACCOUNTS)
_mark: Final = text(
    "SELECT market_price AS price, coalesce(priced_at, as_of) AS as_of FROM marks "
    "WHERE conid = :conid AND account = ANY(:accounts) AND market_price IS NOT NULL "
    "ORDER BY 2 DESC LIMIT 1"
).bindparams(_ACCOUNTS)


class Outcome(NamedTuple):
    """What became of an instrument's positions; amounts in its currency.

    ``realized`` is of those of which it is known, and ``unknown`` of them are not.
    """

    open: int
    closed: int
    realized: Decimal | None
    unknown: int
    commission: Decimal
    provisional: bool
    first_opened_at: datetime | None
    last_closed_at: datetime | None


class Income(NamedTuple):
    """What it paid (or, negative, what was kept back) in one currency, as statements tell of it."""

    kind: CashKind
    currency: str
    amount: Decimal
    flows: int
    last_at: datetime


class LastMark(NamedTuple):
    """The last price that the broker told of it, as quoted, and when it was told."""

    price: Decimal
    as_of: datetime


async def outcome_of(reader: Reader, conid: int, accounts: Sequence[str]) -> Outcome:
    """What became of its positions in these accounts."""
    row = (await reader.execute(_outcome, {"conid": conid, "accounts": list(accounts)})).one()
    return Outcome._make(row)


async def income_of(reader: Reader, conid: int, accounts: Sequence[str]) -> list[Income]:
    """What it paid these accounts, by kind and currency."""
    rows = await reader.execute(_income, {"conid": conid, "accounts": list(accounts)})
    return [Income._make(row) for row in rows]


async def last_mark_of(reader: Reader, conid: int, accounts: Sequence[str]) -> LastMark | None:
    """The last mark of it that one of these accounts was told; ``None``: none was."""
    row = (await reader.execute(_mark, {"conid": conid, "accounts": list(accounts)})).one_or_none()
    return None if row is None else LastMark._make(row)
