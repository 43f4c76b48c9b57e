"""Trades, what they realized, and the lots that they closed."""

from typing import Final

from core.domain.days import BROKER_ZONE
from core.domain.disputes import FLEX_CUT
from core.domain.pnl import QUANTUM
from models.queries.performance import DAY
from models.standing import STANDING, newest

_TRADE_DAY = f"coalesce(t.reported_on, CAST(t.executed_at AT TIME ZONE '{BROKER_ZONE}' AS date))"
_LEEWAY = f"{FLEX_CUT} * (1 + {{lots}}) + 2 * {QUANTUM:f} * abs({{quantity}})"
_METHOD = "(SELECT a.cost_method <> 'fifo' FROM broker_accounts a WHERE a.account = :account)"
_TRADES = newest("stated_trades t", ("exec_id",), where="t.account = :account AND t.outcome <> 'disputed'")
_EVENTS = newest(
    "corporate_actions a",
    ("event_key",),
    columns=f"a.*, {DAY.format('a')} AS day",
    where="a.account = :account",
)
_CLOSINGS = newest(
    "stated_lots l",
    ("conid", "closed_at"),
    columns="l.conid, l.closed_at, l.import_id",
    where="l.account = :account",
)

DISPUTED: Final = f"""
    SELECT {_TRADE_DAY} AS day, 'trade' AS kind, t.conid, '' AS currency, t.exec_id AS reference, CASE
        WHEN e.quantity <> t.quantity THEN e.quantity WHEN e.price <> t.price THEN e.price END AS ours, CASE
        WHEN e.quantity = t.quantity AND e.price <> t.price THEN t.price ELSE t.quantity END AS stated,
        'told_otherwise' AS cause, true AS differs, t.import_id, t.line
    FROM stated_trades t {STANDING.format("t")}
    LEFT JOIN (
        SELECT exec_id, price, CASE side WHEN 'BOT' THEN quantity ELSE -quantity END AS quantity
        FROM executions
    ) e USING (exec_id)
    WHERE t.account = :account AND t.outcome = 'disputed'
"""  # noqa: S608 - names and constants of this program's own

# What closed nothing here realized nothing. Of a corrected trade the last version has the figure.
REALIZED: Final = f"""
    SELECT c.day, 'realized' AS kind, c.conid, c.currency, c.exec_id AS reference, c.ours, c.stated, CASE
        WHEN c.ours IS NULL THEN 'unknown_cost' WHEN c.lots = 0 THEN 'missing_opening' WHEN {_METHOD} THEN
        'cost_method' WHEN c.awaited THEN 'awaited_commission' WHEN c.converted THEN 'converted_commission'
        WHEN c.opening AND c.provisional THEN 'opening_balance' ELSE 'unexplained' END AS cause, c.ours IS
        NULL OR abs(c.ours - c.stated) > {_LEEWAY.format(lots="c.lots", quantity="c.quantity")} AS differs,
        c.import_id, c.line
    FROM (
        SELECT {_TRADE_DAY} AS day, t.conid, n.currency, t.exec_id, t.quantity, t.import_id, t.line, CASE
            WHEN d.unknown THEN NULL ELSE coalesce(d.ours, 0) END AS ours, t.realized_pnl AS stated,
            coalesce(d.lots, 0) AS lots, coalesce(d.opening, false) AS opening, coalesce(d.provisional, false)
            AS provisional, coalesce(d.awaited, false) AS awaited, t.commission_currency <> n.currency AS
            converted
        FROM (
            {_TRADES}
        ) t
        JOIN executions e ON e.exec_id = t.exec_id AND e.corrected_by IS NULL AND e.quantity <> 0
        JOIN instruments n ON n.conid = t.conid
        LEFT JOIN (
            SELECT d.exec_id, sum(d.realized_pnl) AS ours, bool_or(d.realized_pnl IS NULL) AS unknown,
                count(*) AS lots, bool_or(d.open_price IS NULL) AS opening, bool_or(d.provisional) AS
                provisional, bool_or(p.missing_commissions > 0) AS awaited
            FROM lot_disposals d
            JOIN positions p ON p.id = d.position_id
            WHERE p.account = :account AND d.exec_id IS NOT NULL
            GROUP BY d.exec_id
        ) d ON d.exec_id = t.exec_id
        LEFT JOIN ledger_books b ON b.account = :account AND b.conid = t.conid
        WHERE t.realized_pnl IS NOT NULL AND n.sec_type NOT IN ('CASH', 'BAG') AND NOT coalesce(b.dirty,
            false)
    ) c
    WHERE c.lots > 0 OR c.stated <> 0
"""  # noqa: S608 - names and constants of this program's own

# Events of one moment and book are booked together.
EVENTS: Final = f"""
    SELECT c.day, 'realized' AS kind, c.conid, c.currency, c.reference, CASE WHEN d.unknown THEN NULL ELSE
        coalesce(d.ours, 0) END AS ours, c.stated, CASE WHEN d.unknown THEN 'unknown_cost' WHEN d.lots IS NULL
        THEN 'missing_opening' WHEN {_METHOD} THEN 'cost_method' WHEN d.provisional THEN 'opening_balance'
        ELSE 'unexplained' END AS cause, coalesce(d.unknown, false) OR abs(coalesce(d.ours, 0) - c.stated) >
        {_LEEWAY.format(lots="coalesce(d.lots, 0)", quantity="c.quantity")} AS differs, c.import_id, c.line
    FROM (
        SELECT a.conid, a.at, n.currency, min(a.day) AS day, min(a.event_key) AS reference,
            sum(a.quantity) AS quantity, sum(a.realized_pnl) AS stated, min(a.import_id) AS import_id,
            min(a.line) AS line
        FROM (
            {_EVENTS}
        ) a
        JOIN instruments n USING (conid)
        GROUP BY a.conid, a.at, n.currency
        HAVING bool_and(a.carried OR a.realized_pnl IS NOT NULL) AND bool_or(a.realized_pnl IS NOT NULL)
    ) c
    LEFT JOIN (
        SELECT p.conid, d.closed_at, sum(d.realized_pnl) AS ours, bool_or(d.realized_pnl IS NULL) AS
            unknown, count(*) AS lots, bool_or(d.provisional) AS provisional
        FROM lot_disposals d
        JOIN positions p ON p.id = d.position_id
        WHERE p.account = :account AND d.exec_id IS NULL
        GROUP BY p.conid, d.closed_at
    ) d ON d.conid = c.conid AND d.closed_at = c.at
    LEFT JOIN ledger_books b ON b.account = :account AND b.conid = c.conid
    WHERE NOT coalesce(b.dirty, false) AND (d.lots IS NOT NULL OR c.stated <> 0)
"""  # noqa: S608 - names and constants of this program's own

# Lots are known by when they were opened and closed, to the second. Of a closing of which some lot's opening
# is not stated, all lots are taken together. What was held before the first statement was opened at a time
# that only the broker knows.
LOTS: Final = f"""
    WITH latest AS (
        {_CLOSINGS}
    ),
    closing AS (
        SELECT l.conid, l.closed_at, bool_or(l.opened_at IS NULL) AS untimed
        FROM stated_lots l
        JOIN latest USING (conid, closed_at, import_id)
        WHERE l.account = :account
        GROUP BY 1, 2
    ),
    theirs AS (
        SELECT l.conid, l.closed_at, CASE WHEN c.untimed THEN NULL ELSE l.opened_at END AS opened_at,
            sum(l.quantity) AS quantity, CASE WHEN bool_and(l.cost IS NOT NULL) THEN sum(l.cost) END AS cost,
            CASE WHEN bool_and(l.realized_pnl IS NOT NULL) THEN sum(l.realized_pnl) END AS realized, count(*)
            AS lots, min(l.import_id) AS import_id, min(l.line) AS line
        FROM stated_lots l
        JOIN latest USING (conid, closed_at, import_id)
        JOIN closing c USING (conid, closed_at)
        WHERE l.account = :account
        GROUP BY 1, 2, 3
    ),
    closed AS (
        SELECT p.conid, c.closed_at, CASE WHEN c.untimed THEN NULL ELSE date_trunc('second', d.opened_at)
            END AS opened_at, d.quantity, d.cost + d.open_commission AS cost, d.realized_pnl, d.open_price IS
            NULL AS opening, d.provisional
        FROM lot_disposals d
        JOIN positions p ON p.id = d.position_id
        JOIN closing c ON c.conid = p.conid AND c.closed_at = date_trunc('second', d.closed_at)
        WHERE p.account = :account
    ),
    ours AS (
        SELECT conid, closed_at, opened_at, sum(quantity) AS quantity, CASE WHEN bool_and(cost IS NOT
            NULL) THEN sum(cost) END AS cost, CASE WHEN bool_and(realized_pnl IS NOT NULL) THEN
            sum(realized_pnl) END AS realized, bool_or(provisional) AS provisional
        FROM closed
        GROUP BY 1, 2, 3
    ),
    of_closing AS (
        SELECT conid, closed_at, bool_or(opening) AS opening
        FROM closed
        GROUP BY 1, 2
    ),
    compared AS (
        SELECT s.*, n.currency, o.quantity AS our_quantity, o.cost AS our_cost, o.realized AS
            our_realized, coalesce(o.provisional, false) AS provisional, coalesce(k.opening, false) AS
            opening, k.conid IS NOT NULL AS closed_here, {
    _LEEWAY.format(lots="s.lots", quantity="s.quantity")
} AS leeway
        FROM theirs s
        JOIN instruments n USING (conid)
        LEFT JOIN ours o ON o.conid = s.conid AND o.closed_at = s.closed_at AND o.opened_at IS NOT
            DISTINCT FROM s.opened_at
        LEFT JOIN of_closing k ON k.conid = s.conid AND k.closed_at = s.closed_at
        LEFT JOIN ledger_books b ON b.account = :account AND b.conid = s.conid
        WHERE NOT coalesce(b.dirty, false)
    ),
    judged AS (
        SELECT c.*, CASE WHEN c.our_quantity IS DISTINCT FROM c.quantity THEN 'quantity' WHEN c.cost IS
            NOT NULL AND (c.our_cost IS NULL OR abs(c.our_cost - c.cost) > c.leeway) THEN 'cost' WHEN
            c.realized IS NOT NULL AND (c.our_realized IS NULL OR abs(c.our_realized - c.realized) > c.leeway)
            THEN 'realized_pnl' END AS wrong
        FROM compared c
    )
    SELECT CAST(j.closed_at AT TIME ZONE '{BROKER_ZONE}' AS date) AS day, 'lot' AS kind, j.conid, CASE
        j.wrong WHEN 'quantity' THEN '' ELSE j.currency END AS currency, concat_ws(' ', coalesce(j.wrong,
        'realized_pnl'), to_char(j.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) AS reference,
        CASE j.wrong WHEN 'quantity' THEN coalesce(j.our_quantity, 0) WHEN 'cost' THEN j.our_cost ELSE
        j.our_realized END AS ours, CASE j.wrong WHEN 'quantity' THEN j.quantity WHEN 'cost' THEN j.cost ELSE
        coalesce(j.realized, 0) END AS stated, CASE WHEN NOT j.closed_here THEN 'missing_opening' WHEN
        j.opening THEN 'opening_balance' WHEN {_METHOD} THEN 'cost_method' WHEN j.wrong <> 'quantity' AND
        j.our_cost IS NULL THEN 'unknown_cost' WHEN j.provisional THEN 'awaited_commission' ELSE 'unexplained'
        END AS cause, j.wrong IS NOT NULL AS differs, j.import_id, j.line
    FROM judged j
"""  # noqa: S608 - names and constants of this program's own
