"""Fills made in bulk, and one that never happened: for benchmarks and for spoiling."""

import random
import secrets
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from services.simulator import messages, wire
from services.simulator.book import Book
from services.simulator.executions import Execution, Key, Order, Side
from services.simulator.gateway import Gateway

CHUNK_FILLS = 500


def burst_fills(
    book: Book, keys: Sequence[Key], count: int, *, rng: random.Random, now: datetime
) -> list[Execution]:
    """Book ``count`` small fills at the mark, in turn over ``keys``."""
    fills: list[Execution] = []
    for index in range(count):
        account, conid = keys[index % len(keys)]
        side: Side = rng.choice(("BOT", "SLD"))
        size = book.instruments[conid].lot_size * rng.randint(1, 9)
        order = Order(0, book.next_perm_id(), 0, size)
        fills.append(book.fill(account, conid, side, size, book.marks[conid], now, order=order))
    return fills


def burst_chunks(gateway: Gateway, version: int, fills: Sequence[Execution]) -> list[bytes]:
    """Each fill and its commission report, framed, in chunks worth one write."""
    return [
        b"".join(
            wire.frame(gateway.execution_fields(version, -1, fill))
            + wire.frame(messages.commission_report(fill))
            for fill in fills[at : at + CHUNK_FILLS]
        )
        for at in range(0, len(fills), CHUNK_FILLS)
    ]


def phantom_fill(book: Book, account: str, now: datetime) -> Execution:
    """A fill that is in no book, with an id that no other will get: real serials never come that high."""
    conid = next(iter(book.instruments))
    serial = secrets.randbits(31) | 1 << 31
    return Execution(
        exec_id=f"{book.tag:08x}.{serial:08x}.01.01",
        account=account,
        conid=conid,
        side="BOT",
        quantity=Decimal(1),
        price=book.marks[conid],
        executed_at=now,
        exchange=book.instruments[conid].exchange,
        order=Order(0, book.next_perm_id(), 0, Decimal(1)),
        filled=Decimal(1),
        average_price=book.marks[conid],
        commission=Decimal(1),
        commission_currency="USD",
    )
