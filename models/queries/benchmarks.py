"""Benchmarks and their levels."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select

from core.domain.benchmarks import Level
from models.session import Reader, Writer
from models.tables import benchmark_levels


class Benchmark(NamedTuple):
    """What is kept of a benchmark; ``currency`` is empty where it was not told."""

    name: str
    currency: str
    levels: int
    first_day: date
    last_day: date


async def benchmarks(connection: Reader | Writer) -> list[Benchmark]:
    """Every benchmark, in the order of their names."""
    table = benchmark_levels.c
    name = table.benchmark.collate("C")
    rows = await connection.execute(
        select(
            table.benchmark, func.max(table.currency), func.count(), func.min(table.day), func.max(table.day)
        )
        .group_by(table.benchmark)
        .order_by(name)
    )
    return [Benchmark._make(row) for row in rows]


async def currency_of_benchmark(connection: Reader | Writer, name: str) -> str | None:
    """The currency of a benchmark's levels, empty where it was not told; ``None``: there is no such one."""
    table = benchmark_levels.c
    query = select(table.currency).where(table.benchmark == name).order_by(table.day.desc()).limit(1)
    found: str | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def levels_between(connection: Reader | Writer, name: str, first: date, last: date) -> list[Level]:
    """The levels of a benchmark of these days, oldest first, and the last one before them."""
    table = benchmark_levels.c
    before = (
        select(table.day, table.level)
        .where(table.benchmark == name, table.day < first)
        .order_by(table.day.desc())
        .limit(1)
    )
    within = (
        select(table.day, table.level)
        .where(table.benchmark == name, table.day >= first, table.day <= last)
        .order_by(table.day)
    )
    found = [*await connection.execute(before), *await connection.execute(within)]
    return [Level(row.day, row.level) for row in found]
