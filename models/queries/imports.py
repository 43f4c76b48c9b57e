"""Imports as they stand, and what books hold and realized: to tell what one changed."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import select, text

from core.domain.books import BookKey
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer
from models.tables import imports

_figures = text(
    "SELECT k.account, k.conid, i.symbol, i.local_symbol, i.currency, "  # noqa: S608 - no input in it
    "coalesce(sum(p.quantity) FILTER (WHERE p.status = 'open'), 0) AS quantity, "
    "sum(p.cost_basis) FILTER (WHERE p.status = 'open') AS cost, sum(p.realized_pnl) AS realized_pnl, "
    f"count(p.id) AS episodes FROM {BOOKS} "
    "JOIN instruments i USING (conid) LEFT JOIN positions p USING (account, conid) "
    "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2"
)


class BookFigures(NamedTuple):
    """What a book holds and has realized: signed quantity, total cost, P&L in the instrument's currency."""

    account: str
    conid: int
    symbol: str
    local_symbol: str
    currency: str
    quantity: Decimal
    cost: Decimal | None
    realized_pnl: Decimal | None
    episodes: int


class Imported(NamedTuple):
    """An import as it is recorded."""

    id: int
    kind: str
    name: str
    sha256: str
    status: str
    trigger: str
    stated_at: datetime
    imported_at: datetime
    undone_at: datetime | None
    report: Any


_imports = select(*(imports.c[name] for name in Imported._fields))


async def figures_of(connection: Reader | Writer, keys: Iterable[BookKey]) -> dict[BookKey, BookFigures]:
    """What these books hold and have realized."""
    rows = await connection.execute(_figures, book_arrays(keys))
    return {(row.account, row.conid): BookFigures(*row) for row in rows}


async def imports_page(reader: Reader, *, after: int | None = None, limit: int) -> list[Imported]:
    """Imports, newest first: the latest, or those before one."""
    query = _imports.order_by(imports.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(imports.c.id < after)
    return [Imported(*row) for row in await reader.execute(query)]


async def find_import(connection: Reader | Writer, import_id: int) -> Imported | None:
    """An import by its number."""
    row = (await connection.execute(_imports.where(imports.c.id == import_id))).first()
    return None if row is None else Imported(*row)
