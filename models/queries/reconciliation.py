"""What comparing with the broker reads."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import text

from core.domain.books import Book, BookKey
from core.domain.causes import COMPANION_WITHIN, Conclusion, Watch
from core.domain.episodes import Cause
from core.domain.reconciliation import COST_LEEWAY, UNIT_COST_LEEWAY, Candidate
from models.book_keys import BOOKS, book_arrays
from models.queries.differences import IS_KNOWN
from models.queries.links import ITS_LOGINS, LISTENED_TO
from models.session import Reader, Writer
from models.tables.sync import CUT_OFF

_NOT_ENDED = datetime.max.replace(tzinfo=UTC)

_COLUMNS = ", ".join(f"b.{name}" for name in Book._fields)
# Books that hold something, or are not known to agree. Most agree and have since they were last touched:
# those are counted, the others are looked at. Says the same as is_settled and cost_kind of the domain.
_COMPARED = (
    "FROM ledger_books b LEFT JOIN positions p "
    "ON p.account = b.account AND p.conid = b.conid AND p.status = 'open' "
    "WHERE b.account = :account AND (b.quantity <> 0 OR b.broker_quantity IS DISTINCT FROM 0 "
    "OR b.first_anchor_at IS NULL OR b.reconciled_at IS NULL OR b.reconciled_at < b.touched_at "
    "OR b.conid = ANY(:adjusted))"
)
_AGREES = (
    "b.quantity = b.broker_quantity AND b.first_anchor_at IS NOT NULL "
    "AND b.reconciled_at >= coalesce(b.touched_at, b.reconciled_at) AND NOT b.conid = ANY(:adjusted) "
    "AND (b.quantity = 0 OR p.cost_basis IS NULL OR b.broker_average_cost IS NULL "
    "OR b.last_executed_at > b.broker_as_of OR abs(p.cost_basis - b.broker_average_cost * b.quantity) "
    f"<= {COST_LEEWAY:f} + {UNIT_COST_LEEWAY:f} * abs(b.quantity) "
    "OR EXISTS (SELECT FROM instruments i WHERE i.conid = b.conid AND i.sec_type = 'CASH'))"
)
# Says the same as the verdict UNSETTLED of the domain. While much comes in that is most of what there is.
_IS_UNSETTLED = (
    "b.broker_quantity IS NOT NULL AND b.broker_as_of IS NOT NULL "
    "AND b.touched_at > coalesce(CAST(:settled_until AS timestamptz), '-infinity')"
)
_agreeing = text(f"SELECT count(*) {_COMPARED} AND {_AGREES}")
_unsettled = text(f"SELECT b.conid {_COMPARED} AND ({_AGREES}) IS NOT TRUE AND {_IS_UNSETTLED}")
_candidates = text(
    "SELECT p.cost_basis, coalesce(p.provisional, false), "  # noqa: S608 - no input in it
    f"(SELECT i.sec_type FROM instruments i WHERE i.conid = b.conid), {_COLUMNS} "
    f"{_COMPARED} AND ({_AGREES}) IS NOT TRUE AND ({_IS_UNSETTLED}) IS NOT TRUE"
)
_standing = text(
    "SELECT DISTINCT ON (p.conid) p.conid, e.cause, e.inferred, "
    "e.position_after - sum(e.quantity) OVER (PARTITION BY p.conid, e.executed_at) AS ours, "
    "e.position_after AS brokers, e.executed_at "
    "FROM position_events e JOIN positions p ON p.id = e.position_id "
    "WHERE e.cause IN ('unexplained', 'missed_executions') AND p.account = :account "
    "ORDER BY p.conid, e.executed_at DESC, p.ordinal DESC, e.seq DESC"
)
_open_of_account = text(
    "SELECT conid, kind, cause, inferred, ours, brokers FROM reconciliation_differences "
    "WHERE account = :account AND resolved_at IS NULL"
)
_costs = text(
    "SELECT p.account, p.conid, p.cost_basis FROM positions p "  # noqa: S608 - no input in it
    f"JOIN {BOOKS} USING (account, conid) WHERE p.status = 'open'"
)
# The last row of a book that says something else than the last of all tells what the broker told before.
_earlier_words = text(
    "SELECT k.account, k.conid, l.prior_as_of, f.quantity, f.average_cost "  # noqa: S608 - no input in it
    f"FROM {BOOKS} CROSS JOIN LATERAL (SELECT s.quantity, s.prior_as_of FROM position_statements s "
    "WHERE s.account = k.account AND s.conid = k.conid ORDER BY s.epoch DESC, s.seq DESC LIMIT 1) l "
    "LEFT JOIN LATERAL (SELECT s.quantity, s.average_cost FROM position_statements s "
    "WHERE s.account = k.account AND s.conid = k.conid AND s.quantity <> l.quantity "
    "ORDER BY s.epoch DESC, s.seq DESC LIMIT 1) f ON true"
)
_watches = text(
    # Under whatever names of a gateway: what listened to one account did so one after the other.
    f"SELECT CASE WHEN s.accounts IS NOT NULL OR s.login IN {ITS_LOGINS} THEN '' "  # noqa: S608 - no input in it
    "ELSE s.login END AS line, s.connected_at, s.time_zone, CASE "
    "WHEN s.ended_at IS NULL OR s.end_reason <> :cut_off THEN s.ended_at "
    "ELSE greatest(s.connected_at, (SELECT max(l.at) FROM sync_log l WHERE l.epoch = s.epoch), "
    "(SELECT max(w.received_at) FROM position_statements w WHERE w.account = :account "
    "AND w.epoch = s.epoch), (SELECT max(x.received_at) FROM executions x WHERE x.account = :account "
    "AND x.epoch = s.epoch AND x.executed_at >= s.connected_at)) END AS until "
    "FROM broker_sessions s WHERE s.connected_at IS NOT NULL "
    f"AND coalesce(s.ended_at, 'infinity') >= :since AND {LISTENED_TO} ORDER BY line, s.epoch"
)
# A book's first anchor gives it its opening balance: only later ones adjust.
_recent = text(
    "SELECT s.id, s.account, s.conid, s.as_of, s.quantity, s.average_cost, s.cause, s.price, s.carried, "
    "s.inferred, e.delta, d.cost FROM position_statements s JOIN ledger_books b USING (account, conid) "
    "JOIN instruments i USING (conid) CROSS JOIN LATERAL ("
    "SELECT sum(v.quantity) AS delta FROM positions p JOIN position_events v ON v.position_id = p.id "
    "WHERE p.account = s.account AND p.conid = s.conid AND v.type = 'adjusted' "
    "AND v.executed_at = s.as_of AND v.cause <> 'opening_balance') e LEFT JOIN LATERAL ("
    "SELECT CASE WHEN bool_and(c.cost IS NOT NULL) THEN sum(c.cost + c.open_commission) END AS cost "
    "FROM positions p JOIN lot_disposals c ON c.position_id = p.id WHERE p.account = s.account "
    "AND p.conid = s.conid AND c.closed_at = s.as_of AND c.exec_id IS NULL) d ON true "
    "WHERE s.anchor IS NOT NULL AND s.as_of > b.first_anchor_at AND s.as_of >= :since "
    "AND (s.conid = ANY(:conids) OR (s.account, i.symbol) IN (SELECT k.account, k.symbol FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:symbols AS text[])) AS k(account, symbol))) "
    "AND e.delta IS NOT NULL ORDER BY s.id"
)
_one_at_a_time = text("SELECT pg_advisory_xact_lock(hashtext('lotkeeper reconciliation'))")
_accounts = text("SELECT account FROM broker_accounts ORDER BY account")
_standing_differences = text(
    f"SELECT kind, {IS_KNOWN} AS is_known, "  # noqa: S608 - no input in it
    "count(*) AS books FROM reconciliation_differences WHERE resolved_at IS NULL GROUP BY 1, 2"
)


class StandingAdjustment(NamedTuple):
    """The newest adjustment of a book that nothing explains: quantities before and after it."""

    conid: int
    cause: Cause
    inferred: bool
    ours: Decimal
    brokers: Decimal
    at: datetime


class OpenDifference(NamedTuple):
    """A difference that stands open."""

    conid: int
    kind: str
    cause: str | None
    inferred: bool
    ours: Decimal | None
    brokers: Decimal | None


class EarlierWord(NamedTuple):
    """When the broker last told what it told before its last word, and what that was."""

    prior_as_of: datetime | None
    quantity: Decimal | None
    average_cost: Decimal | None


class Adjusted(NamedTuple):
    """A statement by which a book was adjusted, by ``delta``; what left with it had cost ``cost``."""

    id: int
    account: str
    conid: int
    as_of: datetime
    quantity: Decimal
    average_cost: Decimal | None
    why: Conclusion
    inferred: bool
    delta: Decimal
    cost: Decimal | None


async def standing_adjustments(connection: Reader, account: str) -> list[StandingAdjustment]:
    """The books of an account in which an adjustment is unexplained, by conid."""
    return [StandingAdjustment(*row) for row in await connection.execute(_standing, {"account": account})]


async def agreeing_books(connection: Reader, account: str, adjusted: Sequence[int]) -> int:
    """How many of an account's books agree with the broker in all, as they did when last compared.

    ``adjusted`` are the conids that :func:`standing_adjustments` told of.
    """
    parameters = {"account": account, "adjusted": list(adjusted)}
    return int((await connection.execute(_agreeing, parameters)).scalar_one())


async def books_to_compare(
    connection: Reader, account: str, adjusted: Sequence[int], settled_until: datetime | None
) -> list[Candidate]:
    """An account's other books that hold something, or are not known to agree, and have settled.

    What was touched after ``settled_until`` has not; without it nothing that was ever touched has.
    """
    parameters = {"account": account, "adjusted": list(adjusted), "settled_until": settled_until}
    rows = await connection.execute(_candidates, parameters)
    return [Candidate(Book(*row[3:]), *row[:3]) for row in rows]


async def unsettled_books(
    connection: Reader, account: str, adjusted: Sequence[int], settled_until: datetime | None
) -> set[int]:
    """The conids of those that have not. To be asked for after the settled ones: so each is among either."""
    parameters = {"account": account, "adjusted": list(adjusted), "settled_until": settled_until}
    return {row.conid for row in await connection.execute(_unsettled, parameters)}


async def open_differences_of(connection: Reader, account: str) -> list[OpenDifference]:
    """The differences of an account that stand open."""
    return [OpenDifference(*row) for row in await connection.execute(_open_of_account, {"account": account})]


async def open_costs(connection: Writer, keys: Iterable[BookKey]) -> dict[BookKey, Decimal | None]:
    """What the open positions of books cost in all."""
    rows = await connection.execute(_costs, book_arrays(keys))
    return {(row.account, row.conid): row.cost_basis for row in rows}


async def earlier_words(connection: Writer, keys: Iterable[BookKey]) -> dict[BookKey, EarlierWord]:
    """What the broker told of books before its last word."""
    rows = await connection.execute(_earlier_words, book_arrays(keys))
    return {(row[0], row[1]): EarlierWord(*row[2:]) for row in rows}


async def watches(connection: Writer, account: str, since: datetime) -> list[Watch]:
    """The connections that listened to an account until ``since`` or later, in order of line and time."""
    rows = await connection.execute(
        _watches, {"account": account, "since": since - COMPANION_WITHIN, "cut_off": CUT_OFF}
    )
    return [
        Watch(row.line, row.connected_at, row.until or _NOT_ENDED, ZoneInfo(row.time_zone or "UTC"))
        for row in rows
    ]


async def recent_adjustments(
    connection: Writer, since: datetime, conids: Iterable[int], symbols: Iterable[tuple[str, str]]
) -> list[Adjusted]:
    """What was adjusted since a time in these instruments, or in these symbols of an account."""
    ordered = sorted(symbols)
    rows = await connection.execute(
        _recent,
        {
            "since": since,
            "conids": sorted(conids),
            "accounts": [account for account, _ in ordered],
            "symbols": [symbol for _, symbol in ordered],
        },
    )
    return [
        Adjusted(
            row.id,
            row.account,
            row.conid,
            row.as_of,
            row.quantity,
            row.average_cost,
            Conclusion(row.cause, row.price, row.carried),
            row.inferred,
            row.delta,
            row.cost,
        )
        for row in rows
    ]


async def one_at_a_time(connection: Writer) -> None:
    """Wait until no other transaction concludes causes: each must see what the other adjusted."""
    await connection.execute(_one_at_a_time)


async def accounts(connection: Reader | Writer) -> list[str]:
    """Every account."""
    return [row.account for row in await connection.execute(_accounts)]


async def standing_differences(connection: Reader) -> dict[tuple[str, bool], int]:
    """How many differences stand, by kind and by whether somebody knows of them as they are."""
    return {(row.kind, row.is_known): row.books for row in await connection.execute(_standing_differences)}
