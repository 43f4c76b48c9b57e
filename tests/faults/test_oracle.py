"""The oracle knows its script, and sees whatever is wrong with a database."""

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from tests.faults.oracle import STATE, Book, expect, state_hash
from tests.faults.programs import Laboratory
from tests.faults.script import Booking, Chunk, Script, gateway_zone, write_script

pytestmark = pytest.mark.xdist_group("faults")

SIZE, PACE, POISON_EVERY = 3000, 1500, 1000


def script(*bookings: tuple[str, str, str, str], opening: str = "") -> Script:
    """Fills of one book: exec id, signed quantity, price, commission."""
    chunk = Chunk(0)
    for exec_id, quantity, price, commission in bookings:
        signed = Decimal(quantity)
        side = "SLD" if signed.is_signed() else "BOT"
        one = Booking(exec_id, None, "A", 1, side, abs(signed), Decimal(price), Decimal(commission), 0)
        chunk.bookings.append(one)
    held = {("A", 1): (Decimal(opening), Decimal(100))} if opening else {}
    return Script(0, len(bookings), [chunk], held, {1: Decimal(10)}, {}, 0)


@pytest.mark.parametrize(
    ("given", "book"),
    [
        (script(("a.01", "2", "10", "1"), ("b.01", "-1", "12", "1")), ("1", "18.5", "2")),
        (script(("a.01", "-2", "10", "1"), ("b.01", "1", "12", "1")), ("-1", "-21.5", "2")),
        # Through zero: the commission goes with the units, pro rata.
        (script(("a.01", "1", "10", "1"), ("b.01", "-3", "12", "3")), ("-2", "18", "4")),
        # A correction replaces quantity and price, and its commission adds up.
        (script(("a.01", "2", "10", "1"), ("a.02", "1", "11", "-0.5")), ("1", "0", "0.5")),
        # A cancelled fill never was.
        (script(("a.01", "2", "10", "1"), ("a.02", "0", "10", "-1")), ("0", "0", "0")),
        # First in, first out; what was there before goes first, at its cost.
        (script(("a.01", "1", "20", "0"), ("b.01", "-2", "12", "0"), opening="1"), ("0", "-60", "0")),
    ],
)
def test_it_counts_as_a_person_would(given: Script, book: tuple[str, str, str]) -> None:
    quantity, realized, commission = map(Decimal, book)
    assert expect(given).books["A", 1] == Book(quantity, Fraction(realized), commission)


def test_a_seed_always_writes_the_same_script_and_another_one_another() -> None:
    write_script.cache_clear()
    one = write_script(7, 400)
    write_script.cache_clear()
    assert write_script(7, 400) == one
    assert write_script(8, 400) != one


def test_a_script_has_everything_in_it() -> None:
    written = write_script(1, 3000, 1500, 1000)
    bookings = written.bookings
    assert len(bookings) == 3000
    assert len({one.exec_id for one in bookings}) == 3000
    assert any(one.corrects and not one.quantity for one in bookings)
    assert any(one.corrects and one.quantity for one in bookings)
    assert any(one.quantity % 1 for one in bookings)
    tellings = Counter(one for chunk in written.chunks for one in chunk.tellings)
    assert {one.exec_id for one in tellings if one.kind == "execution"} == {one.exec_id for one in bookings}
    assert {one.exec_id for one in tellings if one.kind == "commission"} == {one.exec_id for one in bookings}
    assert max(tellings.values()) > 1
    assert written.poison == 3
    signs = {book.quantity > 0 for book in expect(written).books.values() if book.quantity}
    assert signs == {True, False}


@pytest.mark.parametrize("hour", range(24))
def test_at_the_gateway_it_is_about_noon(hour: int) -> None:
    now = datetime(2026, 11, 20, hour, 30, tzinfo=UTC)
    assert now.astimezone(ZoneInfo(gateway_zone(now))).hour == 12


TAMPERED = {
    "executions": "UPDATE executions SET price = 1 WHERE ctid = (SELECT ctid FROM executions LIMIT 1)",
    "commission_reports": "DELETE FROM commission_reports WHERE exec_id = (SELECT min(exec_id) FROM "
    "commission_reports)",
    "positions": "UPDATE positions SET realized_pnl = realized_pnl + 0.01 WHERE id = "
    "(SELECT id FROM positions WHERE realized_pnl IS NOT NULL LIMIT 1)",
    "position_events": "UPDATE position_events SET commission = commission + 0.0001 WHERE ctid = "
    "(SELECT ctid FROM position_events WHERE commission IS NOT NULL LIMIT 1)",
    "lots": "UPDATE lots SET remaining_cost = remaining_cost + 0.0001 WHERE ctid = (SELECT ctid FROM lots "
    "WHERE remaining_cost IS NOT NULL LIMIT 1)",
    "lot_disposals": "UPDATE lot_disposals SET closed_at = closed_at + interval '1 s' WHERE ctid = "
    "(SELECT ctid FROM lot_disposals LIMIT 1)",
    "ledger_books": "UPDATE ledger_books SET broker_quantity = broker_quantity + 1 WHERE ctid = "
    "(SELECT ctid FROM ledger_books LIMIT 1)",
    "differences": "INSERT INTO reconciliation_differences (account, conid, kind, since) "
    "SELECT account, conid, 'quantity_mismatch', now() FROM ledger_books LIMIT 1",
}


async def test_whatever_is_changed_is_seen(laboratory: Laboratory) -> None:
    assert TAMPERED.keys() == STATE.keys()
    reference = await laboratory.reference(1, SIZE, pace=PACE, poison_every=POISON_EVERY)
    async with laboratory.servers.database(reference.database) as connection:
        before = await state_hash(connection, reference.origin)
        for table, statement in TAMPERED.items():
            transaction = connection.transaction()
            await transaction.start()
            assert re.fullmatch(r"(UPDATE|DELETE|INSERT 0) 1", await connection.execute(statement)), table
            now = await state_hash(connection, reference.origin)
            assert [name for name in now if now[name] != before[name]] == [table]
            await transaction.rollback()
