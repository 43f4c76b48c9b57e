"""What must be in the database at the end: computed from the script alone, and hashed to compare two runs."""
# ruff: noqa: S608 - every name in these queries stands here

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import asyncpg

from services.simulator.executions import Key
from tests.faults.script import Script

CENT = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Book:
    """What one account holds of one contract at the end, and what it has realized and paid."""

    quantity: Decimal
    realized: Fraction
    commission: Decimal


@dataclass(frozen=True, slots=True)
class Expected:
    """What a script comes to."""

    executions: dict[str, tuple[Decimal, Decimal]]
    """Quantity and price, by exec id."""
    books: dict[Key, Book]
    poison: int


@dataclass(slots=True)
class _Trade:
    order: tuple[int, str]
    quantity: Decimal
    price: Decimal
    commission: Decimal


def expect(script: Script) -> Expected:
    """First in, first out, in plain fractions; a commission belongs to its units, pro rata."""
    trades: dict[Key, dict[str, _Trade]] = defaultdict(dict)
    for one in script.bookings:
        signed = one.quantity if one.side == "BOT" else -one.quantity
        book = trades[one.account, one.conid]
        known = book.get(one.base_id)
        if known is None:
            book[one.base_id] = _Trade((one.second, one.base_id), signed, one.price, one.commission)
        else:
            known.quantity, known.price = signed, one.price
            known.commission += one.commission
    keys = {*trades, *script.opening}
    return Expected(
        {one.exec_id: (one.quantity, one.price) for one in script.bookings},
        {
            key: _fifo(trades.get(key, {}), script.opening.get(key), script.point_value[key[1]])
            for key in keys
        },
        script.poison,
    )


def _fifo(
    trades: Mapping[str, _Trade], opening: tuple[Decimal, Decimal] | None, point_value: Decimal
) -> Book:
    lots: deque[list[Fraction]] = deque()
    # Signed units, and what one of them cost with its commission (of a short: brought, less that).
    lots: deque[list[Fraction]] = deque()
    if opening is not None:
        lots.append([Fraction(opening[0]), Fraction(opening[1])])
    realized = Fraction(0)
    for trade in sorted(trades.values(), key=lambda one: one.order):
        left = Fraction(trade.quantity)
        if not left:
            continue
        value = Fraction(trade.price) * Fraction(point_value)
        fee = Fraction(trade.commission) / abs(left)
        while left and lots and lots[0][0] * left < 0:
            units, cost = lots[0]
            part = min(abs(units), abs(left))
            sign = 1 if units > 0 else -1
            realized += part * (sign * (value - cost) - fee)
            lots[0][0] -= sign * part
            left += sign * part
            if not lots[0][0]:
                lots.popleft()
        if left:
            lots.append([left, value + fee if left > 0 else value - fee])
    held = sum((units for units, _ in lots), Fraction(0))
    commission = sum((trade.commission for trade in trades.values() if trade.quantity), Decimal(0))
    return Book(Decimal(held.numerator) / Decimal(held.denominator), realized, commission)


# The state of a database.

_POSITION = "p.account || '|' || p.conid || '|' || p.ordinal"


def _when(columns: str) -> str:
    """Times, by the script's clock; what was there before it began has none."""
    return ", ".join(
        f"CASE WHEN {column} < $1 THEN 'before' "
        f"ELSE extract(epoch FROM {column} - $1)::numeric(20,3)::text END"
        for column in columns.split()
    )


def _money(columns: str) -> str:
    return ", ".join(f"trim_scale({column})::text" for column in columns.split())


def _of_positions(table: str, money: str, times: str, others: str, order: str) -> str:
    """Rows of a table that hang on positions."""
    return (
        f"SELECT {_POSITION} AS position, {others}, {_money(money)}, {_when(times)} "
        f"FROM {table} JOIN positions p ON p.id = position_id ORDER BY 1, {order}"
    )


STATE = {
    "executions": "SELECT e.exec_id, e.revision, e.account, e.conid, e.side, e.perm_id, e.exchange, "
    f"e.corrected_by, e.commission_folded, e.source, {_when('e.executed_at')}, "
    + _money("e.quantity e.price e.cumulative_quantity e.average_price e.realized_pnl")
    + f", {_POSITION} FROM executions e LEFT JOIN positions p ON p.id = e.position_id ORDER BY e.exec_id",
    "commission_reports": f"SELECT exec_id, {_money('commission realized_pnl rate')}, currency "
    "FROM commission_reports ORDER BY exec_id",
    "positions": f"SELECT {_POSITION}, p.status, p.side, "
    + _money("quantity max_quantity average_cost cost_basis realized_pnl commission open_commission")
    + f", {_when('opened_at closed_at')}, p.provisional, p.missing_commissions, p.estimated, "
    "p.provisional_lots, p.event_count, p.lot_count, p.disposal_count FROM positions p ORDER BY 1",
    "position_events": _of_positions(
        "position_events t",
        "t.quantity t.price t.position_after t.realized_pnl t.commission t.replaced_quantity",
        "t.executed_at",
        "t.seq, t.type, t.exec_id, t.cause, t.inferred",
        "t.seq",
    ),
    "lots": _of_positions(
        "lots t",
        "t.quantity t.remaining t.price t.unit_cost t.commission t.remaining_commission t.cost "
        "t.remaining_cost",
        "t.opened_at",
        "t.seq, t.exec_id, t.provisional",
        "t.seq",
    ),
    "lot_disposals": _of_positions(
        "lot_disposals t",
        "t.quantity t.open_price t.close_price t.cost t.proceeds t.open_commission t.close_commission "
        "t.realized_pnl",
        "t.opened_at t.closed_at",
        "t.lot_seq, t.seq, t.exec_id, t.provisional",
        "t.lot_seq, t.seq",
    ),
    "ledger_books": f"SELECT account, conid, cost_method, {_money('quantity broker_quantity')}, "
    "last_exec_base_id, episodes, dirty FROM ledger_books ORDER BY 1, 2",
    "differences": "SELECT account, conid, kind FROM reconciliation_differences WHERE resolved_at IS NULL "
    "ORDER BY 1, 2, 3",
}
"""What two runs of one script have in common, whatever happened to them. Our own times, epochs and versions
differ, and so does how often the broker said what is held."""

JOURNAL = {
    # Which fill it was: its time is that of the run.
    "dead_facts": "SELECT category, substring(payload FROM '[0-9a-f]{8}[.][0-9a-f]{8}[.]01[.][0-9]{2}'), "
    "source, occurrences FROM dead_facts ORDER BY 1, 2",
    "log lines written twice": "SELECT kind, message, count(*) FROM sync_log "
    "GROUP BY at, epoch, kind, message HAVING count(*) > 1 ORDER BY 1, 2",
}
"""What is written once for each fact, with no key of the broker's to keep it from being written twice."""

Hash = dict[str, str]


async def _hash(connection: asyncpg.Connection, queries: Mapping[str, str], origin: datetime) -> Hash:
    hashes = {}
    for table, query in queries.items():
        arguments = [origin] if "$1" in query else []
        hashes[table] = str(
            await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(row::text, E'\\n'), '')) FROM ({query}) AS row", *arguments
            )
        )
    return hashes


async def state_hash(connection: asyncpg.Connection, origin: datetime) -> Hash:
    """The state of a database after a script told since ``origin``, by table."""
    return await _hash(connection, STATE, origin)


async def journal_hash(connection: asyncpg.Connection, origin: datetime) -> Hash:
    """What was written down about how it came to be, by table."""
    return await _hash(connection, JOURNAL, origin)


async def state_rows(
    connection: asyncpg.Connection, origin: datetime, table: str
) -> list[tuple[object, ...]]:
    """The rows behind a hash."""
    query = {**STATE, **JOURNAL}[table]
    return [tuple(row) for row in await connection.fetch(query, *([origin] if "$1" in query else []))]


@dataclass(slots=True)
class Verdict:
    """How a database compares with what is expected."""

    executions: int = 0
    lost: int = 0
    doubled: int = 0
    wrong_positions: int = 0
    cents_off: Decimal = Decimal(0)
    examples: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.wrong_positions or self.cents_off or self.examples)


async def judge(connection: asyncpg.Connection, expected: Expected) -> Verdict:
    """Compare with the oracle."""
    verdict = Verdict()
    stored = {
        row["exec_id"]: (row["quantity"], row["price"])
        for row in await connection.fetch("SELECT exec_id, quantity, price FROM executions")
    }
    verdict.executions = len(stored)
    missing, invented = expected.executions.keys() - stored.keys(), stored.keys() - expected.executions.keys()
    verdict.lost, verdict.doubled = len(missing), len(invented)
    _note(verdict, "missing", sorted(missing))
    _note(verdict, "invented", sorted(invented))
    other = [
        exec_id for exec_id in stored.keys() - invented if stored[exec_id] != expected.executions[exec_id]
    ]
    _note(verdict, "told otherwise", sorted(other))
    found = {
        (row["account"], row["conid"]): row
        for row in await connection.fetch(
            "SELECT account, conid, sum(quantity) AS quantity, sum(realized_pnl) AS realized, "
            "sum(commission) AS commission FROM positions GROUP BY 1, 2"
        )
    }
    for key in sorted({*found, *expected.books}):
        _judge_book(verdict, key, expected.books.get(key), found.get(key))
    return verdict


def _judge_book(verdict: Verdict, key: Key, book: Book | None, row: asyncpg.Record | None) -> None:
    quantity = row["quantity"] if row else Decimal(0)
    expected = book or Book(Decimal(0), Fraction(0), Decimal(0))
    if quantity != expected.quantity:
        verdict.wrong_positions += 1
        _note(verdict, f"position {key}", [f"{quantity} for {expected.quantity}"])
    commission = row["commission"] if row else Decimal(0)
    if commission != expected.commission:
        _note(verdict, f"commission {key}", [f"{commission} for {expected.commission}"])
    realized = (row["realized"] if row else None) or Decimal(0)
    off = abs(Fraction(realized) - expected.realized)
    if off >= CENT / 2:
        verdict.cents_off += Decimal(round(off / CENT))
        _note(verdict, f"realized {key}", [f"{realized} for {float(expected.realized):.4f}"])


def _note(verdict: Verdict, what: str, examples: list[str]) -> None:
    if examples:
        verdict.examples.append(f"{what}: {len(examples)}, such as {examples[:3]}")
