"""What the fold reads: locked books, the state they left off with, and, to fold anew, their history."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from core.domain.books import Book, BookKey
from core.domain.episodes import Episode
from core.domain.executions import split_exec_id
from core.domain.fills import Key, Report
from core.domain.instruments import COMBO_CONID, Instrument
from core.domain.lots import CostMethod, Lot
from core.domain.rates import EXCHANGE_RATE
from models.book_keys import BOOKS, BOOKS_SINCE, book_arrays, books_since
from models.queries.carried import WITH_DEPENDENTS
from models.session import Reader, Writer


class KnownExecution(NamedTuple):
    """An execution that is already stored."""

    exec_id: str
    base_id: str
    account: str
    conid: int
    executed_at: datetime
    side: str
    quantity: Decimal
    price: Decimal
    commission_folded: bool
    source: str = "live"


class KnownCommission(NamedTuple):
    """A stored commission report; ``rate`` is its currency's recorded value in the instrument's."""

    commission: Decimal
    currency: str
    rate: Decimal | None


class Expected(NamedTuple):
    """What comes for a book with this cost method: how much is bought and how much sold, both unsigned."""

    method: CostMethod
    bought: Decimal
    sold: Decimal


class SafeStart(NamedTuple):
    """From where a book can be folded anew: the first fill of an episode.

    ``ended`` is what that fill ended, signed, where it went through zero: the episode before it stands.
    """

    ordinal: int
    key: Key
    ended: Decimal | None = None


_BOOK_COLUMNS = ", ".join(f"b.{name}" for name in Book._fields)

_lock_books = text(
    f"{WITH_DEPENDENTS} SELECT b.* FROM (SELECT account, conid FROM d ORDER BY account, conid) o "  # noqa: S608 - names are this program's own
    f"CROSS JOIN LATERAL (SELECT {_BOOK_COLUMNS} FROM ledger_books b "
    "WHERE b.account = o.account AND b.conid = o.conid FOR UPDATE) b"
)
# One index probe an id, said so that the planner cannot read the whole table instead: without statistics, as
# in a first resync or a rebuild, it takes a growing table for a small one.
_known_executions = text(
    "SELECT e.* FROM unnest(CAST(:ids AS text[])) AS k(id) CROSS JOIN LATERAL ("
    "SELECT exec_id, exec_base_id, account, conid, executed_at, side, quantity, price, commission_folded, "
    "source FROM executions "
    "WHERE exec_base_id = k.id OFFSET 0) e"
)
_instruments = text(
    "SELECT conid, symbol, sec_type, currency, local_symbol, trading_class, exchange, multiplier, expiry, "
    "strike, option_right, price_magnifier, description, liquid_hours, time_zone, broker_isin, "
    "broker_cusip, details_as_of "
    "FROM instruments WHERE conid = ANY(:conids)"
)
_commissions = text(
    "SELECT c.* FROM unnest(CAST(:exec_ids AS text[])) AS k(id) CROSS JOIN LATERAL ("
    "SELECT exec_id, commission, currency, rate FROM commission_reports WHERE exec_id = k.id OFFSET 0) c"
)
_unconverted = text(
    "SELECT k.id, c.currency FROM unnest(CAST(:exec_ids AS text[]), CAST(:currencies AS text[])) "
    "AS k(id, currency) CROSS JOIN LATERAL (SELECT currency FROM commission_reports "
    "WHERE exec_id = k.id AND rate IS NULL OFFSET 0) c WHERE c.currency <> k.currency"
)
# A report can be folded if its commission is in the instrument's currency, or has a recorded rate, or its
# account was told what both currencies are worth.
_CAN_BE_FOLDED = (
    "CROSS JOIN LATERAL (SELECT currency, rate FROM commission_reports "  # noqa: S608 - no input in it
    "WHERE exec_id = e.exec_id OFFSET 0) c JOIN instruments i ON i.conid = e.conid "
    f"WHERE i.conid <> {COMBO_CONID} AND i.sec_type <> 'BAG' "  # of combos only the legs are folded
    "AND c.currency <> '' AND i.currency <> '' AND (c.currency = i.currency OR c.rate IS NOT NULL "
    "OR (SELECT count(*) FROM (SELECT currency FROM account_values WHERE account = e.account "
    f"AND key = '{EXCHANGE_RATE}' UNION SELECT base_currency FROM broker_accounts WHERE account = e.account) "
    "AS r(currency) WHERE r.currency IN (c.currency, i.currency)) = 2)"
)
_unfolded_commissions = text(
    "SELECT e.exec_id FROM unnest(CAST(:exec_ids AS text[])) AS k(id) CROSS JOIN LATERAL ("  # noqa: S608 - no input in it
    "SELECT exec_id, account, conid FROM executions WHERE exec_id = k.id AND NOT commission_folded OFFSET 0) "
    f"e {_CAN_BE_FOLDED}"
)
_all_unfolded_commissions = text(
    f"SELECT e.exec_id FROM executions e {_CAN_BE_FOLDED} AND NOT e.commission_folded LIMIT 10000"  # noqa: S608 - no input in it
)
_open_positions = text(
    "SELECT p.id, p.account, p.conid, p.ordinal, p.quantity, p.max_quantity, p.cost_basis, p.realized_pnl, "  # noqa: S608 - no input in it
    "p.commission, p.open_commission, p.opened_at, p.missing_commissions, p.estimated, p.provisional_lots, "
    "p.event_count, p.lot_count, p.disposal_count "
    "FROM positions p WHERE p.status = 'open' "
    f"AND (p.account, p.conid) IN (SELECT k.account, k.conid FROM {BOOKS})"
)


def _some_open_lots(beyond: str, order: str) -> TextClause:
    return text(
        "SELECT l.* FROM unnest(CAST(:ids AS uuid[]), CAST(:beyond AS integer[])) "  # noqa: S608 - no input in it
        "AS k(id, beyond) CROSS JOIN LATERAL (SELECT position_id, seq, exec_id, opened_at, quantity, "
        "remaining, price, unit_cost, commission, remaining_commission, cost, remaining_cost, provisional, "
        "carried_at "
        "FROM lots WHERE position_id = k.id AND remaining <> 0 "
        f"AND (k.beyond IS NULL OR seq {beyond} k.beyond) ORDER BY seq {order} LIMIT :most) l"
    )


_oldest_lots = _some_open_lots(">", "ASC")
_newest_lots = _some_open_lots("<", "DESC")
_LOTS_AT_FIRST, _LOTS_MORE, _ALL_LOTS = 32, 8, 2**31
_history = text(
    # All revisions of whatever has one at or after the start: they count together.
    "SELECT e.account, e.conid, e.executed_at, e.exec_base_id, e.revision, e.exec_id, e.side, e.quantity, "  # noqa: S608 - no input in it
    "e.price, c.commission, c.currency, c.rate "
    "FROM executions e LEFT JOIN commission_reports c USING (exec_id) "
    f"WHERE e.exec_base_id IN (SELECT x.exec_base_id FROM {BOOKS_SINCE} "
    "JOIN executions x ON x.account = k.account AND x.conid = k.conid "
    "AND x.executed_at >= coalesce(k.since, '-infinity'))"
)
_safe_starts = text(
    f"SELECT k.account, k.conid, p.ordinal, p.opened_at, p.exec_id, f.ended FROM {BOOKS_SINCE} "  # noqa: S608 - no input in it
    "CROSS JOIN LATERAL ("
    "SELECT q.ordinal, q.opened_at, v.exec_id FROM positions q "
    "JOIN position_events v ON v.position_id = q.id AND v.seq = 1 "
    "WHERE q.account = k.account AND q.conid = k.conid AND q.opened_at < k.since AND v.exec_id IS NOT NULL "
    "ORDER BY q.ordinal DESC LIMIT 1) p "
    "LEFT JOIN LATERAL (SELECT -quantity AS ended FROM position_events "
    "WHERE exec_id = p.exec_id AND type = 'flipped' OFFSET 0) f ON true"
)
_complete_positions = text(
    "SELECT account, as_of, epoch FROM sync_datasets WHERE dataset = 'positions' AND complete "
    "AND account = ANY(:accounts)"
)
_books_of_instruments = text("SELECT account, conid FROM ledger_books WHERE conid = ANY(:conids)")
_dirty_books = text("SELECT account, conid FROM ledger_books WHERE dirty ORDER BY account, conid LIMIT :most")


async def lock_books(connection: Writer, keys: Iterable[BookKey]) -> dict[BookKey, Book]:
    """Lock books, in key order so that workers cannot lock each other out, and read them.

    Those that go on with their lots are locked with them, for they may have to be folded anew as well.
    """
    wanted = set(keys)
    rows = await connection.execute(_lock_books, book_arrays(wanted))
    return {key: Book(*row) for row in rows if (key := (row.account, row.conid)) in wanted}


async def known_executions(connection: Reader | Writer, base_ids: Iterable[str]) -> list[KnownExecution]:
    """Every stored revision of these executions."""
    rows = await connection.execute(_known_executions, {"ids": sorted(base_ids)})
    return [KnownExecution(*row) for row in rows]


async def instruments_of(connection: Reader | Writer, conids: Iterable[int]) -> dict[int, Instrument]:
    """Instruments, by conid."""
    return {conid: one for conid, (one, _) in (await detailed_instruments(connection, conids)).items()}


async def detailed_instruments(
    connection: Reader | Writer, conids: Iterable[int]
) -> dict[int, tuple[Instrument, datetime | None]]:
    """Instruments, each with the time of its contract details."""
    rows = await connection.execute(_instruments, {"conids": sorted(conids)})
    # The columns stand in the order of the fields, and after them the time.
    names = Instrument.__struct_fields__
    return {row[0]: (Instrument(**dict(zip(names, row[:-1], strict=True))), row[-1]) for row in rows}


async def commissions_of(connection: Reader | Writer, exec_ids: Iterable[str]) -> dict[str, KnownCommission]:
    """Commissions of those executions that have a report."""
    rows = await connection.execute(_commissions, {"exec_ids": sorted(exec_ids)})
    return {row.exec_id: KnownCommission(row.commission, row.currency, row.rate) for row in rows}


async def unconverted(connection: Reader | Writer, currencies: Mapping[str, str]) -> dict[str, str]:
    """The currencies of those commissions that are not in these, their instruments', and have no rate yet."""
    ordered = sorted(currencies.items())
    rows = await connection.execute(
        _unconverted,
        {"exec_ids": [one for one, _ in ordered], "currencies": [currency for _, currency in ordered]},
    )
    return {row.id: row.currency for row in rows}


async def unfolded_commissions(connection: Reader | Writer, exec_ids: Sequence[str] | None) -> list[str]:
    """Executions (of these, or all) folded before their commission, or the rate it needs, was visible."""
    if exec_ids is None:
        rows = await connection.execute(_all_unfolded_commissions)
    else:
        rows = await connection.execute(_unfolded_commissions, {"exec_ids": list(exec_ids)})
    return [row.exec_id for row in rows]


async def open_episodes(connection: Writer, expected: Mapping[BookKey, Expected]) -> dict[BookKey, Episode]:
    """The open episodes of books, each with as many of its open lots as what is ``expected`` can close.

    So a new fill costs the same however many lots have piled up. Dearest-first alone needs them all.
    """
    rows = await connection.execute(_open_positions, book_arrays(expected))
    found = {(row.account, row.conid): _episode(row, expected[row.account, row.conid].method) for row in rows}
    by_method: dict[CostMethod, list[tuple[Episode, Decimal]]] = {}
    for key, episode in found.items():
        method, bought, sold = expected[key]
        closing = sold if episode.long else bought
        if closing:
            by_method.setdefault(method, []).append((episode, closing))
    for method, wanted in by_method.items():
        await _load_lots(connection, method, wanted)
    return found


async def _load_lots(
    connection: Writer, method: CostMethod, wanted: Sequence[tuple[Episode, Decimal]]
) -> None:
    """Give each episode the lots that are closed first, until they cover its quantity or none is left."""
    statement = _newest_lots if method == "lifo" else _oldest_lots
    most = _ALL_LOTS if method == "hifo" else _LOTS_AT_FIRST
    loaded: dict[UUID, list[Lot]] = {episode.id: [] for episode, _ in wanted}
    left = {episode.id: min(size, abs(episode.quantity)) for episode, size in wanted}
    while left:
        beyond = [loaded[one][-1].seq if loaded[one] else None for one in left]
        rows = await connection.execute(statement, {"ids": list(left), "beyond": beyond, "most": most})
        before = dict(left)
        for row in rows:
            loaded[row.position_id].append(_lot(row))
            left[row.position_id] -= abs(row.remaining)
        # Whoever got nothing has no more.
        left = {one: size for one, size in left.items() if size > 0 and size != before[one]}
        most *= _LOTS_MORE
    for episode, _ in wanted:
        for lot in sorted(loaded[episode.id], key=lambda one: one.seq):
            episode.open_lots.append(lot)


def _episode(row: Any, method: CostMethod) -> Episode:
    episode = Episode(row.account, row.conid, row.ordinal, "", row.opened_at, method)
    # The stored id is the truth; what it was made from is not kept.
    episode.__dict__["id"] = row.id
    episode.long = row.quantity > 0
    episode.quantity = row.quantity
    episode.max_quantity = row.max_quantity
    episode.cost = row.cost_basis
    episode.realized = row.realized_pnl
    episode.commission = row.commission
    episode.open_commission = row.open_commission
    episode.missing_commissions = row.missing_commissions
    episode.estimated = row.estimated
    episode.provisional_lots = row.provisional_lots
    episode.event_count = row.event_count
    episode.lot_count = row.lot_count
    episode.disposal_count = row.disposal_count
    return episode


def _lot(row: Any) -> Lot:
    lot = Lot(*row[1:])
    lot.written = True
    return lot


async def history(
    connection: Writer, starts: Iterable[tuple[BookKey, datetime | None]]
) -> dict[BookKey, list[Report]]:
    """All stored reports of these books, or those at or after a time (with all revisions of each)."""
    reports: dict[BookKey, list[Report]] = {}
    for row in await connection.execute(_history, books_since(starts)):
        reports.setdefault((row.account, row.conid), []).append(report_of(row))
    return reports


def report_of(row: Row[Any]) -> Report:
    """A row of an execution and, where there is one, its commission."""
    return Report(
        row.executed_at,
        row.exec_base_id,
        row.revision,
        row.exec_id,
        row.quantity if row.side == "BOT" else -row.quantity,
        row.price,
        row.commission,
        row.currency,
        row.rate,
    )


async def safe_starts(
    connection: Writer, earliest: Iterable[tuple[BookKey, datetime]]
) -> dict[BookKey, SafeStart]:
    """The last episode of each book that a change at this time cannot have reached back before."""
    rows = await connection.execute(_safe_starts, books_since(earliest))
    return {
        (row.account, row.conid): SafeStart(
            row.ordinal, (row.opened_at, split_exec_id(row.exec_id)[0]), row.ended
        )
        for row in rows
    }


async def complete_positions(connection: Writer, accounts: Iterable[str]) -> dict[str, tuple[datetime, int]]:
    """As of when, and in which epoch, each account's positions were last completely told."""
    rows = await connection.execute(_complete_positions, {"accounts": sorted(accounts)})
    return {row.account: (row.as_of, row.epoch) for row in rows}


async def books_of_instruments(connection: Writer, conids: Iterable[int]) -> set[BookKey]:
    """Books that hold, or held, these instruments."""
    rows = await connection.execute(_books_of_instruments, {"conids": sorted(conids)})
    return {(row.account, row.conid) for row in rows}


async def dirty_books(connection: Reader, most: int) -> list[BookKey]:
    """Books that must be folded again."""
    rows = await connection.execute(_dirty_books, {"most": most})
    return [(row.account, row.conid) for row in rows]
