"""Examples of instruments and what they are across brokers."""

from typing import cast

from msgspec import Struct

from services.api.schemas.examples.common import AT, LIVE, OPENED, OWN
from services.api.schemas.examples.positions import EXAMPLES as _POSITIONS
from services.api.schemas.instruments import (
    GlobalInstrument,
    Instrument,
    InstrumentDetail,
    InstrumentIncome,
    InstrumentMark,
    InstrumentPage,
)
from services.api.schemas.positions import PositionPage

_PAGE = cast("PositionPage", _POSITIONS[PositionPage])
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
    issuer="",
    details_as_of=AT,
    global_instrument_id="isin:US0378331005",
    source="isin",
    confidence="0.99",
    review=None,
    mapped_by=None,
    mapped_at=AT,
)

EXAMPLES: dict[type[Struct], Struct] = {
    InstrumentPage: InstrumentPage(items=(_INSTRUMENT,), next_cursor=None, freshness=OWN),
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
        open_positions=_PAGE.items,
        closed_positions=2,
        realized_pnl="412.5",
        commission="6.1",
        unknown_positions=0,
        provisional=False,
        first_opened_at=OPENED,
        last_closed_at=OPENED,
        income=(
            InstrumentIncome(kind="dividend", currency="USD", amount="26", flows=1, last_at=OPENED),
            InstrumentIncome(kind="withholding_tax", currency="USD", amount="-3.9", flows=1, last_at=OPENED),
        ),
        last_mark=InstrumentMark(price="160.5", as_of=AT, age_seconds=2),
        freshness=LIVE,
    ),
}
