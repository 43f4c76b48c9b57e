"""What came and went between two ends: trades, commissions, corporate actions, flows of cash.

A statement's day ends with what is told of it, whatever its time; a snapshot at its moment. Trades of an hour
are summed, since rates are told by the hour at most, and those that need no rate altogether.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from core.domain.episodes import Cause
from core.domain.stated import CashKind
from models.queries.anchors import DAY_BY_TIME
from models.queries.attribution.ends import Moment
from models.queries.performance import DAY
from models.session import Reader
from models.standing import NEWEST_FIRST, STANDING, newest

_APART: Final = timedelta(days=4)
"""What a statement counts to a day is never so far from it in time."""

_NEAR = "{0} BETWEEN CAST(:first AS timestamptz) AND CAST(:last AS timestamptz)"
_WITHIN = (
    "(CASE WHEN CAST(:since_day AS date) IS NULL THEN {at} > CAST(:since AS timestamptz) "
    "ELSE {day} > CAST(:since_day AS date) END) AND (CASE WHEN CAST(:until_day AS date) IS NULL "
    "THEN {at} <= CAST(:until AS timestamptz) ELSE {day} <= CAST(:until_day AS date) END)"
)
_BY_TIME = DAY_BY_TIME.format(at="e.executed_at", sec_type="n.sec_type")
_ADJUSTED_ON = DAY_BY_TIME.format(at="v.executed_at", sec_type="n.sec_type")
# Which told it last is asked of all that is told, not of what is near alone: of each by its key, which the
# OFFSET sees to.
_TOLD_LAST = (
    "NOT EXISTS (SELECT FROM {0} l JOIN imports j ON j.id = l.import_id AND j.status = 'done' "
    "WHERE l.{2} = {1}.{2} AND (j.stated_at, j.id) > (i.stated_at, i.id) "
    f"AND NOT ({_NEAR.format('l.at')}) OFFSET 0)"
)
# What a statement says of a day matters near the ends alone. A currency trade is in no book: a statement
# tells of it as two flows, and until one does it is known from the broker's word alone.
_DONE = f"""
    WITH covered AS (
        SELECT range_agg(tstzrange(p.starts_at, p.ends_at)) AS times
        FROM stated_periods p {STANDING.format("p")}
        WHERE p.account = ANY(:accounts) AND p.complete AND p.starts_at <= :last AND p.ends_at >= :first
    ),
    done AS MATERIALIZED (
        SELECT e.exec_id, e.conid, n.currency, n.symbol, n.sec_type, e.executed_at AS at,
            CASE e.side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END AS quantity, e.price,
            n.multiplier / n.price_magnifier AS points, e.corrected_by IS NULL AND e.quantity <> 0 AS counts,
            coalesce(t.day, {_BY_TIME}) AS day
        FROM executions e
        JOIN instruments n USING (conid)
        LEFT JOIN LATERAL (
            SELECT t.reported_on AS day
            FROM stated_trades t {STANDING.format("t")}
            WHERE t.exec_id = e.exec_id AND t.outcome <> 'disputed' AND t.reported_on IS NOT NULL
                AND (e.executed_at < :near_since OR e.executed_at > :near_until)
            ORDER BY {NEWEST_FIRST} LIMIT 1
        ) t ON true
        WHERE e.account = ANY(:accounts) AND {_NEAR.format("e.executed_at")} AND n.sec_type <> 'BAG'
            AND (n.sec_type <> 'CASH' OR NOT coalesce((SELECT times FROM covered) @> e.executed_at, false))
    )
"""  # noqa: S608 - constants of this program's own
# Both currencies of a pair need a rate, but for the base one.
_HOUR = (
    "CASE WHEN {0} = :base AND d.sec_type <> 'CASH' THEN NULL "
    "ELSE date_trunc('hour', d.at) + interval '30 minutes' END"
)
_trades = text(
    f"{_DONE} "  # noqa: S608 - as above
    f"SELECT d.conid, d.currency, d.symbol, d.sec_type, {_HOUR.format('d.currency')} AS at, "
    "sum(d.quantity) AS quantity, sum(d.quantity * d.price * d.points) AS amount FROM done d "
    f"WHERE d.counts AND {_WITHIN.format(at='d.at', day='d.day')} GROUP BY 1, 2, 3, 4, 5"
)
# A correction's commission is a difference: those of all versions count.
_commissions = text(
    f"{_DONE} "  # noqa: S608 - as above
    "SELECT d.conid, d.sec_type, coalesce(c.currency, d.currency) AS currency, "
    f"{_HOUR.format('coalesce(c.currency, d.currency)')} AS at, sum(c.commission) AS amount, "
    "count(*) FILTER (WHERE c.exec_id IS NULL AND d.counts) AS awaited FROM done d "
    f"LEFT JOIN commission_reports c USING (exec_id) WHERE {_WITHIN.format(at='d.at', day='d.day')} "
    "GROUP BY 1, 2, 3, 4"
)
_EVENTS = newest(
    "corporate_actions a",
    ("event_key",),
    columns=f"a.*, {DAY.format('a')} AS day",
    where=f"a.account = ANY(:accounts) AND {_NEAR.format('a.at')} "
    f"AND {_TOLD_LAST.format('corporate_actions', 'a', 'event_key')}",
)
# As the account's performance values what was transferred. What an option delivers of a future is worth its
# strike, which is not paid.
_events = text(
    f"""
    SELECT a.conid, a.at, a.cause, a.quantity, a.cash, a.event_group AS "group", a.fx_rate_to_base AS rate,
        coalesce(a.market_value, a.quantity * m.mark_price * n.multiplier / n.price_magnifier) AS worth,
        CASE WHEN n.sec_type = 'FUT' AND a.cause = 'exercise_or_assignment'
            THEN a.quantity * s.strike * n.multiplier / n.price_magnifier END AS delivered
    FROM ({_EVENTS}) a
    JOIN instruments n USING (conid)
    LEFT JOIN LATERAL (
        SELECT p.mark_price
        FROM stated_positions p {STANDING.format("p")}
        WHERE p.account = a.account AND p.conid = a.conid AND NOT p.implied AND a.cause = 'transfer'
            AND CAST(p.as_of AT TIME ZONE '{BROKER_ZONE}' AS date) = a.day AND a.market_value IS NULL
        ORDER BY {NEWEST_FIRST} LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT CASE WHEN min(o.strike) = max(o.strike) THEN min(o.strike) END AS strike
        FROM corporate_actions b
        JOIN instruments o ON o.conid = b.conid AND o.strike > 0
        WHERE b.account = a.account AND b.event_group = a.event_group AND a.event_group <> ''
    ) s ON n.sec_type = 'FUT'
    WHERE {_WITHIN.format(at="a.at", day="a.day")}
    """  # noqa: S608 - as above
)
# What the broker's live word says and no statement does.
_adjusted = text(
    f"""
    SELECT p.conid, v.executed_at AS at, v.cause, v.quantity
    FROM positions p
    JOIN instruments n USING (conid)
    JOIN position_events v ON v.position_id = p.id AND v.type = 'adjusted' AND v.exec_id IS NULL
    WHERE p.account = ANY(:accounts) AND p.opened_at <= :last
        AND (p.closed_at IS NULL OR p.closed_at >= :first) AND {_NEAR.format("v.executed_at")}
        AND n.sec_type NOT IN ('CASH', 'BAG')
        AND v.cause NOT IN ('opening_balance', 'missed_executions', 'unexplained')
        AND NOT EXISTS (SELECT FROM corporate_actions a {STANDING.format("a")} WHERE a.account = p.account
            AND a.conid = p.conid AND a.at = v.executed_at)
        AND {_WITHIN.format(at="v.executed_at", day=_ADJUSTED_ON)}
    """  # noqa: S608 - as above
)
_FLOWS = newest(
    "cash_flows f",
    ("flow_key",),
    columns=f"f.*, {DAY.format('f')} AS day",
    where=f"f.account = ANY(:accounts) AND {_NEAR.format('f.at')} "
    f"AND {_TOLD_LAST.format('cash_flows', 'f', 'flow_key')}",
)
_flows = text(
    "SELECT f.kind, f.external, f.at, f.amount, f.currency, f.fx_rate_to_base AS rate, f.conid, f.symbol, "  # noqa: S608 - as above
    f"n.sec_type FROM ({_FLOWS}) f LEFT JOIN instruments n USING (conid) "
    f"WHERE {_WITHIN.format(at='f.at', day='f.day')}"
)
_instruments = text(
    "SELECT conid, symbol, sec_type, currency FROM instruments WHERE conid = ANY(CAST(:conids AS bigint[]))"
)


class Traded(NamedTuple):
    """What was bought less what was sold of an instrument in an hour; ``at`` is ``None``: in base."""

    conid: int
    currency: str
    symbol: str
    sec_type: str
    at: datetime | None
    quantity: Decimal
    amount: Decimal


class Charged(NamedTuple):
    """Commissions in one currency; ``awaited``: so many were never told."""

    conid: int
    sec_type: str
    currency: str
    at: datetime | None
    amount: Decimal | None
    awaited: int


class Happened(NamedTuple):
    """A corporate action, a transfer, an exercise; ``worth`` is what was transferred."""

    conid: int
    at: datetime
    cause: Cause
    quantity: Decimal
    cash: Decimal | None = None
    group: str = ""
    rate: Decimal | None = None
    worth: Decimal | None = None
    delivered: Decimal | None = None
    is_stated: bool = True


class Flowed(NamedTuple):
    """A flow of cash."""

    kind: CashKind
    external: bool
    at: datetime
    amount: Decimal
    currency: str
    rate: Decimal | None
    conid: int | None
    symbol: str
    sec_type: str | None


class Named(NamedTuple):
    """What an instrument is called, and which kind it is."""

    conid: int
    symbol: str
    sec_type: str
    currency: str


class Moved(NamedTuple):
    """All that came and went."""

    trades: list[Traded]
    commissions: list[Charged]
    events: list[Happened]
    flows: list[Flowed]


async def moved_between(
    reader: Reader, accounts: list[str], base: str, since: Moment, until: Moment
) -> Moved:
    """What came and went after one end until the other."""
    near: dict[str, Any] = {
        "accounts": accounts,
        "since": since.as_of,
        "since_day": since.day,
        "until": until.as_of,
        "until_day": until.day,
        "first": since.as_of - _APART,
        "last": until.as_of + _APART,
    }
    traded = {**near, "base": base, "near_since": since.as_of + _APART, "near_until": until.as_of - _APART}
    trades = [Traded(*row) for row in await reader.execute(_trades, traded)]
    charged = [Charged(*row) for row in await reader.execute(_commissions, traded)]
    events = [Happened(*row) for row in await reader.execute(_events, near)]
    adjusted = await reader.execute(_adjusted, near)
    events += [Happened(row.conid, row.at, row.cause, row.quantity, is_stated=False) for row in adjusted]
    flows = [Flowed(*row) for row in await reader.execute(_flows, near)]
    return Moved(trades, charged, events, flows)


async def named(reader: Reader, conids: set[int]) -> dict[int, Named]:
    """The instruments with these numbers."""
    rows = await reader.execute(_instruments, {"conids": sorted(conids)})
    return {row.conid: Named(*row) for row in rows}
