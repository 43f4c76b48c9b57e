"""From a row about an instrument to the instrument, in the words of the live connection.

Flex names asset categories, and what it calls a symbol of a derivative is the connection's local symbol.
"""

from datetime import date
from decimal import Decimal
from typing import Final

from msgspec import Struct

from core.domain.instruments import Instrument
from services.statements.rows import Held
from services.statements.values import said

_SEC_TYPES: Final = {"FSOPT": "OPT", "FSFOP": "FOP", "FXCFD": "CFD", "SSF": "FUT"}
"""Asset categories that the connection calls otherwise; every other one has the same name there."""

_OF_AN_UNDERLYING: Final = frozenset({"OPT", "FUT", "WAR", "IOPT"})


class Security(Struct, frozen=True, kw_only=True):
    """An instrument, and what Flex says of it beyond the live connection; ``""`` and ``None`` are unsaid."""

    instrument: Instrument
    isin: str = ""
    cusip: str = ""
    figi: str = ""
    underlying_conid: int | None = None
    underlying_symbol: str = ""


def sec_type_of(asset_category: str) -> str:
    """What the live connection calls an asset category: ``FSFOP`` → ``FOP``."""
    return _SEC_TYPES.get(asset_category, asset_category)


def security_of(row: Held) -> Security | None:
    """The instrument that ``row`` is about; ``None`` for a row that is about none, or does not say which."""
    conid: int | None = getattr(row, "conid", None)
    if not conid or not row.asset_category:
        return None
    sec_type = sec_type_of(row.asset_category)
    symbol, currency, local_symbol = _names(row, sec_type)
    multiplier: Decimal | None = getattr(row, "multiplier", None)
    attributes = row.attributes
    id_type, security_id = attributes.get("securityIDType", ""), said(attributes.get("securityID", ""))
    return Security(
        instrument=Instrument(
            conid=conid,
            symbol=symbol,
            sec_type=sec_type,
            currency=currency,
            local_symbol=local_symbol,
            exchange=said(row.listing_exchange),
            multiplier=multiplier or Decimal(1),
            expiry=_expiry(row),
            strike=getattr(row, "strike", None) or None,
            right=said(row.right)[:1].upper(),
            description=row.description,
        ),
        isin=said(row.isin) or (security_id if id_type == "ISIN" else ""),
        cusip=said(row.cusip) or (security_id if id_type == "CUSIP" else ""),
        figi=said(row.figi) or (security_id if id_type == "FIGI" else ""),
        underlying_conid=getattr(row, "underlying_conid", None),
        underlying_symbol=said(row.underlying_symbol),
    )


def _names(row: Held, sec_type: str) -> tuple[str, str, str]:
    """Symbol, currency and local symbol as the live connection has them."""
    symbol = said(row.symbol)
    if sec_type == "CASH" and "." in symbol:
        base, _, quote = symbol.partition(".")
        return base, quote, symbol
    if sec_type in _OF_AN_UNDERLYING:
        return said(row.underlying_symbol) or symbol, row.currency, symbol
    if sec_type == "FOP":
        # Its underlying is one future; the description begins with what all futures of that kind are called.
        return next(iter(row.description.split()), symbol), row.currency, symbol
    return symbol, row.currency, symbol


def _expiry(row: Held) -> str:
    on: date | None = getattr(row, "expires_on", None)
    return said(row.expiry) if on is None else f"{on:%Y%m%d}"
