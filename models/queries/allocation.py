"""What accounts hold by their newest snapshot, summed by what it is."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from core.domain.account_values import BASE_SUMMARY
from models.queries.placed import NO_HOLDINGS
from models.session import Reader
from models.types import String

Grouping: TypeAlias = Literal[
    "global_instrument", "asset_class", "currency", "country", "instrument", "account"
]

_SUMS: Final = (
    "sum(market_value_base) AS market_value, sum(long_value_base) AS long_value, "
    "sum(short_value_base) AS short_value, sum(holdings) AS holdings, "
    "sum(holdings_valued) AS holdings_valued, sum(holdings_fresh) AS holdings_fresh"
)
_OF_THESE: Final = "WHERE account = ANY(:accounts)"


def _by(key: str, name: str) -> str:
    return (
        f"SELECT account, net_liquidation, {key} AS key, {name} AS name, is_cash, {_SUMS} "  # noqa: S608 - words of this program's own
        f"FROM asset_allocation_by_global_instrument {_OF_THESE} GROUP BY 1, 2, 3, 4, 5"
    )


_LATEST: Final = f"(SELECT * FROM latest_snapshot_per_broker_account {_OF_THESE}) s"  # noqa: S608 - as above
_SIDES: Final = (
    "CASE WHEN count(worth) > 0 THEN coalesce(sum(worth) FILTER (WHERE worth > 0), 0) END AS long_value, "
    "CASE WHEN count(worth) > 0 THEN coalesce(sum(worth) FILTER (WHERE worth < 0), 0) END AS short_value, "
    "count(*) AS holdings, count(worth) AS holdings_valued, count(*) FILTER (WHERE fresh) AS holdings_fresh"
)
# Cash as the broker told it by currency; where it told the sum alone, in none of them.
_BY_CURRENCY: Final = (
    "SELECT account, net_liquidation, currency AS key, currency AS name, is_cash, "  # noqa: S608 - as above
    f"sum(worth) AS market_value, {_SIDES} "
    "FROM (SELECT s.account, s.net_liquidation, p.currency, false AS is_cash, p.market_value_base AS worth, "
    f"p.fresh FROM {_LATEST} JOIN snapshot_positions p ON p.snapshot_id = s.snapshot_id "
    "AND p.asof_ts = s.asof_ts JOIN instruments n ON n.conid = p.conid "
    f"AND n.sec_type NOT IN ({NO_HOLDINGS}) UNION ALL "
    "SELECT s.account, s.net_liquidation, c.currency, true, c.cash * CASE WHEN c.currency = s.base_currency "
    f"THEN 1 ELSE r.rate END, true FROM {_LATEST} JOIN cash_balances c ON c.snapshot_id = s.snapshot_id "
    f"AND c.currency <> '{BASE_SUMMARY}' LEFT JOIN fx_rates r ON r.snapshot_id = s.snapshot_id "
    "AND r.currency = c.currency AND r.into_currency = s.base_currency UNION ALL "
    f"SELECT s.account, s.net_liquidation, NULL, true, s.total_cash, s.total_cash IS NOT NULL FROM {_LATEST} "
    "WHERE NOT EXISTS (SELECT FROM cash_balances c WHERE c.snapshot_id = s.snapshot_id "
    f"AND c.currency <> '{BASE_SUMMARY}')) h GROUP BY 1, 2, 3, 4, 5"
)
_BY_INSTRUMENT: Final = (
    f"SELECT account, net_liquidation, key, name, is_cash, sum(worth) AS market_value, {_SIDES} "  # noqa: S608 - as above
    "FROM (SELECT s.account, s.net_liquidation, CAST(p.conid AS text) AS key, n.symbol AS name, "
    f"false AS is_cash, p.market_value_base AS worth, p.fresh FROM {_LATEST} JOIN snapshot_positions p "
    "ON p.snapshot_id = s.snapshot_id AND p.asof_ts = s.asof_ts JOIN instruments n ON n.conid = p.conid "
    f"AND n.sec_type NOT IN ({NO_HOLDINGS}) UNION ALL "
    "SELECT s.account, s.net_liquidation, NULL, 'Cash', true, s.total_cash, s.total_cash IS NOT NULL "
    f"FROM {_LATEST}) h GROUP BY 1, 2, 3, 4, 5"
)
_ROWS: Final[dict[Grouping, str]] = {
    "global_instrument": _by("global_instrument_id", "name"),
    "asset_class": _by("kind", "kind"),
    "country": _by("country", "country"),
    "currency": _BY_CURRENCY,
    "instrument": _BY_INSTRUMENT,
    "account": _by("account", "account"),
}
_ACCOUNTS: Final = bindparam("accounts", type_=ARRAY(String))
# What is beyond the largest is one row an account, so that all of them come to the whole.
_grouped = {
    by: text(
        "SELECT account, CASE WHEN is_rest THEN NULL ELSE min(key) END AS key, "  # noqa: S608 - as above
        "CASE WHEN is_rest THEN NULL ELSE min(name) END AS name, bool_and(is_cash) AS is_cash, is_rest, "
        "sum(market_value) AS market_value, sum(long_value) AS long_value, sum(short_value) AS short_value, "
        "CASE WHEN net_liquidation > 0 THEN sum(market_value) / net_liquidation END AS share, "
        "CAST(sum(holdings) AS bigint) AS holdings, CAST(sum(holdings_valued) AS bigint) AS holdings_valued, "
        "CAST(sum(holdings_fresh) AS bigint) AS holdings_fresh FROM "
        "(SELECT *, least(place, :top + 1) AS line, place > :top AS is_rest FROM "
        "(SELECT *, row_number() OVER (PARTITION BY account ORDER BY "
        f"abs(market_value) DESC NULLS LAST, is_cash, key, name) AS place FROM ({rows}) g) n) r "
        "GROUP BY account, net_liquidation, line, is_rest ORDER BY account, line"
    ).bindparams(_ACCOUNTS)
    for by, rows in _ROWS.items()
}
# The same of all accounts together, which is of some use where they share a currency.
_together = {
    by: text(
        "SELECT CASE WHEN is_rest THEN NULL ELSE min(key) END AS key, "  # noqa: S608 - as above
        "CASE WHEN is_rest THEN NULL ELSE min(name) END AS name, bool_and(is_cash) AS is_cash, is_rest, "
        "sum(market_value) AS market_value, sum(long_value) AS long_value, sum(short_value) AS short_value, "
        "CAST(NULL AS numeric) AS share, "
        "CAST(sum(holdings) AS bigint) AS holdings, CAST(sum(holdings_valued) AS bigint) AS holdings_valued, "
        "CAST(sum(holdings_fresh) AS bigint) AS holdings_fresh FROM "
        "(SELECT *, least(place, :top + 1) AS line, place > :top AS is_rest FROM "
        "(SELECT *, row_number() OVER (ORDER BY abs(market_value) DESC NULLS LAST, is_cash, key, name) "
        "AS place FROM (SELECT key, name, is_cash, sum(market_value) AS market_value, "
        "sum(long_value) AS long_value, sum(short_value) AS short_value, sum(holdings) AS holdings, "
        "sum(holdings_valued) AS holdings_valued, sum(holdings_fresh) AS holdings_fresh "
        f"FROM ({rows}) g GROUP BY 1, 2, 3) t) n) r GROUP BY line, is_rest ORDER BY line"
    ).bindparams(_ACCOUNTS)
    for by, rows in _ROWS.items()
}
_latest = text(
    "SELECT account, snapshot_id, asof_ts, base_currency, net_liquidation, total_cash, coverage "  # noqa: S608 - as above
    f"FROM {_LATEST} ORDER BY account"
).bindparams(_ACCOUNTS)


class LatestSnapshot(NamedTuple):
    """The newest snapshot of an account; amounts in ``base_currency``."""

    account: str
    snapshot_id: int
    asof_ts: datetime
    base_currency: str
    net_liquidation: Decimal
    total_cash: Decimal | None
    coverage: Decimal


class AllocationRow(NamedTuple):
    """What an account holds of one thing, in its base currency. ``is_rest``: of all that has no row."""

    account: str
    key: str | None
    name: str | None
    is_cash: bool
    is_rest: bool
    market_value: Decimal | None
    long_value: Decimal | None
    short_value: Decimal | None
    share: Decimal | None
    holdings: int
    holdings_valued: int
    holdings_fresh: int


class AllocationTotal(NamedTuple):
    """What several accounts hold of one thing together, in the currency that they share."""

    key: str | None
    name: str | None
    is_cash: bool
    is_rest: bool
    market_value: Decimal | None
    long_value: Decimal | None
    short_value: Decimal | None
    share: Decimal | None
    holdings: int
    holdings_valued: int
    holdings_fresh: int


async def latest_snapshots(reader: Reader, accounts: Sequence[str]) -> list[LatestSnapshot]:
    """The newest snapshot of each of these accounts."""
    rows = await reader.execute(_latest, {"accounts": list(accounts)})
    return [LatestSnapshot._make(row) for row in rows]


async def allocation(
    reader: Reader, by: Grouping, accounts: Sequence[str], *, top: int
) -> list[AllocationRow]:
    """What is held by account, the ``top`` largest of each and one row for the rest."""
    asked: dict[str, Any] = {"accounts": list(accounts), "top": top}
    return [AllocationRow._make(row) for row in await reader.execute(_grouped[by], asked)]


async def allocation_together(
    reader: Reader, by: Grouping, accounts: Sequence[str], *, top: int
) -> list[AllocationTotal]:
    """What accounts of one currency hold together: the ``top`` largest, and one row for the rest."""
    asked: dict[str, Any] = {"accounts": list(accounts), "top": top}
    return [AllocationTotal._make(row) for row in await reader.execute(_together[by], asked)]
