"""What is known of an instrument that can tell whether it is the same as another."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.identity.identifiers import cusip_within, is_cusip, is_figi, is_isin

MappingSource: TypeAlias = Literal["isin", "cusip", "figi", "underlying", "symbol", "conid", "manual"]
"""By what an instrument was found to be what it is. ``conid``: by nothing, so it is its own."""

Review: TypeAlias = Literal[
    "identifier_invalid",
    "cusip_contradicts_isin",
    "cusip_of_several",
    "figi_of_several",
    "symbol_of_several",
    "terms_of_several",
    "manual_contradicts",
]
"""Why a person should look at a mapping."""

CONFIDENCE: Final[dict[MappingSource, Decimal]] = {
    "manual": Decimal(1),
    "isin": Decimal("0.99"),
    "cusip": Decimal("0.97"),
    "figi": Decimal("0.95"),
    "underlying": Decimal("0.95"),
    "symbol": Decimal("0.4"),
    "conid": Decimal("0.2"),
}
PAIR_CONFIDENCE: Final = Decimal("0.9")
"""Of currencies, coins and metals: their symbol is what they are."""
DOUBT: Final = Decimal("0.5")
"""What a confidence is multiplied by where something contradicts it."""
LOW_CONFIDENCE: Final = Decimal("0.5")
"""What is below it is a guess."""

DERIVATIVES: Final = frozenset({"OPT", "FOP", "FUT", "CFD"})
"""They are known by underlying and terms. What a statement calls their ISIN may be the underlying's."""
PAPERS: Final = frozenset({"WAR", "IOPT"})
"""Warrants: each has an identifier of its own; where it is not known, nothing tells it from its twins."""
PAIRS: Final = frozenset({"CASH", "CRYPTO", "CMDTY"})

_OSI: Final = re.compile(r"([A-Z0-9.]{1,6}) *\d{6}[CP]\d{8}", re.ASCII)


class Known(NamedTuple):
    """An instrument as it is stored; what is not known is empty or ``None``."""

    conid: int
    sec_type: str
    symbol: str
    local_symbol: str = ""
    currency: str = ""
    exchange: str = ""
    trading_class: str = ""
    multiplier: Decimal = Decimal(1)
    expiry: str = ""
    strike: Decimal | None = None
    right: str = ""
    description: str = ""
    isin: str = ""
    cusip: str = ""
    figi: str = ""
    underlying_conid: int | None = None
    issuer: str = ""


class Identified(NamedTuple):
    """What identifies it, as far as it can be right. ``invalid``: something that was stated cannot be."""

    isin: str
    cusip: str
    figi: str
    invalid: bool

    @property
    def any(self) -> bool:
        """Whether anything identifies it."""
        return bool(self.isin or self.cusip or self.figi)


class Terms(NamedTuple):
    """What tells the derivatives of one underlying apart. ``issuer`` is of warrants; empty: not known."""

    sec_type: str
    expiry: str
    strike: Decimal | None
    right: str
    multiplier: Decimal
    currency: str
    issuer: str = ""


class Found(NamedTuple):
    """What an instrument is by itself, by what that was found, and why a person should look at it."""

    conid: int
    id: str
    source: MappingSource
    review: Review | None = None


def identified(one: Known) -> Identified:
    """What identifies an instrument; of a derivative that goes by its terms, nothing."""
    if one.sec_type in DERIVATIVES or not (one.isin or one.cusip or one.figi):
        return Identified("", "", "", invalid=False)
    isin = one.isin if is_isin(one.isin) else ""
    cusip = one.cusip if is_cusip(one.cusip) else ""
    figi = one.figi if is_figi(one.figi) else ""
    return Identified(isin, cusip, figi, invalid=(isin, cusip, figi) != (one.isin, one.cusip, one.figi))


def terms_of(one: Known) -> Terms | None:
    """The terms of a derivative; ``None`` where not all of them are known, or it is none."""
    if one.sec_type == "CFD":
        return Terms("CFD", "", None, "", Decimal(1), one.currency)
    if one.sec_type not in DERIVATIVES | PAPERS or not one.expiry:
        return None
    if one.sec_type == "FUT":
        return Terms("FUT", one.expiry, None, "", one.multiplier, one.currency)
    if one.strike is None or not one.right:
        return None
    issuer = " ".join(one.issuer.upper().split()) if one.sec_type in PAPERS else ""
    return Terms(one.sec_type, one.expiry, one.strike, one.right, one.multiplier, one.currency, issuer)


def trading_class_of(one: Known) -> str:
    """What tells apart what is otherwise alike, such as SPX and SPXW; empty: it is not known.

    A statement leaves it out, but an option's local symbol begins with it (OCC, "Options Symbology
    Initiative").
    """
    if one.trading_class:
        return one.trading_class
    found = _OSI.fullmatch(one.local_symbol)
    return "" if found is None else found[1]


def contradiction(one: Known, others: Iterable[Known], isin: str = "") -> str:
    """Why an instrument cannot be the same as others, or as what has this ISIN; empty: nothing says so."""
    own = identified(one)
    if isin and own.isin and own.isin != isin:
        return f"its ISIN is {own.isin}, not {isin}"
    for other in others:
        theirs = identified(other)
        cusips = own.cusip or cusip_within(own.isin), theirs.cusip or cusip_within(theirs.isin)
        if own.isin and theirs.isin and own.isin != theirs.isin:
            return f"its ISIN is {own.isin}, that of {other.conid} is {theirs.isin}"
        if not (own.isin and theirs.isin) and all(cusips) and cusips[0] != cusips[1]:
            return f"its CUSIP is {cusips[0]}, that of {other.conid} is {cusips[1]}"
        derived = DERIVATIVES | PAPERS | PAIRS
        if one.sec_type != other.sec_type and {one.sec_type, other.sec_type} & derived:
            return f"it is a {one.sec_type}, {other.conid} is a {other.sec_type}"
        if None not in (terms := (terms_of(one), terms_of(other))) and terms[0] != terms[1]:
            return f"its terms are not those of {other.conid}"
    return ""
