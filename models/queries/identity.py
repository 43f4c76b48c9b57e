"""Instruments, and what they are across brokers."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from operator import eq, gt
from typing import Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, select, text

from core.domain.identity.known import LOW_CONFIDENCE, Known, MappingSource, Review
from models.queries.narrowing import narrowed
from models.session import Reader, Writer
from models.tables import global_instruments, instrument_mapping, instruments
from models.tables.identity import IS_STALE

Which: TypeAlias = Literal["unmapped", "low", "review", "manual"]
"""Instruments that are not mapped yet, with little confidence, that a person should look at, or has."""

# Spelled as the index ix_instruments_stale, which has nothing in it but what is stale; in its order, for the
# planner takes anything else as quick to be found among all.
_stale = text(f"SELECT i.conid FROM instruments i WHERE {IS_STALE.format('i')} ORDER BY i.conid LIMIT 1")  # noqa: S608 - words of this program's own
_COLUMNS: Final = (*Known._fields, "details_as_of")
_MAPPING: Final = ("global_instrument_id", "source", "confidence", "review", "mapped_by", "mapped_at")


class InstrumentRow(NamedTuple):
    """An instrument and what it is mapped to; from ``global_instrument_id`` on ``None`` if it is not yet.

    ``confidence`` is from 0 to 1, ``mapped_by`` the person whose word it is.
    """

    conid: int
    sec_type: str
    symbol: str
    local_symbol: str
    currency: str
    exchange: str
    trading_class: str
    multiplier: Decimal
    expiry: str
    strike: Decimal | None
    right: str
    description: str
    isin: str
    cusip: str
    figi: str
    underlying_conid: int | None
    issuer: str
    details_as_of: datetime | None
    global_instrument_id: str | None
    source: MappingSource | None
    confidence: Decimal | None
    review: Review | None
    mapped_by: str | None
    mapped_at: datetime | None

    @property
    def known(self) -> Known:
        """What can tell whether it is the same as another."""
        return Known._make(self[: len(Known._fields)])


class GlobalRow(NamedTuple):
    """An instrument across brokers. ``merged_into`` is what a person said that it is."""

    id: str
    name: str
    symbol: str
    kind: str
    isin: str | None
    cusip: str | None
    figi: str | None
    currency: str | None
    country: str | None
    underlying_id: str | None
    merged_into: str | None
    merged_by: str | None
    merged_at: datetime | None


_mapped_instruments = select(
    *(instruments.c["option_right" if name == "right" else name] for name in _COLUMNS),
    *(instrument_mapping.c[name] for name in _MAPPING),
).select_from(instruments.outerjoin(instrument_mapping, instrument_mapping.c.conid == instruments.c.conid))
_mapping = instrument_mapping.c
_WHICH: Final[dict[Which, ColumnElement[bool]]] = {
    "unmapped": _mapping.conid.is_(None),
    "low": _mapping.confidence < text(str(LOW_CONFIDENCE)),
    "review": _mapping.review.is_not(None),
    "manual": _mapping.source == "manual",
}


async def is_stale(reader: Reader) -> bool:
    """Whether an instrument is not mapped yet, or has become known otherwise since it was."""
    return (await reader.execute(_stale)).first() is not None


async def instruments_page(
    reader: Reader,
    *,
    symbol: str | None = None,
    isin: str | None = None,
    which: Which | None = None,
    after: int | None = None,
    limit: int,
) -> list[InstrumentRow]:
    """At most ``limit`` instruments after ``after``, by conid."""
    table = instruments.c
    query = _mapped_instruments.order_by(table.conid).limit(limit)
    query = narrowed(query, (table.symbol, eq, symbol), (table.conid, gt, after))
    if isin is not None:
        query = query.where(table.isin == isin, table.isin != text("''"))
    if which is not None:
        query = query.where(_WHICH[which])
    return [InstrumentRow._make(row) for row in await reader.execute(query)]


async def instruments_by(connection: Reader | Writer, conids: Iterable[int]) -> list[InstrumentRow]:
    """The instruments with these conids."""
    query = _mapped_instruments.where(instruments.c.conid.in_(list(conids))).order_by(instruments.c.conid)
    return [InstrumentRow._make(row) for row in await connection.execute(query)]


async def members_of(connection: Reader | Writer, global_id: str, *, limit: int) -> list[InstrumentRow]:
    """At most ``limit`` instruments that are this one, by conid."""
    query = _mapped_instruments.where(_mapping.global_instrument_id == global_id)
    rows = await connection.execute(query.order_by(_mapping.conid).limit(limit))
    return [InstrumentRow._make(row) for row in rows]


async def global_instrument(connection: Reader | Writer, global_id: str) -> GlobalRow | None:
    """One instrument across brokers, or ``None``."""
    table = global_instruments.c
    query = select(*(table[name] for name in GlobalRow._fields)).where(table.id == global_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else GlobalRow._make(row)


async def globals_known_as(connection: Reader | Writer, identifier: str) -> list[str]:
    """The ids of those that have this CUSIP or FIGI."""
    table = global_instruments.c
    query = select(table.id).where((table.cusip == identifier) | (table.figi == identifier))
    return list((await connection.execute(query.order_by(table.id))).scalars())
