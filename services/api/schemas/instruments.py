from msgspec import Struct

from core.domain.identity.known import MappingSource, Review
from core.domain.stated import CashKind
from services.api.schemas.common import Amount, Freshness, Moment
from services.api.schemas.positions import Position


class Instrument(Struct, frozen=True, kw_only=True):
    """An instrument as one broker knows it, and what it is across brokers.

    What is not known is empty, ``strike`` and ``underlying_conid`` null. What follows them is null where it
    is not mapped yet. ``source`` says by what it was found, ``conid`` by nothing; ``confidence`` (0 to 1)
    how far that can be relied on; ``review`` why a person should look at it; ``mapped_by`` who said it by
    hand.
    """

    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    exchange: str
    trading_class: str
    multiplier: Amount
    expiry: str
    strike: Amount | None
    right: str
    description: str
    isin: str
    cusip: str
    figi: str
    underlying_conid: int | None
    issuer: str
    details_as_of: Moment | None
    global_instrument_id: str | None
    source: MappingSource | None
    confidence: Amount | None
    review: Review | None
    mapped_by: str | None
    mapped_at: Moment | None


class InstrumentPage(Struct, frozen=True, kw_only=True):
    """Instruments, by conid."""

    items: tuple[Instrument, ...]
    next_cursor: str | None
    freshness: Freshness


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

    kind: CashKind
    currency: str
    amount: Amount
    flows: int
    last_at: Moment


class InstrumentMark(Struct, frozen=True, kw_only=True):
    """The last price that the broker told of it, as quoted."""

    price: Amount
    as_of: Moment
    age_seconds: int


class InstrumentDetail(Instrument, frozen=True, kw_only=True):
    """An instrument, what it is, and the conids of at most 500 others that are the same.

    What follows is of the accounts in question. ``open_positions`` are at most 500; ``closed_positions`` is
    how many there were. ``realized_pnl`` (net of commissions) and ``commission`` are of all of them, in its
    ``currency``; ``realized_pnl`` is null while of ``unknown_positions`` it is not known. ``last_mark`` is
    null where the broker never told one: marks are told of what is held.
    """

    global_instrument: GlobalInstrument | None
    same: tuple[int, ...]
    open_positions: tuple[Position, ...]
    closed_positions: int
    realized_pnl: Amount | None
    commission: Amount
    unknown_positions: int
    provisional: bool
    first_opened_at: Moment | None
    last_closed_at: Moment | None
    income: tuple[InstrumentIncome, ...]
    last_mark: InstrumentMark | None
    freshness: Freshness
