"""Cash, the account's value, what changed it, and its return."""

from typing import Final

from core.domain.disputes import MONEY_LEEWAY, RATE_LEEWAY, TWR_LEEWAY
from models.queries.anchors import DAY_BY_TIME
from models.queries.performance import DAY, FLOWS
from models.standing import newest

# A segment of an account (futures at another of the broker's companies) is an account of its own, named by a
# letter behind the id, and its cash is told together with the account's.
_OWN = """{0}.account = ANY(ARRAY(
            SELECT o.account
            FROM broker_accounts o
            WHERE o.account = :account OR (left(o.account, -1) = :account AND right(o.account, 1) ~ '[A-Z]'
                AND NOT EXISTS (SELECT FROM cash_balances k WHERE k.account = o.account
                    AND k.source = 'statement'))
        ))"""

_BALANCES = newest(
    "cash_balances b",
    ("currency", "as_of"),
    where="b.account = :account AND b.currency <> 'BASE_SUMMARY'",
)
_TOLD = f"""
    told AS (
        SELECT row_number() OVER () AS n, b.currency, b.as_of, b.cash, b.import_id, b.line, b.trades,
            b.commissions, b.futures, b.flows, coalesce(b.starting_cash, b.before) AS starting,
            coalesce(b.starts_on, b.before_on + 1) AS starts_on, b.starting_cash IS NOT NULL AS itemized
        FROM (
            SELECT c.*, lag(c.cash) OVER w AS before, lag(c.as_of) OVER w AS before_on
            FROM (
                {_BALANCES}
            ) c
            WINDOW w AS (PARTITION BY c.currency ORDER BY c.as_of)
        ) b
        WHERE coalesce(b.starting_cash, b.before) IS NOT NULL
    )
"""  # noqa: S608 - names and constants of this program's own
_TRADES = newest(
    "stated_trades t",
    ("exec_id",),
    columns="t.exec_id, t.reported_on",
    where=f"{_OWN.format('t')} AND t.outcome <> 'disputed'",
)
_FLOWS = newest(
    "cash_flows f",
    ("flow_key",),
    columns=f"f.currency, {DAY.format('f')} AS day, f.amount",
    where=_OWN.format("f"),
)
_EVENTS = newest(
    "corporate_actions a", ("event_key",), columns=f"a.*, {DAY.format('a')} AS day", where=_OWN.format("a")
)
# A correction's commission is a difference: those of all versions count, of one trade's quantity the last.
_MONEY = f"""
    stated AS (
        {_TRADES}
    ),
    traded AS (
        SELECT e.*, coalesce(s.reported_on, {
    DAY_BY_TIME.format(at="e.executed_at", sec_type="n.sec_type")
}) AS day, n.currency, n.sec_type, n.multiplier / n.price_magnifier AS point_value
        FROM executions e
        JOIN instruments n USING (conid)
        LEFT JOIN stated s USING (exec_id)
        WHERE {_OWN.format("e")} AND n.sec_type NOT IN ('CASH', 'BAG')
    ),
    flowed AS (
        {_FLOWS}
    ),
    happened AS (
        {_EVENTS}
    ),
    money AS (
        SELECT currency, day, CASE side WHEN 'BOT' THEN -quantity ELSE quantity END * price * point_value
            AS trades, 0 AS commissions, 0 AS flows, 1 AS rows_of_trades, 0 AS rows_of_flows, 0 AS awaited, 0
            AS futures
        FROM traded
        WHERE corrected_by IS NULL AND quantity <> 0 AND sec_type <> 'FUT'
        UNION ALL
        SELECT coalesce(c.currency, t.currency), t.day, 0, -coalesce(c.commission, 0), 0, 1, 0,
            CAST(c.exec_id IS NULL AND t.corrected_by IS NULL AND t.quantity <> 0 AS int), CAST(t.sec_type =
            'FUT' AS int)
        FROM traded t
        LEFT JOIN commission_reports c USING (exec_id)
        UNION ALL
        SELECT n.currency, h.day, h.cash, 0, 0, 1, 0, 0, 0
        FROM happened h
        JOIN instruments n USING (conid)
        WHERE h.cash IS NOT NULL
        UNION ALL
        SELECT currency, day, 0, 0, amount, 0, 1, 0, 0
        FROM flowed
    )
"""  # noqa: S608 - names and constants of this program's own
_SUMS = ("trades", "commissions", "flows", "rows_of_trades", "rows_of_flows", "awaited", "futures")
_CAME = f"""
    steps AS (
        SELECT currency, day, 0 AS rank, CAST(NULL AS bigint) AS n, 0 AS sign, {", ".join(_SUMS)}
        FROM money
        WHERE currency IN (SELECT currency FROM told)
        UNION ALL
        SELECT currency, starts_on - 1, 1, n, -1, {", ".join("0" for _ in _SUMS)}
        FROM told
        UNION ALL
        SELECT currency, as_of, 1, n, 1, {", ".join("0" for _ in _SUMS)}
        FROM told
    ),
    running AS (
        SELECT n, sign, {", ".join(f"sum({name}) OVER w AS {name}" for name in _SUMS)}
        FROM steps
        WINDOW w AS (PARTITION BY currency ORDER BY day, rank ROWS UNBOUNDED PRECEDING)
    ),
    came AS (
        SELECT n, {", ".join(f"sum(sign * {name}) AS {name}" for name in _SUMS)}
        FROM running
        WHERE n IS NOT NULL
        GROUP BY n
    )
"""  # noqa: S608 - names and constants of this program's own
# What a statement sums and no statement tells one by one is taken from its sums, to see whether that is all.
CASH: Final = f"""
    WITH {_TOLD}, {_MONEY}, {_CAME}, compared AS (
        SELECT b.*, c.awaited, c.futures AS in_futures, b.starting + c.trades + c.commissions + c.flows +
            coalesce(b.futures, 0) AS ours, b.starting + b.trades + b.commissions + b.flows + b.futures AS
            by_its_parts, b.starting + CASE WHEN c.rows_of_trades = 0 THEN b.trades + b.commissions ELSE
            c.trades + c.commissions END + CASE WHEN c.rows_of_flows = 0 THEN b.flows ELSE c.flows END +
            coalesce(b.futures, 0) AS completed
        FROM told b
        JOIN came c USING (n)
    )
    SELECT c.as_of AS day, 'cash' AS kind, CAST(NULL AS bigint) AS conid, c.currency, '' AS reference,
        c.ours, c.cash AS stated, CASE WHEN abs(c.by_its_parts - c.cash) > {MONEY_LEEWAY} THEN 'contradiction'
        WHEN c.awaited > 0 THEN 'awaited_commission' WHEN abs(c.completed - c.cash) <= {MONEY_LEEWAY} THEN
        'not_itemized' WHEN NOT c.itemized AND c.in_futures > 0 THEN 'futures_settlement' ELSE 'unexplained'
        END AS cause, abs(c.ours - c.cash) > {MONEY_LEEWAY} AS differs, c.import_id, c.line
    FROM compared c
"""  # noqa: S608 - names and constants of this program's own

_VALUES = newest(
    "stated_values v",
    ("as_of",),
    columns="v.*, v.cash + v.stock + coalesce(v.options, 0) + coalesce(v.bonds, 0) + coalesce(v.funds, 0) "
    "+ coalesce(v.accruals, 0) + coalesce(v.other, 0) AS ours",
    where="v.account = :account",
)
VALUES: Final = f"""
    SELECT v.as_of AS day, 'value' AS kind, CAST(NULL AS bigint) AS conid, coalesce(v.currency, CAST(:base
        AS text), '') AS currency, 'parts' AS reference, v.ours, v.net_liquidation AS stated, 'contradiction'
        AS cause, abs(v.ours - v.net_liquidation) > {MONEY_LEEWAY} AS differs, v.import_id, v.line
    FROM (
        {_VALUES}
    ) v
    WHERE v.ours IS NOT NULL
"""  # noqa: S608 - names and constants of this program's own

_CHANGES = newest(
    "stated_changes c",
    ("starts_on", "ends_on"),
    columns="c.*, coalesce(c.currency, CAST(:base AS text), '') AS unit, "
    "c.starting + c.contribution + c.gain AS by_parts",
    where="c.account = :account",
)
_ADDS_UP = f"abs(c.by_parts - c.ending) <= {MONEY_LEEWAY}"
# A return is compared where each day of the time is known; it is linked to the last one before.
CHANGES: Final = f"""
    WITH changes AS ({_CHANGES}), flows AS ({FLOWS})
    SELECT c.ends_on AS day, 'change' AS kind, CAST(NULL AS bigint) AS conid, c.unit AS currency, '' AS
        reference, c.by_parts AS ours, c.ending AS stated, 'contradiction' AS cause, NOT {_ADDS_UP} AS
        differs, c.import_id, c.line
    FROM changes c
    UNION ALL
    SELECT c.ends_on, 'contribution', NULL, c.unit, '', f.ours, c.contribution, CASE WHEN f.days = 0 THEN
        'not_itemized' WHEN f.ours IS NULL THEN 'missing_rate' ELSE 'unexplained' END, f.ours IS NULL OR
        abs(f.ours - c.contribution) > {MONEY_LEEWAY} * (1 + f.days) + {RATE_LEEWAY} * f.foreign_amount,
        c.import_id, c.line
    FROM changes c
    CROSS JOIN LATERAL (
        SELECT count(*) AS days, CASE WHEN bool_and(f.amount IS NOT NULL) IS NOT FALSE THEN
            coalesce(sum(f.amount), 0) END AS ours, coalesce(sum(f.foreign_amount), 0) AS foreign_amount
        FROM flows f
        WHERE f.day BETWEEN c.starts_on AND c.ends_on
    ) f
    UNION ALL
    SELECT c.ends_on, 'twr', NULL, '', '', (1 + p.ending) / (1 + p.starting) - 1, c.twr, CASE WHEN NOT
        {_ADDS_UP} THEN 'contradiction' WHEN p.flowed THEN 'flow_convention' ELSE 'unexplained' END, abs((1 +
        p.ending) / (1 + p.starting) - 1 - c.twr) > {TWR_LEEWAY}, c.import_id, c.line
    FROM changes c
    CROSS JOIN LATERAL (
        SELECT max(m.twr) FILTER (WHERE m.day = c.ends_on) AS ending, coalesce((
            SELECT b.twr
            FROM performance_metrics b
            WHERE b.account = :account AND b.resolution = 'day' AND b.source = 'statement' AND b.day <
                c.starts_on
            ORDER BY b.ts DESC LIMIT 1
        ),
        0) AS starting, bool_and(m.data_quality = 'complete') AS known, bool_or(m.net_contribution <> 0)
            AS flowed
        FROM performance_metrics m
        WHERE m.account = :account AND m.resolution = 'day' AND m.source = 'statement' AND m.day BETWEEN
            c.starts_on AND c.ends_on
    ) p
    WHERE c.twr IS NOT NULL AND p.known AND p.ending IS NOT NULL AND p.starting > -1
"""  # noqa: S608 - names and constants of this program's own
