"""Rows of a Flex statement as XML: how instruments and amounts are spelled there."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from xml.sax.saxutils import quoteattr

from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument

_FINEST = 12


def row(element: str, attributes: Mapping[str, object]) -> str:
    """An element with these attributes and nothing in it."""
    said = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
    return f"<{element} {said} />\n"


def section(element: str, rows: str) -> str:
    """An element around rows."""
    return f"<{element}>\n{rows}</{element}>\n" if rows else f"<{element} />\n"


def number(amount: Decimal) -> str:
    """As short as it can be said, without an exponent."""
    text = f"{round(amount, _FINEST):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def on(day: date) -> str:
    """A date."""
    return f"{day:%Y%m%d}"


def moment(at: datetime) -> str:
    """A time, US/Eastern as all of a statement."""
    return f"{at:%Y%m%d;%H%M%S}"


def description(instrument: Instrument) -> str:
    """What statements call an instrument: ``AAPL 18SEP26 250 C``."""
    if instrument.sec_type == "OPT":
        month = datetime.strptime(instrument.expiry, "%Y%m%d")  # noqa: DTZ007 - a date
        day = f"{month:%d%b%y}".upper()
        return f"{instrument.symbol} {day} {number(instrument.strike)} {instrument.right}"
    return instrument.long_name


def about(instrument: Instrument, underlyings: Mapping[int, Instrument]) -> dict[str, object]:
    """What every row about an instrument has."""
    is_derived = instrument.sec_type in {"OPT", "FUT"}
    underlying = underlyings.get(instrument.under_conid)
    isin = instrument.isin
    return {
        "assetCategory": instrument.sec_type,
        "subCategory": instrument.stock_type,
        "symbol": instrument.local_symbol,
        "description": description(instrument),
        "conid": instrument.conid,
        "securityID": isin,
        "securityIDType": "ISIN" if isin else "",
        "cusip": "",
        "isin": isin,
        "figi": "",
        "listingExchange": instrument.exchange,
        "underlyingConid": instrument.under_conid or "",
        "underlyingSymbol": instrument.symbol if is_derived else "",
        "underlyingSecurityID": underlying.isin if underlying else "",
        "underlyingListingExchange": underlying.exchange if underlying else "",
        "issuer": "",
        "multiplier": number(instrument.multiplier),
        "strike": number(instrument.strike) if instrument.strike != ZERO else "",
        "expiry": instrument.expiry,
        "putCall": instrument.right,
    }
