from msgspec import Struct

from core.domain.identity.known import MappingSource, Review
from services.api.schemas.common import Amount, Moment


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


class InstrumentDetail(Instrument, frozen=True, kw_only=True):
    """An instrument, what it is, and the conids of at most 500 others that are the same."""

    global_instrument: GlobalInstrument | None
    same: tuple[int, ...]
