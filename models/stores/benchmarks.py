"""Levels of benchmarks, written whole or not at all."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from core.domain.benchmarks import Level
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.tables import benchmark_levels

_write = BulkInsert(
    benchmark_levels,
    ("benchmark", "day", "level", "currency", "source_sha256", "imported_at"),
    alias="b",
    conflict="ON CONFLICT (benchmark, day) DO UPDATE SET level = excluded.level, "
    "currency = excluded.currency, source_sha256 = excluded.source_sha256, "
    "imported_at = excluded.imported_at "
    "WHERE (b.level, b.currency) IS DISTINCT FROM (excluded.level, excluded.currency)",
    returning="(xmax = 0) AS is_new",
)
_drop = text("DELETE FROM benchmark_levels WHERE benchmark = :name")
_currencies = text(
    "SELECT DISTINCT currency FROM benchmark_levels WHERE benchmark = :name AND currency <> :currency"
)


class Written(NamedTuple):
    """How many levels are new, say something else than before, or are as they were."""

    new: int
    changed: int
    unchanged: int


async def other_currency(connection: Writer, name: str, currency: str) -> str | None:
    """A currency that levels of a benchmark are in already, other than this one."""
    found: str | None = (
        (await connection.execute(_currencies, {"name": name, "currency": currency})).scalars().first()
    )
    return found


async def store_levels(
    connection: Writer, name: str, currency: str, levels: Sequence[Level], sha256: str, now: datetime
) -> Written:
    """Write levels of a benchmark; of a day that is there already this one counts."""
    rows = await _write(connection, [(name, one.day, one.level, currency, sha256, now) for one in levels])
    new = sum(row.is_new for row in rows)
    return Written(new, len(rows) - new, len(levels) - len(rows))


async def drop_benchmark(connection: Writer, name: str) -> int:
    """Forget a benchmark; how many levels it had."""
    return (await connection.execute(_drop, {"name": name})).rowcount
