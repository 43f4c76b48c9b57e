"""What was held at the end of a day, what it had cost, and what it came to in the account's value.

The ledger is held to what statements say was held: where it lacked something an ``adjusted`` event at that
very moment makes up for it. So ours is what there was before that event.
"""

from typing import Final

from core.domain.days import BROKER_ZONE, HELD, HELD_OF_FUTURES
from core.domain.disputes import COST_LEEWAY, FLEX_CUT, MONEY_LEEWAY, RATE_LEEWAY
from models.queries.anchors import DAY_BY_TIME
from models.standing import NEWEST_FIRST, STANDING, newest

_HELD_AT = "(CAST(d.day AS timestamp) + {clock}) AT TIME ZONE '" + BROKER_ZONE.key + "'"
_LATE, _EARLY = (f"interval '{clock.hour} hours {clock.minute} minutes'" for clock in (HELD, HELD_OF_FUTURES))
_POSITIONS = newest(
    "stated_positions p",
    ("conid", "as_of"),
    columns="p.conid, p.as_of, p.quantity, p.cost, p.market_value, p.import_id, p.line, "
    f"CAST(p.as_of AT TIME ZONE '{BROKER_ZONE}' AS date) AS day",
    where="p.account = :account",
)
_INVENTORIES = newest(
    "stated_inventories v",
    ("as_of",),
    columns="v.as_of AS day, v.import_id, v.line",
    where="v.account = :account",
)

_SEEN_AT = (
    f"CAST({{at}} AT TIME ZONE '{BROKER_ZONE}' + interval '1 day' - CASE WHEN {{sec_type}} IN ('FUT', 'FOP') "
    f"THEN {_EARLY} ELSE {_LATE} END - interval '1 microsecond' AS date)"
)
"""The first day by whose end, by the clock, something was traded."""

# What is held here on a day of which all holdings are told, and is not among them, is not held by the broker.
_POINTS = f"""
    told AS (
        {_POSITIONS}
    ),
    complete AS (
        {_INVENTORIES}
    ),
    untold AS (
        SELECT p.conid, h.as_of, d.day, d.import_id, d.line
        FROM complete d
        JOIN positions p ON p.account = :account AND tstzrange(p.opened_at, p.closed_at) &&
            tstzrange({_HELD_AT.format(clock=_EARLY)}, {_HELD_AT.format(clock=_LATE)}, '[]')
        JOIN instruments n ON n.conid = p.conid AND n.sec_type NOT IN ('CASH', 'BAG')
        CROSS JOIN LATERAL (
            SELECT CASE WHEN n.sec_type IN ('FUT', 'FOP') THEN {_HELD_AT.format(clock=_EARLY)} ELSE
                {_HELD_AT.format(clock=_LATE)} END AS as_of
        ) h
        WHERE p.opened_at <= h.as_of AND (p.closed_at IS NULL OR p.closed_at > h.as_of) AND NOT EXISTS
            (SELECT FROM told t WHERE t.conid = p.conid AND t.day = d.day)
    ),
    points AS (
        SELECT row_number() OVER () AS n, x.*, lag(x.as_of) OVER (PARTITION BY x.conid ORDER BY x.as_of)
            AS before
        FROM (
            SELECT conid, as_of, day, quantity, cost, market_value, import_id, line, true AS listed
            FROM told
            UNION ALL
            SELECT conid, as_of, day, 0, NULL, NULL, import_id, line, false
            FROM untold
        ) x
    )
"""  # noqa: S608 - names and constants of this program's own
# What is stated to be held is of the trades of its day and before, whatever their time.
_MOVED = f"""
    told_days AS (
        SELECT e.exec_base_id, min(t.reported_on) AS day
        FROM (
            SELECT DISTINCT ON (t.exec_id) t.exec_id, t.reported_on
            FROM stated_trades t {STANDING.format("t")}
            WHERE t.account = :account AND t.reported_on IS NOT NULL AND t.outcome <> 'disputed'
            ORDER BY t.exec_id, i.stated_at DESC, i.id DESC
        ) t
        JOIN executions e USING (exec_id)
        GROUP BY 1
    ),
    odd AS (
        SELECT f.*
        FROM (
            SELECT e.conid, e.executed_at, CASE e.side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END AS
                quantity, coalesce(t.day, {DAY_BY_TIME.format(at="e.executed_at", sec_type="n.sec_type")}) AS
                day, {_SEEN_AT.format(at="e.executed_at", sec_type="n.sec_type")} AS seen
            FROM executions e
            JOIN instruments n USING (conid)
            LEFT JOIN told_days t USING (exec_base_id)
            WHERE e.account = :account AND e.corrected_by IS NULL AND e.quantity <> 0
        ) f
        WHERE f.day <> f.seen
    ),
    moved AS (
        SELECT x.n, sum(CASE WHEN o.executed_at <= x.as_of THEN o.quantity ELSE -o.quantity END) AS quantity
        FROM points x
        JOIN odd o ON o.conid = x.conid AND (o.executed_at <= x.as_of) <> (o.day <= x.day)
        GROUP BY x.n
    )
"""  # noqa: S608 - names and constants of this program's own
_OURS = f"""
    hit AS (
        SELECT x.n, x.as_of, p.id AS position_id, p.missing_commissions, p.estimated
        FROM points x
        JOIN positions p ON p.account = :account AND p.conid = x.conid AND p.opened_at <= x.as_of AND
            (p.closed_at IS NULL OR p.closed_at >= x.as_of)
    ),
    made_up AS (
        SELECT DISTINCT v.position_id, v.executed_at AS at
        FROM position_events v
        JOIN hit h ON h.position_id = v.position_id AND h.as_of = v.executed_at
        WHERE v.type = 'adjusted' AND v.cause IS DISTINCT FROM 'opening_balance'
    ),
    steps AS (
        SELECT v.position_id, v.executed_at AS at, CASE WHEN v.type = 'adjusted' AND m.at IS NOT NULL THEN
            2 ELSE 0 END AS rank, v.quantity, 0 AS cost, 0 AS unknown, CAST(NULL AS bigint) AS n
        FROM position_events v
        LEFT JOIN made_up m ON m.position_id = v.position_id AND m.at = v.executed_at
        WHERE v.position_id IN (SELECT position_id FROM hit)
        UNION ALL
        SELECT l.position_id, coalesce(l.carried_at, l.opened_at), CASE WHEN l.exec_id IS NULL AND m.at IS
            NOT NULL THEN 2 ELSE 0 END, 0, coalesce(l.cost + l.commission, 0), CAST(l.cost IS NULL AS int),
            NULL
        FROM lots l
        LEFT JOIN made_up m ON m.position_id = l.position_id AND m.at = coalesce(l.carried_at, l.opened_at)
        WHERE l.position_id IN (SELECT position_id FROM hit)
        UNION ALL
        SELECT d.position_id, d.closed_at, CASE WHEN d.exec_id IS NULL AND m.at IS NOT NULL THEN 2 ELSE 0
            END, 0, -coalesce(d.cost + d.open_commission, 0), CAST(d.cost IS NULL AS int), NULL
        FROM lot_disposals d
        LEFT JOIN made_up m ON m.position_id = d.position_id AND m.at = d.closed_at
        WHERE d.position_id IN (SELECT position_id FROM hit)
        UNION ALL
        SELECT position_id, as_of, 1, 0, 0, 0, n
        FROM hit
    ),
    running AS (
        SELECT n, sum(quantity) OVER w AS quantity, sum(cost) OVER w AS cost, sum(unknown) OVER w AS
            unknown
        FROM steps
        WINDOW w AS (PARTITION BY position_id ORDER BY at, rank ROWS UNBOUNDED PRECEDING)
    ),
    held AS (
        SELECT n, sum(quantity) AS quantity, sum(cost) AS cost, sum(unknown) AS unknown
        FROM running
        WHERE n IS NOT NULL
        GROUP BY n
    ),
    covered AS (
        SELECT range_agg(tstzrange(p.starts_at, p.ends_at)) AS times
        FROM stated_periods p {STANDING.format("p")}
        WHERE p.account = :account AND p.complete
    ),
    around AS (
        SELECT n, bool_or(missing_commissions > 0) AS awaited, bool_or(estimated) AS estimated
        FROM hit
        GROUP BY n
    ),
    begun AS (
        SELECT p.conid, min(p.opened_at) AS at
        FROM positions p
        WHERE p.account = :account
        GROUP BY p.conid
    ),
    returned AS (
        SELECT f.conid, min(f.at) AS at
        FROM cash_flows f
        WHERE f.account = :account AND f.conid IS NOT NULL AND f.description ILIKE '%return of capital%'
        GROUP BY f.conid
    ),
    acted AS (
        SELECT a.conid, min(a.at) AS at
        FROM corporate_actions a
        WHERE a.account = :account AND a.cause NOT IN ('expiry', 'exercise_or_assignment')
        GROUP BY a.conid
    ),
    compared AS (
        SELECT x.*, n.currency, n.sec_type, coalesce(h.quantity, 0) - coalesce(m.quantity, 0) AS our_quantity,
            CASE WHEN coalesce(h.unknown, 0) = 0 THEN coalesce(h.cost, 0) END AS our_cost, m.n IS NOT NULL AS
            moved, coalesce(r.awaited, false)
            AS awaited, coalesce(r.estimated, false) AS estimated, coalesce(c.times @>
            tstzrange(least(coalesce(x.before, g.at, x.as_of), x.as_of), x.as_of), false) AS covered
        FROM points x
        JOIN instruments n USING (conid)
        CROSS JOIN covered c
        LEFT JOIN held h ON h.n = x.n
        LEFT JOIN moved m ON m.n = x.n
        LEFT JOIN around r ON r.n = x.n
        LEFT JOIN begun g ON g.conid = x.conid
        LEFT JOIN ledger_books b ON b.account = :account AND b.conid = x.conid
        WHERE NOT coalesce(b.dirty, false)
    )
"""  # noqa: S608 - names and constants of this program's own
_QUANTITY = """
    SELECT c.day, 'quantity' AS kind, c.conid, '' AS currency, '' AS reference, c.our_quantity AS ours,
        c.quantity AS stated, CASE WHEN NOT c.covered THEN 'not_covered' ELSE 'unexplained' END AS cause,
        c.our_quantity <> c.quantity AS differs, c.import_id, c.line
    FROM compared c
"""
# What the broker gives back of a cost, or moves to another instrument, is in no trade.
_APART = f"(c.our_cost IS NULL OR abs(c.our_cost - c.cost) > {COST_LEEWAY} + {FLEX_CUT} * abs(c.quantity))"
_COST = f"""
    SELECT c.day, 'cost', c.conid, c.currency, '', c.our_cost, c.cost, CASE
        WHEN c.our_cost IS NULL THEN 'unknown_cost'
        WHEN NOT {_APART} THEN 'unexplained'
        WHEN (SELECT o.cost_method <> 'fifo' FROM broker_accounts o WHERE o.account = :account)
            THEN 'cost_method'
        WHEN c.awaited THEN 'awaited_commission'
        WHEN r.at <= c.as_of THEN 'return_of_capital'
        WHEN a.at <= c.as_of THEN 'corporate_action'
        WHEN c.estimated THEN 'opening_balance'
        ELSE 'unexplained' END, {_APART}, c.import_id, c.line
    FROM compared c
    LEFT JOIN returned r ON r.conid = c.conid
    LEFT JOIN acted a ON a.conid = c.conid
    WHERE c.listed AND c.cost IS NOT NULL AND c.quantity = c.our_quantity AND c.quantity <> 0 AND
        NOT c.moved
"""  # noqa: S608 - names and constants of this program's own
_VALUES = newest(
    "stated_values v",
    ("as_of",),
    columns="v.as_of AS day, v.import_id, v.line, coalesce(v.stock, 0) + coalesce(v.options, 0) "
    "+ coalesce(v.bonds, 0) + coalesce(v.funds, 0) AS stated, v.other, v.stock",
    where="v.account = :account",
)
# A future is worth nothing by itself: what it gains is settled in cash every day.
_VALUE = f"""
    SELECT v.day, 'value', NULL, coalesce(CAST(:base AS text), ''), 'holdings', s.ours, v.stated, CASE
        WHEN s.differ THEN 'holdings_differ' WHEN s.ours IS NULL THEN 'missing_rate' ELSE 'contradiction' END,
        s.ours IS NULL OR abs(s.ours - v.stated) > {MONEY_LEEWAY} * (1 + s.holdings) + {RATE_LEEWAY} *
        s.foreign_value, v.import_id, v.line
    FROM (
        {_VALUES}
    ) v
    JOIN (
        SELECT w.day, count(*) AS holdings, bool_or(w.our_quantity <> w.quantity) AS differ, CASE WHEN
            bool_and(w.worth IS NOT NULL) THEN sum(w.worth) END AS ours, coalesce(sum(abs(w.market_value))
            FILTER (WHERE w.currency <> CAST(:base AS text)), 0) AS foreign_value
        FROM (
            SELECT c.*, CASE WHEN c.sec_type = 'FUT' OR c.our_quantity = 0 THEN 0 WHEN c.quantity <> 0
                THEN c.market_value * c.our_quantity / c.quantity * CASE WHEN c.currency = CAST(:base AS text)
                THEN 1 ELSE r.rate END END AS worth
            FROM compared c
            LEFT JOIN LATERAL (
                SELECT r.rate
                FROM fx_rates r {STANDING.format("r")}
                WHERE r.currency = c.currency AND r.into_currency = CAST(:base AS text) AND r.as_of =
                    c.day AND c.currency <> CAST(:base AS text)
                ORDER BY {NEWEST_FIRST} LIMIT 1
            ) r ON true
        ) w
        GROUP BY w.day
    ) s ON s.day = v.day
    WHERE v.stock IS NOT NULL AND coalesce(v.other, 0) = 0 AND v.day IN (SELECT day FROM complete)
"""  # noqa: S608 - names and constants of this program's own

HOLDINGS: Final = f"WITH {_POINTS}, {_MOVED}, {_OURS} {_QUANTITY} UNION ALL {_COST} UNION ALL {_VALUE}"
