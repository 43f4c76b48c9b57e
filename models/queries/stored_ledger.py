"""What a whole book is folded from, and the rows that stand for it, read in bulk as COPY spells them.

COPY is several times faster than rows of values, and a line of it can be compared as it is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import Book, BookKey
from core.domain.fills import Report
from core.domain.lots import CostMethod
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer
from models.tables.positions import FOLDED_COLUMNS

NULL = "\\N"

_BOOK_COLUMNS = ", ".join(Book._fields)
_books = text(
    f"SELECT {_BOOK_COLUMNS} FROM ledger_books JOIN "  # noqa: S608 - names are this program's own
    f"{BOOKS} USING (account, conid)"
)
_book_sizes = text(
    "SELECT k.account, k.conid, coalesce(n.executions, 0) AS executions, b.account IS NOT NULL AS known "
    "FROM (SELECT account, conid FROM ledger_books UNION SELECT account, conid FROM positions "
    # A combo's own executions belong to no book: its legs do.
    "UNION SELECT x.account, x.conid FROM (SELECT DISTINCT account, conid FROM executions) x "
    "JOIN instruments i USING (conid) WHERE i.sec_type <> 'BAG') k "
    "LEFT JOIN (SELECT account, conid, count(*) AS executions FROM executions GROUP BY account, conid) n "
    "USING (account, conid) LEFT JOIN ledger_books b USING (account, conid) "
    "WHERE CAST(:account AS text) IS NULL OR k.account = :account ORDER BY k.account, k.conid"
)
_sizes_of = text(
    "SELECT k.account, k.conid, (SELECT count(*) FROM executions e "  # noqa: S608 - no input in it
    "WHERE e.account = k.account AND e.conid = k.conid) AS executions "
    f"FROM {BOOKS} "
    "ORDER BY k.account, k.conid"
)
_methods = text(
    "SELECT account, cost_method FROM broker_accounts WHERE CAST(:account AS text) IS NULL "
    "OR account = :account"
)
# PostgreSQL keeps the plans of what is asked again and again: made while there are few rows, they would read
# all of them each time ever after.
_by_index_only = text("SELECT set_config('enable_seqscan', 'off', true)")
_same_spelling = text("SELECT set_config('datestyle', 'ISO', true), set_config('timezone', 'UTC', true)")

# The keys are two arrays; each probe of an index is said so that no plan reads a whole table for a batch.
_KEYS = "unnest(CAST($1 AS text[]), CAST($2 AS bigint[])) AS k(account, conid)"
_EXECUTION = (
    *("executed_at", "exec_base_id", "revision", "exec_id", "side", "quantity", "price"),
    *("corrected_by", "position_id", "realized_pnl", "commission_folded"),
)


def _facts_of(more: str = "") -> str:
    return (
        "SELECT k.account, k.conid, e.executed_at, e.exec_base_id, e.revision, e.exec_id, e.side, "  # noqa: S608 - no input in it
        "e.quantity, e.price, c.commission, c.currency, c.rate, e.is_staged, e.corrected_by, e.position_id, "
        f"e.realized_pnl, e.commission_folded FROM {_KEYS} "
        f"CROSS JOIN LATERAL (SELECT {', '.join(_EXECUTION)}, false AS is_staged FROM executions x "
        f"WHERE x.account = k.account AND x.conid = k.conid {more} OFFSET 0) e "
        "LEFT JOIN LATERAL (SELECT commission, currency, rate FROM commission_reports r "
        "WHERE r.exec_id = e.exec_id OFFSET 0) c ON true"
    )


_facts = _facts_of()
_facts_and_staged = _facts_of(
    "UNION ALL SELECT executed_at, base_id, revision, exec_id, side, size, price, NULL, NULL, NULL, false, "
    "true FROM staged_executions s WHERE s.account = k.account AND s.conid = k.conid"
)
_POSITIONS_OF = (
    f"{_KEYS} CROSS JOIN LATERAL (SELECT {', '.join(FOLDED_COLUMNS['positions'])} FROM positions x "  # noqa: S608 - the same
    "WHERE x.account = k.account AND x.conid = k.conid OFFSET 0) p"
)


def _rows_of(table: str) -> str:
    columns = FOLDED_COLUMNS[table]
    if table == "positions":
        return f"SELECT {', '.join(f'p.{name}' for name in columns)} FROM {_POSITIONS_OF} ORDER BY p.id"  # noqa: S608 - the same
    return (
        f"SELECT {', '.join(f'r.{name}' for name in columns)} FROM {_POSITIONS_OF} "  # noqa: S608 - the same
        f"CROSS JOIN LATERAL (SELECT * FROM {table} x WHERE x.position_id = p.id OFFSET 0) r "
        "ORDER BY r.position_id, r.seq"
    )


_rows = {table: _rows_of(table) for table in FOLDED_COLUMNS}


class BookSize(NamedTuple):
    """How many executions a book has, and whether it has its row in ``ledger_books``."""

    key: BookKey
    executions: int
    known: bool


class StoredBook(NamedTuple):
    """A book's reports, and where each was said to stand: the spelled columns of ``PLACE``.

    ``staged`` are the ids of those that an import brings and that are not stored yet.
    """

    reports: list[Report]
    places: list[list[str]]
    staged: set[str]


PLACE = ("corrected_by", "position_id", "realized_pnl", "commission_folded")


async def book_sizes(reader: Reader, account: str | None = None) -> list[BookSize]:
    """Every book there is, or that executions or positions say there should be, in the order of locking."""
    rows = await reader.execute(_book_sizes, {"account": account})
    return [BookSize((row.account, row.conid), row.executions, row.known) for row in rows]


async def sizes_of(connection: Reader | Writer, keys: Iterable[BookKey]) -> list[BookSize]:
    """How much there is of these books, in the order of locking."""
    rows = await connection.execute(_sizes_of, book_arrays(keys))
    return [BookSize((row.account, row.conid), row.executions, known=True) for row in rows]


async def cost_methods(connection: Reader | Writer, account: str | None = None) -> dict[str, CostMethod]:
    """Each account's setting."""
    rows = await connection.execute(_methods, {"account": account})
    return {row.account: row.cost_method for row in rows}


async def books_of(connection: Reader | Writer, keys: Iterable[BookKey]) -> dict[BookKey, Book]:
    """Books as they are stored, without locking them."""
    rows = await connection.execute(_books, book_arrays(keys))
    return {(row.account, row.conid): Book(*row) for row in rows}


async def go_by_indexes(connection: Writer) -> None:
    """Until this transaction ends: never read a whole table for the few rows that are wanted."""
    await connection.execute(_by_index_only)


async def facts_of(
    connection: Reader | Writer, keys: Sequence[BookKey], *, staged: bool = False
) -> list[str]:
    """All reports of these books, each with its commission and its place in the ledger, for ``read_facts``.

    With ``staged`` also those in ``staged_executions``, which an import brings.
    """
    return await copied(connection, _facts_and_staged if staged else _facts, *_columns(keys))


def read_facts(keys: Iterable[BookKey], lines: Iterable[str]) -> dict[BookKey, StoredBook]:
    """What ``facts_of`` read, book by book."""
    books = {key: StoredBook([], [], set()) for key in keys}
    by_name = {(account, str(conid)): book for (account, conid), book in books.items()}
    times: dict[str, datetime] = {}
    for line in lines:
        fields = fields_of(line)
        account, conid, at, base_id, revision, exec_id, side, quantity, price, fee, currency, rate = fields[
            :12
        ]
        executed_at = times.get(at)
        if executed_at is None:
            executed_at = times[at] = datetime.fromisoformat(at)
        reports, places, staged = by_name[account, conid]
        signed = Decimal(quantity)
        reports.append(
            Report(
                executed_at,
                base_id,
                int(revision),
                exec_id,
                signed if side == "BOT" else -signed,
                Decimal(price),
                None if fee == NULL else Decimal(fee),
                None if currency == NULL else currency,
                None if rate == NULL else Decimal(rate),
            )
        )
        places.append(fields[13:])
        if fields[12] == "t":
            staged.add(exec_id)
    return books


async def rows_of(connection: Reader | Writer, keys: Sequence[BookKey]) -> dict[str, list[str]]:
    """The stored rows of these books by table, with ``FOLDED_COLUMNS``, in order of position and number."""
    return {table: await copied(connection, query, *_columns(keys)) for table, query in _rows.items()}


def _columns(keys: Sequence[BookKey]) -> tuple[list[str], list[int]]:
    return [key[0] for key in keys], [key[1] for key in keys]


async def copied(connection: Reader | Writer, query: str, *arguments: Sequence[object]) -> list[str]:
    """The lines of a query as COPY spells them; its ``arguments`` are called ``$1`` and so on in it."""
    await connection.execute(_same_spelling)
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is None or not raw.is_in_transaction():
        raise RuntimeError("rows are compared at one moment: read them in a transaction")
    told = bytearray()

    async def take(data: bytes) -> None:
        told.extend(data)

    await raw.copy_from_query(query, *arguments, output=take)
    lines = told.decode().split("\n")
    lines.pop()
    return lines


def fields_of(line: str) -> list[str]:
    """The fields of a line that COPY has written, each as it was before it was escaped."""
    fields = line.split("\t")
    if line.count("\\") != line.count(NULL):
        fields = [read_text(value) for value in fields]
    return fields


_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def read_text(value: str) -> str:
    """A field of COPY as it was before it was escaped; what is absent stays ``NULL``."""
    if value == NULL or "\\" not in value:
        return value
    parts = iter(value)
    read: list[str] = []
    for one in parts:
        if one == "\\":
            following = next(parts)
            read.append(_ESCAPED.get(following, following))
        else:
            read.append(one)
    return "".join(read)
