"""Instruments for the tests of what is the same as what."""

from decimal import Decimal
from typing import Any

from core.domain.identity.known import Known
from core.domain.identity.mapping import Identities, map_instruments

APPLE, MICROSOFT, SAP, ALIBABA = "US0378331005", "US5949181045", "DE0007164600", "KYG017191142"
APPLE_CUSIP, MICROSOFT_CUSIP, ALIBABA_CINS = "037833100", "594918104", "G01719114"
APPLE_FIGI, IBM_FIGI = "BBG000B9XRY4", "BBG000BLNNH6"


def share(conid: int, symbol: str = "", **said: Any) -> Known:
    return Known(
        conid,
        said.pop("sec_type", "STK"),
        symbol or f"S{conid}",
        currency=said.pop("currency", "USD"),
        **said,
    )


def option(conid: int, symbol: str = "AAPL", **said: Any) -> Known:
    said = {
        "sec_type": "OPT",
        "currency": "USD",
        "multiplier": Decimal(100),
        "expiry": "20261218",
        "strike": Decimal(150),
        "right": "C",
        **said,
    }
    return Known(conid, symbol=symbol, **said)


def ids(*known: Known, **said: Any) -> dict[int, str]:
    """What each instrument is, by conid."""
    return {conid: one.global_instrument_id for conid, one in of(*known, **said).mapped.items()}


def of(*known: Known, **said: Any) -> Identities:
    return map_instruments(known, **said)
