"""The two ends of an attribution: the value that was told last by then, what was held, cash and rates.

A snapshot is of its moment, a statement's day of its end. Nothing is made up between the two.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.domain.account_values import BASE_SUMMARY
from core.domain.days import day_of, end_of, held_at, moment_of
from core.domain.measures.attribution import PartKind
from core.domain.measures.explained import Worth
from core.domain.performance import Source
from core.domain.pnl import EXACT
from models.queries.placed import NO_HOLDINGS
from models.session import Reader
from models.standing import NEWEST_FIRST, STANDING, newest

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

_snapshot = text(
    "SELECT id, asof_ts, hour, net_liquidation, base_currency FROM snapshots "
    "WHERE account = :account AND asof_ts <= :at AND thinned_at IS NULL "
    "ORDER BY asof_ts DESC, id DESC LIMIT 1"
)
# A day's value counts before the start of a change, which is what came before it.
_stated = text(
    "SELECT day, value, currency FROM (SELECT * FROM (SELECT m.day, m.net_liquidation AS value, m.currency, "  # noqa: S608 - constants of this program's own
    "1 AS rank FROM performance_metrics m WHERE m.account = :account AND m.resolution = 'day' "
    "AND m.source = 'statement' AND m.ts <= :at AND m.day <= :day ORDER BY m.ts DESC LIMIT 1) m UNION ALL "
    "SELECT * FROM (SELECT c.starts_on - 1, c.starting, c.currency, 2 "
    f"FROM stated_changes c {STANDING.format('c')} WHERE c.account = :account AND c.starts_on <= :following "
    f"ORDER BY c.starts_on DESC, {NEWEST_FIRST} LIMIT 1) c) u ORDER BY day DESC, rank LIMIT 1"
)
_first = text(
    "SELECT (SELECT s.asof_ts FROM snapshots s WHERE s.account = :account "  # noqa: S608 - as above
    "AND s.thinned_at IS NULL ORDER BY s.account, s.asof_ts "
    "LIMIT 1) AS snapshot, least((SELECT m.day FROM performance_metrics m WHERE m.account = :account "
    "AND m.resolution = 'day' AND m.source = 'statement' ORDER BY m.ts LIMIT 1), (SELECT c.starts_on - 1 "
    f"FROM stated_changes c {STANDING.format('c')} WHERE c.account = :account ORDER BY c.starts_on LIMIT 1)) "
    "AS day"
)
# A segment of an account (futures at another of the broker's companies) is named by a letter behind its id,
# and what it holds and has in cash is told with the account's, unless its cash is told apart.
_accounts = text(
    "SELECT o.account FROM broker_accounts o WHERE o.account = :account OR (left(o.account, -1) = :account "
    "AND right(o.account, 1) ~ '[A-Z]' AND (SELECT k.currency FROM cash_balances k "
    "WHERE k.account = o.account AND k.import_id IS NOT NULL ORDER BY k.account, k.currency LIMIT 1) "
    "IS NULL) ORDER BY 1"
)
_snapshot_holdings = text(
    "SELECT p.conid, p.quantity, p.market_value FROM snapshot_positions p JOIN instruments n USING (conid) "  # noqa: S608 - as above
    f"WHERE p.snapshot_id = :id AND p.asof_ts = :at AND n.sec_type NOT IN ({NO_HOLDINGS})"
)
_snapshot_cash = text("SELECT currency, cash FROM cash_balances WHERE snapshot_id = :id")
_snapshot_rates = text("SELECT currency, rate FROM fx_rates WHERE snapshot_id = :id")
_HELD = newest(
    "stated_positions p",
    ("account", "conid"),
    columns="p.account, p.conid, p.quantity, p.mark_price, p.market_value",
    where="p.account = ANY(:accounts) AND p.as_of >= :morning AND p.as_of < :night",
)
_stated_holdings = text(
    "SELECT h.conid, h.quantity, CASE WHEN h.quantity = 0 THEN 0 ELSE coalesce(h.market_value, "  # noqa: S608 - as above
    f"h.quantity * h.mark_price * n.multiplier / n.price_magnifier) END AS value FROM ({_HELD}) h "
    "JOIN instruments n USING (conid)"
)
_inventory = text(
    f"SELECT EXISTS (SELECT FROM stated_inventories v {STANDING.format('v')} "  # noqa: S608 - as above
    "WHERE v.account = :account AND v.as_of = :day)"
)
_ledger = text(
    "SELECT p.conid, sum(e.quantity) AS quantity FROM positions p JOIN instruments n USING (conid) "  # noqa: S608 - as above
    "JOIN position_events e ON e.position_id = p.id AND e.executed_at <= "
    "CASE WHEN n.sec_type IN ('FUT', 'FOP') THEN CAST(:early AS timestamptz) "
    "ELSE CAST(:late AS timestamptz) END "
    "WHERE p.account = ANY(:accounts) AND tstzrange(p.opened_at, p.closed_at) && "
    "tstzrange(:early, :late, '[]') "
    f"AND n.sec_type NOT IN ({NO_HOLDINGS}) GROUP BY p.conid"
)
_BALANCES = newest(
    "cash_balances b",
    ("currency",),
    columns="b.currency, b.cash",
    where="b.account = :account AND b.as_of = :day AND b.import_id IS NOT NULL",
)
_BEFORE = newest(
    "cash_balances b",
    ("currency",),
    columns="b.currency, b.starting_cash",
    where="b.account = :account AND b.starts_on = :following AND b.import_id IS NOT NULL "
    "AND b.starting_cash IS NOT NULL",
)
_stated_cash = text(f"SELECT * FROM ({_BEFORE}) s UNION ALL SELECT * FROM ({_BALANCES}) b")  # noqa: S608 - as above
_accrued = text(
    newest(
        "stated_values v",
        ("as_of",),
        columns="v.accruals, v.dividend_accruals",
        where="v.account = :account AND v.as_of = :day",
    )
)
_contributions = text(
    "SELECT count(*) AS days, bool_and(net_contribution IS NOT NULL) AS known, "
    "sum(net_contribution) AS amount, bool_or(data_quality = 'estimated') AS estimated "
    "FROM performance_metrics WHERE account = :account AND resolution = 'day' AND source = 'statement' "
    "AND ts > :since AND ts <= :until"
)
# An hour that waits has no contribution: the next one counts since before it.
_by_hour = text(
    "SELECT min(since) AS first, max(ts) AS last, bool_and(net_contribution IS NOT NULL) AS known, "
    "sum(net_contribution) AS amount, bool_or(data_quality = 'estimated') AS estimated "
    "FROM performance_metrics WHERE account = :account AND resolution = 'hour' AND source = 'snapshot' "
    "AND trades_until IS NOT NULL AND ts > :since AND ts <= :until"
)


class Moment(NamedTuple):
    """An end and what the account was worth at it. A statement's has its ``day``, a snapshot its ``id``.

    ``hour`` is the end of which hour it is; ``None``: of none.
    """

    source: Source
    as_of: datetime
    value: Decimal
    currency: str | None
    day: date | None = None
    snapshot_id: int | None = None
    hour: datetime | None = None


class Stock(NamedTuple):
    """What was held at an end, by conid, and cash and rates by currency. ``cash`` is ``None``: none told.

    What is not ``listed`` was not held where the list is ``complete``. Of a statement that lists no holdings
    the quantities are the ledger's, without values. ``accrued`` is what was earned or owed and not paid yet.
    """

    listed: Mapping[int, Worth]
    complete: bool
    cash: Mapping[str, Decimal] | None
    rates: Mapping[str, Decimal]
    accrued: Mapping[PartKind, Decimal] | None = None


class Contributed(NamedTuple):
    """What days of statements, or hours, say of the owner's money between two ends; ``None``: not known."""

    amount: Decimal | None
    estimated: bool


async def moment_by(reader: Reader, account: str, at: datetime) -> Moment | None:
    """The value told last by ``at``: a snapshot's, unless a statement tells of more than an hour later.

    A snapshot says more of what was held than a day's value does.
    """
    row = (await reader.execute(_snapshot, {"account": account, "at": at})).one_or_none()
    snapshot = None
    if row is not None:
        snapshot = Moment(
            "snapshot", row.asof_ts, row.net_liquidation, row.base_currency, None, row.id, row.hour
        )
    last = day_of(at) - _DAY
    asked = {"account": account, "at": at, "day": last, "following": last + _DAY}
    told = (await reader.execute(_stated, asked)).one_or_none()
    if told is None:
        return snapshot
    end = end_of(told.day)
    stated = Moment("statement", end, told.value, told.currency, told.day, hour=end)
    return stated if snapshot is None or stated.as_of > snapshot.as_of + _HOUR else snapshot


async def first_known(reader: Reader, account: str) -> datetime | None:
    """Of when the first value is that is known of an account."""
    row = (await reader.execute(_first, {"account": account})).one()
    known = [row.snapshot, None if row.day is None else end_of(row.day)]
    return min((one for one in known if one is not None), default=None)


async def own_accounts(reader: Reader, account: str) -> list[str]:
    """The account and its segments whose figures are in it."""
    return [row.account for row in await reader.execute(_accounts, {"account": account})]


async def stock_at(reader: Reader, account: str, accounts: Sequence[str], end: Moment) -> Stock:
    """What was held at an end."""
    if end.day is None:
        return await _of_snapshot(reader, end)
    return await _of_statement(reader, account, accounts, end.day)


async def contributed(reader: Reader, account: str, before: Moment, after: Moment) -> Contributed | None:
    """What the owner brought less what he took between two ends, as far as performance was reckoned of it.

    ``None``: it was not, for one of them is neither a statement's day nor of an hour.
    """
    if before.day is not None and after.day is not None:
        return await _by_days(reader, account, before.as_of, after.as_of)
    if before.hour is None or after.hour is None:
        return None
    asked = {"account": account, "since": before.hour, "until": after.hour}
    row = (await reader.execute(_by_hour, asked)).one()
    if (row.first, row.last) != (before.hour, after.hour):
        return None
    return Contributed(row.amount if row.known else None, bool(row.estimated))


async def _by_days(reader: Reader, account: str, since: datetime, until: datetime) -> Contributed:
    asked = {"account": account, "since": since, "until": until}
    row = (await reader.execute(_contributions, asked)).one()
    amount = row.amount if row.days and row.known else None
    return Contributed(amount, bool(row.estimated))


async def _of_snapshot(reader: Reader, end: Moment) -> Stock:
    asked: dict[str, Any] = {"id": end.snapshot_id, "at": end.as_of}
    held = await reader.execute(_snapshot_holdings, asked)
    cash = await reader.execute(_snapshot_cash, {"id": end.snapshot_id})
    balances = {row.currency: row.cash for row in cash if row.currency != BASE_SUMMARY}
    rates = await reader.execute(_snapshot_rates, {"id": end.snapshot_id})
    return Stock(
        {row.conid: Worth(row.quantity, row.market_value) for row in held},
        complete=True,
        cash=balances or None,
        rates={row.currency: row.rate for row in rates},
    )


async def _of_statement(reader: Reader, account: str, accounts: Sequence[str], day: date) -> Stock:
    asked: dict[str, Any] = {
        "account": account,
        "accounts": list(accounts),
        "day": day,
        "following": day + _DAY,
        "morning": moment_of(day, time()),
        "night": end_of(day),
    }
    listed: dict[int, Worth] = {}
    for row in await reader.execute(_stated_holdings, asked):
        other = listed.get(row.conid, Worth(Decimal(0), Decimal(0)))
        value = None if row.value is None or other.value is None else row.value + other.value
        listed[row.conid] = Worth(row.quantity + other.quantity, value)
    complete: bool = (await reader.execute(_inventory, asked)).scalar_one()
    if not complete:
        early, late = held_at(day, "FUT"), held_at(day, "STK")
        held = await reader.execute(_ledger, {"accounts": list(accounts), "early": early, "late": late})
        for row in held:
            listed.setdefault(row.conid, Worth(row.quantity, None if row.quantity else Decimal(0)))
    cash = {row.currency: row[1] for row in await reader.execute(_stated_cash, asked)}
    cash.pop(BASE_SUMMARY, None)
    return Stock(listed, complete, cash or None, {}, await _accruals_of(reader, account, day))


async def _accruals_of(reader: Reader, account: str, day: date) -> dict[PartKind, Decimal] | None:
    row = (await reader.execute(_accrued, {"account": account, "day": day})).one_or_none()
    if row is None or row.accruals is None or row.dividend_accruals is None:
        return None
    dividends = row.dividend_accruals
    return {"dividends": dividends, "interest": EXACT.subtract(row.accruals, dividends)}
