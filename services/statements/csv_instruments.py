"""What the rows of a CSV file call instruments, so that they can be found among those that are known."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.instruments import COMBO_CONID, Instrument, own_conid
from core.domain.money import ZERO, plain
from core.domain.stated import IgnoredReason, StatedInstrument
from services.statements.csv_values import CellError, Cells, number, shown
from services.statements.stating.holdings import IN_PERCENT, OPTIONS

INSTRUMENT_COLUMNS: Final = frozenset(
    {
        *("conid", "isin", "symbol", "asset_class", "currency", "exchange", "multiplier", "expiry"),
        *("strike", "right", "description"),
    }
)
_SEC_TYPES: Final = {
    **{name: name for name in ("STK", "OPT", "FUT", "FOP", "BOND", "BILL", "FUND", "CFD", "WAR", "IOPT")},
    **{name: name for name in ("CRYPTO", "CMDTY", "CASH", "BAG")},
    "STOCK": "STK",
    "ETF": "STK",
    "OPTION": "OPT",
    "FUTURE": "FUT",
    "WARRANT": "WAR",
}
_IGNORED: Final[dict[str, IgnoredReason]] = {"CASH": "currency_trade", "BAG": "combo"}
_EXPIRES: Final = OPTIONS | {"FUT"}
_OSI: Final = re.compile(r"(?P<root>[A-Z0-9.]{1,6}) *(?P<day>\d{6})(?P<right>[CP])(?P<strike>\d{8})")
_EXPIRY: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII)
_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}\d", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_MOST_CONID: Final = 2**31
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}


class Named(NamedTuple):
    """The instrument of a row, and what has to be told before it the first time."""

    instrument: Instrument
    news: Sequence[StatedInstrument]
    ignored: IgnoredReason | None = None


class NamedInstruments:
    """The instruments of one file."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], Instrument | None] = {}

    def conid(self, row: Cells) -> int | None:
        """The conid that a row states, if it does."""
        return row.read("conid", _conid)

    def of(self, row: Cells) -> Named | None:
        """The instrument that a row is about; ``None`` where it does not say well which."""
        said = tuple(row.text(column) for column in _ORDER)
        if said in self._told:
            known = self._told[said]
            return None if known is None else Named(known, (), _IGNORED.get(known.sec_type))
        before = len(row.faults)
        stated = _stated(row)
        if stated is None or len(row.faults) > before:
            return None
        self._told[said] = stated.instrument
        ignored = _IGNORED.get(stated.instrument.sec_type)
        if stated.instrument.conid == COMBO_CONID:
            ignored = "combo"
        return Named(stated.instrument, (stated,), ignored)


_ORDER: Final = tuple(sorted(INSTRUMENT_COLUMNS))


def _stated(row: Cells) -> StatedInstrument | None:
    conid = row.read("conid", _conid)
    by_name = conid is None
    sec_type = row.read("asset_class", _sec_type, needed=by_name) or ""
    currency = row.read("currency", currency_code, needed=by_name) or ""
    multiplier = row.read("multiplier", _positive)
    isin = row.read("isin", _isin) or ""
    symbol = row.text("symbol")
    expiry = row.read("expiry", _expiry) or ""
    strike, right = row.read("strike", _positive), row.read("right", _right) or ""
    if by_name and not symbol and not isin:
        row.fail("symbol", "it is needed where there is neither conid nor isin")
    local_symbol = symbol
    osi = _OSI.fullmatch(symbol) if sec_type == "OPT" else None
    if osi is not None:
        symbol, expiry, right = osi["root"], f"20{osi['day']}", osi["right"]
        strike = Decimal(osi["strike"]) / 1000
    stated = {
        "symbol": symbol,
        "asset_class": sec_type,
        "currency": currency,
        "multiplier": multiplier if sec_type in _EXPIRES else "1",
        "expiry": expiry if sec_type in _EXPIRES else "never",
        "strike": strike if sec_type in OPTIONS else "none",
        "right": right if sec_type in OPTIONS else "none",
    }
    parts = [sec_type, currency, isin or symbol.upper()]
    if sec_type in _EXPIRES:
        parts += [expiry, plain(strike or ZERO), right, plain(multiplier or ZERO)]
    name = "/".join(parts)
    return StatedInstrument(
        line=row.line,
        section="instruments",
        instrument=Instrument(
            conid=own_conid(name) if conid is None else conid,
            symbol=symbol,
            sec_type=sec_type,
            currency=currency,
            local_symbol=local_symbol,
            exchange=row.text("exchange"),
            multiplier=multiplier or Decimal(1),
            expiry=expiry,
            strike=strike,
            right=right,
            price_magnifier=100 if sec_type in IN_PERCENT else 1,
            description=row.text("description"),
        ),
        isin=isin,
        name=str(conid) if conid is not None else name,
        lacks=tuple(column for column, said in stated.items() if not said),
        says=frozenset(
            field
            for field, said in (
                *(("sec_type", sec_type), ("currency", currency), ("multiplier", multiplier)),
                *(("expiry", expiry), ("strike", strike), ("right", right)),
            )
            if said
        ),
    )


def _conid(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < _MOST_CONID):
        raise CellError(f"{shown(text)} is no conid, which is a whole number")
    return int(text)


def _sec_type(text: str) -> str:
    found = _SEC_TYPES.get(text.upper())
    if found is None:
        raise CellError(f"{shown(text)} is none of {', '.join(dict.fromkeys(_SEC_TYPES.values()))}")
    return found


def currency_code(text: str) -> str:
    """The three letters of a currency.

    Raises:
        CellError: it is none.
    """
    if _CURRENCY.fullmatch(text.upper()) is None:
        raise CellError(f"{shown(text)} is no currency, which has three letters")
    return text.upper()


def _isin(text: str) -> str:
    if _ISIN.fullmatch(text.upper()) is None:
        raise CellError(f"{shown(text)} is no ISIN")
    return text.upper()


def _positive(text: str) -> Decimal:
    value = number(text)
    if value <= ZERO:
        raise CellError(f"{shown(text)} is not positive")
    return value


def _expiry(text: str) -> str:
    found = _EXPIRY.fullmatch(text)
    if found is None:
        raise CellError(f"{shown(text)} is no day: write 2026-01-16")
    return "".join(found.groups())


def _right(text: str) -> str:
    found = _RIGHTS.get(text.upper())
    if found is None:
        raise CellError(f"{shown(text)} is neither C nor P")
    return found
