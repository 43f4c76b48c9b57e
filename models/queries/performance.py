"""What accounts were worth and were given, as statements state it, and the performance that came of it."""

from datetime import date, datetime
from decimal import Decimal
from operator import eq, ge, lt
from typing import Any, NamedTuple

from sqlalchemy import Select, or_, select, text, tuple_

from core.domain.days import BROKER_ZONE
from core.domain.hours import StatedFlow
from core.domain.performance import Contribution, DayFlow, DayValue, Quality, Resolution, Source
from models.queries.anchors import DAY_BY_TIME
from models.queries.narrowing import narrowed
from models.session import Reader, Writer
from models.standing import NEWEST_FIRST, STANDING, newest
from models.tables import performance_metrics

DAY = f"coalesce({{0}}.reported_on, CAST({{0}}.at AT TIME ZONE '{BROKER_ZONE}' AS date))"
"""The broker's day of a row of what a statement states, in which ``{0}`` has ``at`` and ``reported_on``."""
_ACCOUNTS = (
    *("stated_values", "stated_changes", "cash_flows", "corporate_actions", "stated_positions"),
    *("cash_balances", "stated_trades", "stated_lots", "stated_periods", "stated_accounts"),
)
# Whose rows may be valued with a rate of this import, too; and an account's cash is told with that of its
# segments, which are named by a letter behind its id.
_stated = " UNION ".join(f"SELECT account FROM {name} WHERE import_id = :id" for name in _ACCOUNTS)  # noqa: S608 - names of this program's own
_accounts_of = text(
    f"WITH stated AS ({_stated}), "  # noqa: S608 - as above
    "rates AS (SELECT DISTINCT currency FROM fx_rates WHERE import_id = :id), "
    "valued AS (SELECT f.account FROM cash_flows f JOIN rates USING (currency) "
    "WHERE f.external AND f.fx_rate_to_base IS NULL "
    "UNION SELECT e.account FROM corporate_actions e JOIN instruments n USING (conid) "
    "JOIN rates USING (currency) WHERE e.cause = 'transfer' AND e.fx_rate_to_base IS NULL "
    "UNION SELECT p.account FROM stated_positions p JOIN instruments n USING (conid) "
    "JOIN rates USING (currency)), "
    "concerned AS (SELECT account FROM stated UNION SELECT account FROM valued) "
    "SELECT account FROM concerned UNION SELECT a.account FROM concerned c JOIN broker_accounts a "
    "ON (a.account = left(c.account, -1) AND right(c.account, 1) ~ '[A-Z]') "
    "OR (left(a.account, -1) = c.account AND right(a.account, 1) ~ '[A-Z]')"
)
_begins = text(
    "SELECT u.account, CAST(min(u.day) AS timestamp) AT TIME ZONE CAST(:zone AS text) AS at FROM ("  # noqa: S608 - as above
    "SELECT account, starts_on AS day FROM stated_changes WHERE import_id = :id "
    "UNION ALL SELECT account, as_of FROM stated_values WHERE import_id = :id "
    f"UNION ALL SELECT account, {DAY.format('f')} FROM cash_flows f WHERE f.import_id = :id "
    f"UNION ALL SELECT account, {DAY.format('e')} FROM corporate_actions e WHERE e.import_id = :id"
    ") u GROUP BY u.account ORDER BY u.account"
)
_base = text(
    f"SELECT coalesce((SELECT v.currency FROM stated_values v {STANDING.format('v')} "  # noqa: S608 - as above
    "WHERE v.account = a.account AND v.currency IS NOT NULL "
    f"ORDER BY v.as_of DESC, {NEWEST_FIRST} LIMIT 1), a.base_currency) AS currency "
    "FROM broker_accounts a WHERE a.account = :account"
)
# A value that is stated counts before the end of a stated change, and both before the start of one, which is
# what came before another and no row of its own. Of a day's holdings those count that were written last.
_values = text(
    "SELECT DISTINCT ON (u.day) u.day, u.net_liquidation, u.cash, u.gross, h.unrealized, "  # noqa: S608 - as above
    "coalesce(u.currency, CAST(:base AS text)) AS currency, u.import_id, u.rank < 3 AS listed FROM ("
    "SELECT v.account, v.as_of AS day, v.net_liquidation, v.cash, v.gross, v.currency, v.import_id, "
    f"1 AS rank, i.stated_at FROM stated_values v {STANDING.format('v')} WHERE v.account = :account "
    "UNION ALL SELECT c.account, c.ends_on, c.ending, NULL, NULL, c.currency, c.import_id, 2, i.stated_at "
    f"FROM stated_changes c {STANDING.format('c')} WHERE c.account = :account "
    "UNION ALL SELECT c.account, c.starts_on - 1, c.starting, NULL, NULL, c.currency, c.import_id, 3, "
    f"i.stated_at FROM stated_changes c {STANDING.format('c')} WHERE c.account = :account) u LEFT JOIN ("
    "SELECT d.day, CASE WHEN bool_and(p.unrealized_pnl IS NOT NULL AND (n.currency = CAST(:base AS text) OR "
    "r.rate IS NOT NULL)) THEN sum(p.unrealized_pnl * CASE WHEN n.currency = CAST(:base AS text) THEN 1 "
    "ELSE r.rate END) END AS unrealized FROM (SELECT DISTINCT ON (1) "
    f"CAST(p.as_of AT TIME ZONE '{BROKER_ZONE}' AS date) AS day, p.import_id FROM stated_positions p "
    f"{STANDING.format('p')} WHERE p.account = :account ORDER BY 1, {NEWEST_FIRST}) d "
    "JOIN stated_positions p ON p.import_id = d.import_id AND p.account = :account AND NOT p.implied "
    f"AND CAST(p.as_of AT TIME ZONE '{BROKER_ZONE}' AS date) = d.day JOIN instruments n USING (conid) "
    "LEFT JOIN fx_rates r ON r.import_id = p.import_id AND r.as_of = d.day AND r.currency = n.currency "
    "AND r.into_currency = CAST(:base AS text) GROUP BY d.day"
    ") h ON h.day = u.day AND u.rank < 3 "
    "ORDER BY u.day, u.rank, u.stated_at DESC, u.import_id DESC"
)
_contributions = text(
    newest(
        "stated_changes c",
        ("starts_on", "ends_on"),
        columns="c.starts_on, c.ends_on, c.contribution",
        where="c.account = :account",
    )
)
_RATE = (
    f"LEFT JOIN LATERAL (SELECT r.rate FROM fx_rates r {STANDING.format('r')} "  # noqa: S608 - as above
    "WHERE r.currency = f.currency AND r.into_currency = CAST(:base AS text) "
    "AND r.as_of BETWEEN f.day - 7 AND f.day AND f.fx_rate_to_base IS NULL "
    f"ORDER BY r.as_of DESC, {NEWEST_FIRST} LIMIT 1) r ON true"
)
_MARK = (
    f"LEFT JOIN LATERAL (SELECT p.mark_price FROM stated_positions p {STANDING.format('p')} "  # noqa: S608 - as above
    "WHERE p.account = e.account AND p.conid = e.conid AND NOT p.implied "
    f"AND CAST(p.as_of AT TIME ZONE '{BROKER_ZONE}' AS date) = e.day AND e.market_value IS NULL "
    f"ORDER BY {NEWEST_FIRST} LIMIT 1) p ON true"
)
# What was traded elsewhere and brought here was paid for: it is no gift. A future is worth nothing by itself.
_MOVED = newest(
    "cash_flows c",
    ("flow_key",),
    columns=f"c.account, {DAY.format('c')} AS day, c.amount, c.currency, c.fx_rate_to_base, "
    "false AS estimated, c.at, c.amount AS cash",
    where="c.account = :account AND c.external",
)
_TRANSFERRED = newest(
    "corporate_actions c",
    ("event_key",),
    columns=f"c.*, {DAY.format('c')} AS day",
    where="c.account = :account AND c.cause = 'transfer'",
)
_BROUGHT = (
    f"WITH moved AS ({_MOVED}), events AS ({_TRANSFERRED}), "  # noqa: S608 - as above
    "brought AS (SELECT e.account, e.day, CASE WHEN n.sec_type = 'FUT' THEN 0 ELSE coalesce(e.market_value, "
    "e.quantity * p.mark_price * n.multiplier / n.price_magnifier) END AS amount, n.currency, "
    "e.fx_rate_to_base, e.market_value IS NULL AND n.sec_type <> 'FUT' AS estimated, e.at, "
    "CAST(NULL AS numeric) AS cash "
    f"FROM events e JOIN instruments n USING (conid) {_MARK} WHERE e.cash IS NULL)"
)
_EACH = (
    "SELECT f.day, f.at, f.cash, f.amount, f.currency, f.estimated, f.amount * CASE "  # noqa: S608 - as above
    "WHEN f.currency = CAST(:base AS text) THEN 1 ELSE coalesce(f.fx_rate_to_base, r.rate) END AS worth "
    f"FROM (SELECT * FROM moved UNION ALL SELECT * FROM brought) f {_RATE}"
)
FLOWS = (
    f"{_BROUGHT} SELECT f.day, CASE WHEN bool_and(f.worth IS NOT NULL) THEN sum(f.worth) END AS amount, "  # noqa: S608 - as above
    "bool_or(f.estimated) AS estimated, "
    "coalesce(sum(abs(f.amount)) FILTER (WHERE f.currency <> CAST(:base AS text)), 0) AS foreign_amount "
    f"FROM ({_EACH}) f GROUP BY f.day"
)
"""What the owner brought less what he took, by day."""

_each_flow = text(
    f"{_BROUGHT} SELECT f.day, f.at, f.cash, f.currency, f.worth, f.estimated FROM ({_EACH}) f "  # noqa: S608 - as above
    "ORDER BY f.at"
)
_flows = text(f"SELECT day, amount, estimated FROM ({FLOWS}) d ORDER BY day")  # noqa: S608 - as above

# A closing counts to the day that a statement reports it on, else to that of its time. What was adjusted
# stands at the time of what a statement tells.
_CLOSED = (
    "SELECT c.currency, c.realized, c.known, CASE WHEN c.exec_id IS NULL "  # noqa: S608 - as above
    f"THEN CAST(c.at AT TIME ZONE '{BROKER_ZONE}' AS date) "
    f"ELSE coalesce(t.day, {DAY_BY_TIME.format(at='c.at', sec_type='c.sec_type')}) END AS day FROM ("
    "SELECT n.currency, n.sec_type, d.exec_id, d.closed_at AS at, sum(d.realized_pnl) AS realized, "
    "count(*) = count(d.realized_pnl) AS known FROM positions p JOIN lot_disposals d ON d.position_id = p.id "
    "JOIN instruments n ON n.conid = p.conid WHERE p.account = :account AND n.sec_type <> 'CASH' "
    "GROUP BY 1, 2, 3, 4) c LEFT JOIN ("
    f"SELECT t.exec_id, min(t.reported_on) AS day FROM stated_trades t {STANDING.format('t')} "
    "WHERE t.account = :account AND t.outcome <> 'disputed' GROUP BY 1) t USING (exec_id)"
)
_realized = text(
    "SELECT f.day, CASE WHEN bool_and(f.known AND coalesce(f.rate, r.rate) IS NOT NULL) "  # noqa: S608 - as above
    "THEN sum(f.realized * coalesce(f.rate, r.rate)) END AS amount FROM ("
    "SELECT c.day, c.currency, sum(c.realized) AS realized, bool_and(c.known) AS known, "
    "CASE WHEN c.currency = CAST(:base AS text) THEN 1.0 END AS rate, "
    "CAST(NULL AS numeric) AS fx_rate_to_base "
    f"FROM ({_CLOSED}) c GROUP BY 1, 2) f {_RATE} GROUP BY f.day"
)
_periods_told = text(
    f"SELECT DISTINCT CAST(p.starts_at AT TIME ZONE '{BROKER_ZONE}' AS date) AS first, "  # noqa: S608 - as above
    f"CAST(p.ends_at AT TIME ZONE '{BROKER_ZONE}' AS date) - 1 AS last FROM stated_periods p "
    f"{STANDING.format('p')} WHERE p.account = :account AND p.complete"
)


class PerformanceKey(NamedTuple):
    """Where a row stands in the list: newest first."""

    ts: datetime
    account: str
    source: str


class PerformanceRow(NamedTuple):
    """What an account was worth, earned and was given in one bucket, and who told it."""

    account: str
    resolution: Resolution
    ts: datetime
    day: date
    source: Source
    currency: str | None
    net_liquidation: Decimal
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    daily_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    net_contribution: Decimal | None
    twr: Decimal | None
    drawdown: Decimal | None
    data_quality: Quality
    import_id: int | None


async def accounts_of_import(connection: Reader | Writer, import_id: int) -> set[str]:
    """The accounts of which an import states anything, or anything that they were valued with."""
    return {row.account for row in await connection.execute(_accounts_of, {"id": import_id})}


async def begins_of_import(connection: Reader | Writer, import_id: int) -> dict[str, datetime | None]:
    """Of the accounts of which an import states values or flows, when the first day of that began."""
    rows = await connection.execute(_begins, {"id": import_id, "zone": BROKER_ZONE.key})
    return {row.account: row.at for row in rows}


async def base_currency_of(connection: Reader | Writer, account: str) -> str | None:
    """The currency that an account's value is in, by its latest statement that says so."""
    return (await connection.execute(_base, {"account": account})).scalar_one_or_none()


async def stated_values_of(connection: Reader | Writer, account: str, base: str | None) -> list[DayValue]:
    """What an account was worth day by day, oldest first, by the imports that stand."""
    return [DayValue(*row) for row in await connection.execute(_values, {"account": account, "base": base})]


async def stated_flows_of(connection: Reader | Writer, account: str, base: str | None) -> list[DayFlow]:
    """What the owner brought and took day by day, oldest first, in the currency ``base``."""
    return [DayFlow(*row) for row in await connection.execute(_flows, {"account": account, "base": base})]


async def each_stated_flow_of(
    connection: Reader | Writer, account: str, base: str | None
) -> list[StatedFlow]:
    """The same one by one: what of it is cash, and when it is said to have come."""
    rows = await connection.execute(_each_flow, {"account": account, "base": base})
    return [StatedFlow(*row) for row in rows]


async def stated_contributions_of(connection: Reader | Writer, account: str) -> list[Contribution]:
    """What statements say of the owner's money as a whole; of one time the statement written last."""
    rows = await connection.execute(_contributions, {"account": account})
    return [Contribution(*row) for row in rows]


async def realized_by_day(
    connection: Reader | Writer, account: str, base: str | None
) -> dict[date, Decimal | None]:
    """What the ledger says that an account's closings of each day realized, in the currency ``base``.

    ``None`` where that of one is not known, or a rate is missing; days without a closing are left out.
    """
    rows = await connection.execute(_realized, {"account": account, "base": base})
    return {row.day: row.amount for row in rows}


async def periods_told(connection: Reader | Writer, account: str) -> list[tuple[date, date]]:
    """First and last days of the times of which statements tell all executions."""
    rows = await connection.execute(_periods_told, {"account": account})
    return [(row.first, row.last) for row in rows]


def performance_told(resolution: Resolution, source: Source | None = None) -> Select[Any]:
    """What ``performance_page`` lists, all of it and in no order."""
    table, stated = performance_metrics.c, performance_metrics.alias("stated")
    query = select(*(table[name] for name in PerformanceRow._fields)).where(table.resolution == resolution)
    if source is None and resolution == "day":
        # Looked up row by row: of NOT EXISTS a hash of all there is would be made.
        of_statement = select(stated.c.ts).where(
            stated.c.account == table.account,
            stated.c.resolution == table.resolution,
            stated.c.ts == table.ts,
            stated.c.source == "statement",
        )
        query = query.where(or_(table.source == "statement", of_statement.scalar_subquery().is_(None)))
    return query


async def performance_page(
    reader: Reader,
    *,
    resolution: Resolution,
    account: str | None = None,
    source: Source | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: PerformanceKey | None = None,
    limit: int,
) -> list[PerformanceRow]:
    """At most ``limit`` rows after ``after``, newest first.

    A day that both a statement and snapshots tell of is the statement's, unless a source is asked for.
    """
    table = performance_metrics.c
    query = (
        performance_told(resolution, source)
        .order_by(table.ts.desc(), table.account.desc(), table.source.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (table.account, eq, account),
        (table.source, eq, source),
        (table.ts, ge, since),
        (table.ts, lt, until),
        (tuple_(table.ts, table.account, table.source), lt, after),
    )
    return [PerformanceRow._make(row) for row in await reader.execute(query)]
