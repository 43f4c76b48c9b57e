"""Fold executions into episodes, events, lots, disposals and realized P&L, beside a bare FIFO of Decimals.

The floor keeps nothing but a queue of lots per book and a realized figure; it is what any exact FIFO must do.
Growth is the exponent e in time ~ N^e, between an eighth of the executions and all of them; 1 is linear.
Times are this process's own, so that a busy machine changes them little.
``python -m bench.fold [EXECUTIONS [BOOKS]]``
"""

import gc
import math
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

from bench.report import figure
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from core.domain.money import ZERO

START = datetime(2026, 1, 2, tzinfo=UTC)
POINT_VALUE = Decimal(1)
DEEP = 30_000
"""Executions in one book, nearly all of them purchases."""
PARTS = 8

Book = list[Fill]


def history(executions: int, books: int) -> list[Book]:
    """Both directions, partial closes, flips; a commission on each fill."""
    chance = random.Random(7)  # noqa: S311 - the same input in every run
    fills: list[Book] = [[] for _ in range(books)]
    quantities = [Decimal(sign * size) for size in (1, 2, 5, 10, 25) for sign in (1, -1)]
    for number in range(executions):
        fills[number % books].append(_fill(chance, number, number // books, chance.choice(quantities)))
    return fills


def deep_history(executions: int) -> Book:
    """One book that is bought and bought: 98 purchases on 2 sales of as much."""
    chance = random.Random(11)  # noqa: S311 - the same input in every run
    return [
        _fill(chance, number, number, Decimal(10 if chance.random() < 0.98 else -10))
        for number in range(executions)
    ]


def _fill(chance: random.Random, number: int, second: int, quantity: Decimal) -> Fill:
    name = f"{number:08x}.01"
    price, fee = Decimal(chance.randrange(9_000, 11_000)) / 100, Decimal(chance.randrange(35, 500)) / 100
    return Fill(START + timedelta(seconds=second), name, f"{name}.01", quantity, price, fee, True)


def bare_fifo(fills: Sequence[Fill]) -> Decimal:
    """Realized profit of one book by a queue of [quantity, price, commission] and nothing else."""
    lots: deque[list[Decimal]] = deque()
    realized = ZERO
    for _, _, _, quantity, price, fee, _, _ in fills:
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


def seconds_of_fold(books: Sequence[Book], method: CostMethod = "fifo") -> float:
    started = time.process_time()
    for number, fills in enumerate(books):
        fold_book("DU1", number, POINT_VALUE, fills, method=method)
    return time.process_time() - started


def exponent(few: float, many: float) -> float:
    return math.log(many / few) / math.log(PARTS)


def check(books: Sequence[Book], expected: Sequence[Decimal]) -> None:
    """Print what the fold made of it, and how many books it got wrong."""
    off = episodes = events = disposals = 0
    for number, (fills, right) in enumerate(zip(books, expected, strict=True)):
        ledger: Ledger = fold_book("DU1", number, POINT_VALUE, fills)
        realized = sum((one.realized or ZERO for one in ledger.touched), ZERO)
        off += abs(realized - right) > Decimal("0.005")
        episodes += len(ledger.touched)
        events += sum(one.event_count for one in ledger.touched)
        disposals += sum(one.disposal_count for one in ledger.touched)
    print(f"{len(books):,} books, {episodes:,} episodes, {events:,} events, {disposals:,} disposals")
    print(f"{off} books off by a cent")


def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 1_200
    fills = history(executions, books)
    deep = deep_history(DEEP)
    gc.collect()
    gc.freeze()
    gc.disable()
    started = time.process_time()
    expected = [bare_fifo(book) for book in fills]
    floor = executions / (time.process_time() - started)
    check(fills, expected)
    all_seconds = seconds_of_fold(fills)
    part_seconds = seconds_of_fold([book[: len(book) // PARTS] for book in fills])
    started = time.process_time()
    bare_fifo(deep)
    deep_floor = (time.process_time() - started) * 1_000
    for method in get_args(CostMethod):
        deep_seconds = min(seconds_of_fold([deep], method) for _ in range(3))
        deep_part = min(seconds_of_fold([deep[: DEEP // PARTS]], method) for _ in range(3))
        figure(f"fold of a deep queue, {DEEP:,} executions, {method}", deep_seconds * 1_000, deep_floor, "ms")
        figure(f"growth of a deep queue, {method}", exponent(deep_part, deep_seconds), 1, "exponent")
    figure("growth of the fold", exponent(part_seconds, all_seconds), 1, "exponent")
    figure("fold", executions / all_seconds, floor, "executions/s")


if __name__ == "__main__":
    main()
