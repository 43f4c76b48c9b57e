"""Fold executions into episodes, events, lots and realized P&L, beside a bare FIFO queue of Decimals.

The floor keeps nothing but a queue of lots per book and a realized figure; it is what any exact FIFO must do.
``python -m bench.fold [EXECUTIONS [BOOKS]]``
"""

import gc
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bench.report import figure
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger, fold_book
from core.domain.money import ZERO

START = datetime(2026, 1, 2, tzinfo=UTC)
POINT_VALUE = Decimal(1)


def history(executions: int, books: int) -> list[list[Fill]]:
    """Both directions, partial closes, flips; a commission on each fill."""
    chance = random.Random(7)  # noqa: S311 - the same input in every run
    fills: list[list[Fill]] = [[] for _ in range(books)]
    quantities = [Decimal(sign * size) for size in (1, 2, 5, 10, 25) for sign in (1, -1)]
    prices = [Decimal(cents) / 100 for cents in range(9_000, 11_000)]
    commissions = [Decimal(cents) / 100 for cents in range(35, 500, 7)]
    for number in range(executions):
        name = f"{number:08x}.01"
        fills[number % books].append(
            Fill(
                START + timedelta(seconds=number // books),
                name,
                f"{name}.01",
                chance.choice(quantities),
                chance.choice(prices),
                chance.choice(commissions),
                True,
            )
        )
    return fills


def bare_fifo(fills: Sequence[Fill]) -> Decimal:
    """Realized profit of one book by a queue of [quantity, price, commission] and nothing else."""
    lots: deque[list[Decimal]] = deque()
    realized = ZERO
    for _, _, _, quantity, price, fee, *_ in fills:
        left, fee_left = quantity, fee or ZERO
        while left and lots and (lots[0][0] > ZERO) is not (left > ZERO):
            lot = lots[0]
            part = lot[0] if abs(lot[0]) <= abs(left) else -left
            opening_fee = lot[2] if part == lot[0] else lot[2] * part / lot[0]
            closing_fee = fee_left if part == -left else fee_left * part / -left
            realized += part * (price - lot[1]) - opening_fee - closing_fee
            lot[0] -= part
            lot[2] -= opening_fee
            fee_left -= closing_fee
            left += part
            if not lot[0]:
                lots.popleft()
        if left:
            lots.append([left, price, fee_left])
    return realized


def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 1_200
    fills = history(executions, books)
    gc.collect()
    gc.freeze()
    gc.disable()
    started = time.perf_counter()
    expected = [bare_fifo(book) for book in fills]
    floor = executions / (time.perf_counter() - started)
    started = time.perf_counter()
    off = episodes = events = 0
    for number, book in enumerate(fills):
        ledger: Ledger = fold_book("DU1", number, POINT_VALUE, book)
        realized = sum((one.realized or ZERO for one in ledger.touched), ZERO)
        off += abs(realized - expected[number]) > Decimal("0.005")
        episodes += len(ledger.touched)
        events += sum(one.event_count for one in ledger.touched)
    value = executions / (time.perf_counter() - started)
    print(f"{executions:,} executions, {books:,} books, {episodes:,} episodes, {events:,} events")
    print(f"{off} books off by a cent")
    figure("fold", value, floor, "executions/s")


if __name__ == "__main__":
    main()
