"""Examples of instruments and what they are across brokers."""

from msgspec import Struct

from services.api.schemas.examples.common import AT
from services.api.schemas.instruments import GlobalInstrument, Instrument, InstrumentDetail, InstrumentPage

_INSTRUMENT = Instrument(
    conid=265598,
    symbol="AAPL",
    local_symbol="AAPL",
    sec_type="STK",
    currency="USD",
    exchange="NASDAQ",
    trading_class="NMS",
    multiplier="1",
    expiry="",
    strike=None,
    right="",
    description="APPLE INC",
    isin="US0378331005",
    cusip="037833100",
    figi="BBG000B9XRY4",
    underlying_conid=None,
    details_as_of=AT,
    global_instrument_id="isin:US0378331005",
    source="isin",
    confidence="0.99",
    review=None,
    mapped_by=None,
    mapped_at=AT,
)

EXAMPLES: dict[type[Struct], Struct] = {
    InstrumentPage: InstrumentPage(items=(_INSTRUMENT,), next_cursor=None),
    InstrumentDetail: InstrumentDetail(
        **{name: getattr(_INSTRUMENT, name) for name in Instrument.__struct_fields__},
        global_instrument=GlobalInstrument(
            id="isin:US0378331005",
            name="APPLE INC",
            symbol="AAPL",
            kind="STK",
            isin="US0378331005",
            cusip="037833100",
            figi="BBG000B9XRY4",
            currency=None,
            country="US",
            underlying_id=None,
        ),
        same=(38708077,),
    ),
}
