"""Instruments by what files call them."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import func, or_, select, text

from core.domain.instruments import Instrument
from models.session import Reader, Writer
from models.standing import STANDING
from models.tables import instruments

_taken_for = text(
    f"SELECT DISTINCT ON (n.name) n.name, n.conid FROM stated_instruments n {STANDING.format('n')} "  # noqa: S608 - no input in it
    "WHERE n.name = ANY(:names) ORDER BY n.name, i.id"
)
_COLUMNS = tuple(
    instruments.c["option_right" if name == "right" else name] for name in Instrument.__struct_fields__
)


class KnownInstrument(NamedTuple):
    """An instrument that is known, with its ISIN, which may be empty."""

    instrument: Instrument
    isin: str


async def taken_for(connection: Reader | Writer, names: Collection[str]) -> dict[str, int]:
    """The conids of what imports that stand took these names for: the first word stands."""
    rows = await connection.execute(_taken_for, {"names": sorted(names)})
    return {row.name: row.conid for row in rows}


async def known_as(
    connection: Reader | Writer, *, conids: Collection[int], symbols: Collection[str], isins: Collection[str]
) -> list[KnownInstrument]:
    """Instruments that have one of these conids, symbols (or local symbols, in capitals) or ISINs."""
    table = instruments.c
    rows = await connection.execute(
        select(*_COLUMNS, table.isin)
        .where(
            or_(
                table.conid.in_(conids),
                func.upper(table.symbol).in_(symbols),
                func.upper(table.local_symbol).in_(symbols),
                table.isin.in_(isins),
            )
        )
        .order_by(table.conid)
    )
    names = Instrument.__struct_fields__
    return [KnownInstrument(Instrument(**dict(zip(names, row[:-1], strict=True))), row[-1]) for row in rows]
