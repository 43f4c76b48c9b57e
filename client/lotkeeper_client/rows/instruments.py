"""Instruments."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from lotkeeper_client.rows.common import Freshness
from lotkeeper_client.rows.positions import Position


class Instrument(Struct, frozen=True, kw_only=True):
    """An instrument as one broker knows it, and what it is across brokers."""

    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
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
    source: str | None
    confidence: Decimal | None
    review: str | None
    mapped_by: str | None
    mapped_at: datetime | None


class GlobalInstrument(Struct, frozen=True, kw_only=True):
    """An instrument across brokers, exchanges and currencies. What is not known of it is null."""

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


class InstrumentIncome(Struct, frozen=True, kw_only=True):
    """What it paid (or, negative, what was kept back) in one currency, as statements tell of it."""

    kind: str
    currency: str
    amount: Decimal
    flows: int
    last_at: datetime


class InstrumentMark(Struct, frozen=True, kw_only=True):
    """The last price that the broker told of it, as quoted."""

    price: Decimal
    as_of: datetime
    age_seconds: int


class InstrumentDetail(Instrument, frozen=True, kw_only=True):
    """An instrument, what it is, and the conids of at most 500 others that are the same."""

    global_instrument: GlobalInstrument | None
    same: tuple[int, ...]
    open_positions: tuple[Position, ...]
    closed_positions: int
    realized_pnl: Decimal | None
    commission: Decimal
    unknown_positions: int
    provisional: bool
    first_opened_at: datetime | None
    last_closed_at: datetime | None
    income: tuple[InstrumentIncome, ...]
    last_mark: InstrumentMark | None
    freshness: Freshness
