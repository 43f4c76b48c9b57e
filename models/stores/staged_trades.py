"""Trades of a statement on their way in: laid down as they come, then matched with what is known all at once.

The order in which the steps are called is that of this file. Everything happens within one transaction; the
table that holds the trades meanwhile goes with it.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from sqlalchemy import TextClause, text

from core.domain.books import BookKey
from core.domain.executions import split_exec_id
from models.session import Writer
from models.standing import STANDING
from models.stores.bulk import copy_line, copy_lines_into
from models.stores.same_trades import find_same, same_trades
from models.stores.unnamed_executions import UNNAMED, Renamed, rename
from models.tables.executions import RATE_COLUMNS

OWN = "csv:"
"""Begins the number of a trade that is its owner's, not the broker's."""

Outcome = Literal["new", "matched", "corrected", "disputed", "repeated", "cancels_what_is_not_here"]

_COLUMNS = (
    *("number", "line", "section", "exec_id", "base_id", "revision", "has_id", "cancels", "account", "conid"),
    *("executed_at", "zone_assumed", "side", "size", "price", "commission", "commission_currency"),
    *("realized_pnl", "cost", "opens", "closes", "trade_id", "transaction_id", "perm_id", "order_ref"),
    *("exchange", "reported_on", "made_id"),
)
# What nothing is found out about is new, and fresh: to be stored as an execution. Of a large file that may be
# all of it, which is not written a second time to say so.
_create = text(
    "CREATE TEMPORARY TABLE staged_trades (number int NOT NULL, line int NOT NULL, section text NOT NULL, "
    "exec_id text NOT NULL, base_id text NOT NULL, revision int NOT NULL, has_id boolean NOT NULL, "
    "cancels boolean NOT NULL, account text NOT NULL, conid bigint NOT NULL, "
    "executed_at timestamptz NOT NULL, "
    "zone_assumed boolean NOT NULL, side text NOT NULL, size numeric NOT NULL, price numeric NOT NULL, "
    "commission numeric, commission_currency text NOT NULL, realized_pnl numeric, cost numeric, "
    "opens boolean NOT NULL, closes boolean NOT NULL, trade_id text NOT NULL, "
    "transaction_id text NOT NULL, perm_id bigint NOT NULL, order_ref text NOT NULL, exchange text NOT NULL, "
    "reported_on date, made_id text, outcome text NOT NULL DEFAULT 'new', "
    "fresh boolean NOT NULL DEFAULT true) ON COMMIT DROP"
)
_number = text("CREATE INDEX ON staged_trades (number)")
_index = text("CREATE INDEX ON staged_trades (exec_id)")
# Until there are statistics nobody would guess that it is the last few rows that are wanted.
_by_number = text("SET LOCAL enable_seqscan = off")
# All of a large file is sorted several times, which nobody has to wait for the disk for.
_sort_in_memory = text("SET LOCAL work_mem = '64MB'")
_by_any_plan = text("SET LOCAL enable_seqscan TO DEFAULT")
# A small sample: what matters is how many there are.
_sample = text("SELECT set_config('default_statistics_target', '10', true)")
_analyze = text("ANALYZE staged_trades")
_kinds = text(
    "SELECT bool_or(cancels) AS cancels, bool_or(NOT has_id) AS unnamed, "  # noqa: S608 - as below
    "EXISTS (SELECT FROM staged_trades GROUP BY exec_id HAVING count(*) > 1) AS repeated, "
    f"bool_or(trade_id LIKE '{OWN}%') AS own, EXISTS (SELECT FROM executions e "
    "JOIN (SELECT DISTINCT account, conid FROM staged_trades) k USING (account, conid) "
    f"WHERE {UNNAMED}) AS others FROM staged_trades"
)

_CONTENT = "({0}.account, {0}.conid, {0}.side, {0}.size, {0}.price)"
# Booked, cancelled, and booked anew under the same id: the last counts, and the first with its end is void.
_void = text(
    "WITH void AS (SELECT s.number AS booked, c.number AS cancelled FROM staged_trades c "
    "JOIN staged_trades s ON NOT s.cancels AND s.has_id AND s.trade_id = c.trade_id AND s.number < c.number "
    "AND (s.account, s.conid, s.size, s.price) = (c.account, c.conid, c.size, c.price) AND s.side <> c.side "
    "WHERE c.cancels AND c.trade_id <> '' AND EXISTS (SELECT FROM staged_trades r WHERE NOT r.cancels "
    "AND r.exec_id = s.exec_id AND r.number > c.number)) "
    "UPDATE staged_trades SET fresh = false, outcome = 'repeated' "
    "WHERE number IN (SELECT booked FROM void UNION SELECT cancelled FROM void)"
)
_repeat = text(
    "UPDATE staged_trades s SET fresh = false, outcome = CASE WHEN "  # noqa: S608 - nothing of it is input
    f"{_CONTENT.format('s')} = {_CONTENT.format('f')} THEN 'repeated' ELSE 'disputed' END "
    "FROM (SELECT DISTINCT ON (exec_id) * FROM staged_trades WHERE outcome = 'new' "
    "ORDER BY exec_id, number) f WHERE s.exec_id = f.exec_id AND s.number > f.number AND s.outcome = 'new'"
)

_KNOWN = "NOT EXISTS (SELECT FROM staged_trades o WHERE o.exec_id = e.exec_id) AND {0}"
"""What another row of this file states by its id is that row's."""


def _like(name: str, which: str, known: str) -> TextClause:
    """The trades that are not known by their ids among the executions that are."""
    return same_trades(
        f"SELECT {name} AS name, s.number AS place, s.account, s.conid, s.executed_at, s.side, s.size, "  # noqa: S608 - as above
        f"s.price FROM staged_trades s WHERE {which} AND NOT s.cancels AND s.outcome = 'new' "
        "AND NOT EXISTS (SELECT FROM executions e WHERE e.exec_base_id = s.base_id)",
        _KNOWN.format(known),
    )


_NUMBER = "CAST(s.number AS text)"
_unnamed = _like(_NUMBER, "NOT s.has_id", "true")
# One statement left the ids out, another has them.
_named = _like("s.exec_id", f"s.has_id AND s.trade_id NOT LIKE '{OWN}%'", UNNAMED)
# What its owner calls it is known from another file: it is the same, whatever it was taken for there.
_name_own = text(
    "UPDATE staged_trades s SET exec_id = e.exec_id, base_id = e.exec_base_id, revision = e.revision "  # noqa: S608 - as above
    f"FROM stated_trades t {STANDING.format('t')} "
    "JOIN executions e ON e.exec_id = t.exec_id WHERE s.outcome = 'new' AND t.import_id <> :import_id "
    f"AND s.trade_id LIKE '{OWN}%' AND (t.account, t.trade_id) = (s.account, s.trade_id) "
    "AND t.outcome <> 'disputed'"
)
# Of one's own trades each is another; the broker may have told of it, too.
_new_own = _like(_NUMBER, f"s.has_id AND s.trade_id LIKE '{OWN}%'", "e.exec_id NOT LIKE 'csv-%'")
_take_names = text(
    "UPDATE staged_trades s SET exec_id = e.exec_id, base_id = e.exec_base_id, revision = e.revision "
    "FROM unnest(CAST(:numbers AS integer[]), CAST(:exec_ids AS text[])) AS k(number, exec_id) "
    "JOIN executions e USING (exec_id) WHERE s.number = k.number"
)
_find_cancelled = text(
    "WITH cancel AS (SELECT s.number AS place, s.account, s.conid, s.trade_id, s.side, s.size, s.price, "
    "row_number() OVER (PARTITION BY s.account, s.conid, s.trade_id, s.side, s.size, s.price "
    "ORDER BY s.number) AS number FROM staged_trades s WHERE s.cancels AND s.outcome = 'new'), "
    "booked AS (SELECT account, conid, trade_id, side, size, price, base_id, revision FROM staged_trades "
    "WHERE NOT cancels AND trade_id <> '' AND outcome IS DISTINCT FROM 'repeated' "
    "AND outcome IS DISTINCT FROM 'disputed' UNION SELECT e.account, e.conid, t.trade_id, e.side, "
    "e.quantity, e.price, e.exec_base_id, e.revision FROM stated_trades t JOIN executions e USING (exec_id) "
    "WHERE t.trade_id IN (SELECT trade_id FROM cancel WHERE trade_id <> '') AND t.outcome <> 'disputed' "
    # What this file states is among the staged ones.
    "AND t.import_id <> :import_id), "
    "numbered AS (SELECT b.*, row_number() OVER (PARTITION BY account, conid, trade_id, side, size, price "
    "ORDER BY base_id, revision) AS number FROM booked b WHERE size > 0) "
    "UPDATE staged_trades s SET base_id = n.base_id, revision = n.revision FROM cancel c, numbered n "
    "WHERE s.number = c.place AND (n.account, n.conid, n.trade_id, n.price, n.number) "
    "= (c.account, c.conid, c.trade_id, c.price, c.number) AND n.side <> c.side AND n.size = c.size"
)
_lose_cancels = text(
    "UPDATE staged_trades SET fresh = false, outcome = 'cancels_what_is_not_here' "
    "WHERE cancels AND outcome = 'new' AND revision < 0"
)
_empty_cancels = text("UPDATE staged_trades SET size = 0 WHERE cancels")
_compare = text(
    "UPDATE staged_trades s SET fresh = false, outcome = CASE "
    "WHEN (s.account, s.conid, s.size, s.price) IS DISTINCT FROM (e.account, e.conid, e.quantity, e.price) "
    "OR (s.side <> e.side AND s.size > 0) THEN 'disputed' "
    "WHEN s.commission IS NOT NULL AND c.exec_id IS NOT NULL AND (s.commission, s.commission_currency) "
    "IS DISTINCT FROM (c.commission, c.currency) THEN 'corrected' "
    "WHEN s.commission IS NOT NULL AND c.exec_id IS NULL THEN 'corrected' ELSE 'matched' END "
    "FROM executions e LEFT JOIN commission_reports c ON c.exec_id = e.exec_id "
    "WHERE e.exec_id = s.exec_id AND s.outcome = 'new'"
)
_dispute_spellings = text(
    # Another spelling of a revision that is known, 1 for 01, is not another revision.
    "UPDATE staged_trades s SET fresh = false, outcome = 'disputed' FROM executions e "
    "WHERE s.outcome = 'new' AND e.exec_base_id = s.base_id AND e.revision = s.revision "
    "AND (e.quantity = 0) = (s.size = 0)"
)
_name_corrections = text(
    "UPDATE staged_trades s SET outcome = 'corrected' WHERE s.outcome = 'new' AND (s.cancels OR EXISTS "
    "(SELECT FROM executions e WHERE e.exec_base_id = s.base_id))"
)
_books = text("SELECT DISTINCT account, conid FROM staged_trades ORDER BY 1, 2")
_confirm = text(
    "UPDATE executions e SET confirmed_by = :import_id FROM staged_trades s WHERE e.exec_id = s.exec_id "
    "AND e.confirmed_by IS NULL AND s.outcome IN ('matched', 'corrected')"
)
# What was told live is kept beside it, for the day on which the statement is taken back.
_upsert_commissions = text(
    "INSERT INTO commission_reports AS c (exec_id, commission, currency, realized_pnl, received_at, epoch, "  # noqa: S608 - as above
    "stated_by) SELECT exec_id, commission, commission_currency, realized_pnl, :now, 0, :import_id "
    "FROM staged_trades WHERE commission IS NOT NULL AND outcome IN ('new', 'matched', 'corrected') "
    "ORDER BY exec_id ON CONFLICT (exec_id) DO UPDATE SET commission = excluded.commission, "
    "currency = excluded.currency, realized_pnl = coalesce(excluded.realized_pnl, c.realized_pnl), "
    "received_at = CASE WHEN (c.commission, c.currency) = (excluded.commission, excluded.currency) "
    "THEN c.received_at ELSE excluded.received_at END, "
    # When it was last told live: what is told live afterwards is held against that.
    "repeated_at = CASE WHEN c.stated_by IS NULL THEN coalesce(c.repeated_at, c.received_at) "
    "ELSE c.repeated_at END, "
    + "".join(
        f"{name} = CASE WHEN c.currency = excluded.currency THEN c.{name} END, " for name in RATE_COLUMNS
    )
    + "live_commission = CASE WHEN c.stated_by IS NULL THEN c.commission ELSE c.live_commission END, "
    "live_currency = CASE WHEN c.stated_by IS NULL THEN c.currency ELSE c.live_currency END, "
    "live_realized_pnl = CASE WHEN c.stated_by IS NULL THEN c.realized_pnl ELSE c.live_realized_pnl END, "
    "stated_by = excluded.stated_by "
    # Of two statements the one counts that was written later.
    "WHERE NOT EXISTS (SELECT FROM imports o JOIN imports i ON i.id = :import_id "
    "WHERE o.id = c.stated_by AND o.stated_at > i.stated_at) "
    "AND (c.commission, c.currency, coalesce(excluded.realized_pnl, c.realized_pnl)) "
    "IS DISTINCT FROM (excluded.commission, excluded.currency, c.realized_pnl)"
)
_OUTCOMES = "('new', 'matched', 'corrected', 'disputed')"
_STATED = (
    "INSERT INTO stated_trades (import_id, number, line, exec_id, account, conid, executed_at, quantity, "
    "price, commission, commission_currency, realized_pnl, cost, opens, closes, trade_id, transaction_id, "
    "outcome, aside, reported_on, made_id) "
    "SELECT CAST(:import_id AS bigint), number, line, exec_id, account, conid, executed_at, "
    "CASE side WHEN 'BOT' THEN size ELSE -size END, price, commission, commission_currency, realized_pnl, "
    "cost, opens, closes, trade_id, transaction_id, outcome, "
    "CASE WHEN outcome = 'disputed' AND size > 0 THEN jsonb_build_object("
    "'zone_assumed', zone_assumed, 'perm_id', perm_id, 'order_ref', order_ref, 'exchange', exchange) END, "
    "reported_on, made_id FROM staged_trades s WHERE "
)
# PostgreSQL has little to do while a file is read. What nothing is known of by then, and what bears the id by
# which it will be known, will hardly turn out to be anything else than new.
_state_at_once = text(
    f"{_STATED} s.number >= :first AND s.has_id AND NOT s.cancels AND s.trade_id NOT LIKE '{OWN}%' "
    "AND NOT EXISTS (SELECT FROM executions e WHERE e.exec_id = s.exec_id)"
)
_turned_out = text("SELECT EXISTS (SELECT FROM staged_trades WHERE outcome <> 'new')")
_state_no_more = text(
    "DELETE FROM stated_trades t USING staged_trades s WHERE t.import_id = :import_id "
    "AND t.number = s.number AND s.outcome <> 'new'"
)
_state_the_rest = text(
    f"{_STATED} s.outcome IN {_OUTCOMES} AND NOT EXISTS (SELECT FROM stated_trades t "
    "WHERE t.import_id = :import_id AND t.number = s.number)"
)
_count = text("SELECT section, outcome, count(*) AS rows FROM staged_trades GROUP BY 1, 2 ORDER BY 1, 2")
_disputed = text(
    "SELECT s.line, s.exec_id, s.account, s.conid, CASE s.side WHEN 'BOT' THEN s.size ELSE -s.size END "
    "AS quantity, s.price, CASE e.side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END AS known_quantity, "
    "e.price AS known_price FROM staged_trades s LEFT JOIN executions e USING (exec_id) "
    "WHERE s.outcome = 'disputed' ORDER BY s.number LIMIT :most"
)


class StagedTrade(NamedTuple):
    """A trade as it is laid down. ``cancels``: it takes back another of this size, on the other side.

    ``number`` counts the trades of the file: a line may hold many.

    ``exec_id`` is ours where ``has_id`` is not set.
    """

    number: int
    line: int
    section: str
    exec_id: str
    has_id: bool
    cancels: bool
    account: str
    conid: int
    executed_at: datetime
    zone_assumed: bool
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str
    realized_pnl: Decimal | None
    cost: Decimal | None
    opens: bool
    closes: bool
    trade_id: str
    transaction_id: str
    perm_id: int
    order_ref: str
    exchange: str
    reported_on: date | None = None


class Dispute(NamedTuple):
    """A trade that says something else than what is known under its id; ``None``: said in the same file."""

    line: int
    exec_id: str
    account: str
    conid: int
    quantity: Decimal
    price: Decimal
    known_quantity: Decimal | None
    known_price: Decimal | None


async def begin(connection: Writer) -> None:
    """Make room for a file's trades."""
    for step in (_create, _number, _by_number, _sort_in_memory):
        await connection.execute(step)


async def lay_down(connection: Writer, import_id: int, trades: Sequence[StagedTrade]) -> None:
    """Add trades of the file, and state those that seem to be new: see ``store``."""
    if not trades:
        return
    await copy_lines_into(connection, "staged_trades", _COLUMNS, [_line(one) for one in trades])
    await connection.execute(_state_at_once, {"import_id": import_id, "first": trades[0].number})


def _line(one: StagedTrade) -> str:
    base_id, revision = (one.exec_id, -1) if one.cancels else split_exec_id(one.exec_id)
    told = one.has_id and not one.cancels and not one.trade_id.startswith(OWN)
    made_id = None if told else one.exec_id
    return copy_line(
        (
            *(one.number, one.line, one.section, one.exec_id, base_id, revision, one.has_id, one.cancels),
            *(one.account, one.conid, one.executed_at, one.zone_assumed),
            *("BOT" if one.quantity > 0 else "SLD", abs(one.quantity), one.price, one.commission),
            *(one.commission_currency, one.realized_pnl, one.cost, one.opens, one.closes, one.trade_id),
            *(one.transaction_id, one.perm_id, one.order_ref, one.exchange),
            *(one.reported_on, made_id),
        )
    )


async def books(connection: Writer) -> set[BookKey]:
    """The books that the trades are of. To be locked before they are matched."""
    for step in (_by_any_plan, _index, _sample, _analyze):
        await connection.execute(step)
    return {(row.account, row.conid) for row in await connection.execute(_books)}


async def match(connection: Writer, import_id: int) -> None:
    """Decide what becomes of each trade, by what is stored of their books, which are locked."""
    # Most files hold but one kind, and each step goes through all of it.
    kinds = (await connection.execute(_kinds)).one()
    named = {"import_id": import_id}
    for step, applies in ((_void, kinds.cancels), (_repeat, kinds.repeated)):
        if applies:
            await connection.execute(step)
    if kinds.own:
        await connection.execute(_name_own, named)
    for like, applies in ((_unnamed, kinds.unnamed), (_new_own, kinds.own)):
        if applies and (same := await find_same(connection, like)):
            names = {"numbers": [int(one.told) for one in same], "exec_ids": [one.exec_id for one in same]}
            await connection.execute(_take_names, names)
    if kinds.others:
        same = await find_same(connection, _named)
        await rename(connection, [Renamed(one.exec_id, one.told) for one in same])
    if kinds.cancels:
        await connection.execute(_find_cancelled, named)
        for step in (_lose_cancels, _empty_cancels):
            await connection.execute(step)
    for step in (_compare, _dispute_spellings, _name_corrections):
        await connection.execute(step)


async def store(connection: Writer, import_id: int, now: datetime) -> None:
    """Store what confirms or corrects what is known, and what the trades state. The books are locked.

    New executions are stored when their books are folded, see ``staged_executions``.
    """
    named = {"import_id": import_id}
    await connection.execute(_confirm, named)
    await connection.execute(_upsert_commissions, {**named, "now": now})
    if (await connection.execute(_turned_out)).scalar_one():
        await connection.execute(_state_no_more, named)
    await connection.execute(_state_the_rest, named)


async def outcomes(connection: Writer) -> list[tuple[str, Outcome, int]]:
    """How many trades of each section came to what."""
    return [(row.section, row.outcome, row.rows) for row in await connection.execute(_count)]


async def disputes(connection: Writer, most: int) -> list[Dispute]:
    """The first disputed trades."""
    return [Dispute(*row) for row in await connection.execute(_disputed, {"most": most})]
