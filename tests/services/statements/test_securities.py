"""An instrument is told by its row, in the words of the live connection."""

from decimal import Decimal

import pytest

from core.domain.instruments import Instrument
from services.statements.rows import Held, Trade
from services.statements.rows_reference import SecurityInfo
from services.statements.securities import Security, sec_type_of, security_of
from tests.services.statements.statements import DATA, FILES, element, in_statement, only, rows_of


def security(**stated: str) -> Security:
    (row,) = only(SecurityInfo, rows_of(in_statement(element("SecurityInfo", **stated))))
    found = security_of(row)
    assert found is not None
    return found


def test_a_stock_is_told_with_its_numbers() -> None:
    told = security(
        assetCategory="STK",
        symbol="AAPL",
        conid="265598",
        currency="USD",
        description="APPLE INC",
        isin="US0378331005",
        cusip="037833100",
        figi="BBG000B9XRY4",
        listingExchange="NASDAQ",
        multiplier="1",
    )
    assert told == Security(
        instrument=Instrument(
            conid=265598,
            symbol="AAPL",
            sec_type="STK",
            currency="USD",
            local_symbol="AAPL",
            exchange="NASDAQ",
            description="APPLE INC",
        ),
        isin="US0378331005",
        cusip="037833100",
        figi="BBG000B9XRY4",
    )


@pytest.mark.parametrize("expiry", ["20110917", "2011-09-17", "09/17/2011", "17-SEP-11"])
def test_an_option_is_told_by_its_underlying_whatever_the_spelling_of_its_day(expiry: str) -> None:
    told = security(
        assetCategory="OPT",
        symbol="VXX   110917C00005000",
        conid="83615386",
        currency="USD",
        multiplier="100",
        strike="5",
        putCall="C",
        expiry=expiry,
        underlyingConid="80789235",
        underlyingSymbol="VXX",
    )
    option = told.instrument
    assert (option.symbol, option.local_symbol) == ("VXX", "VXX   110917C00005000")
    assert (option.expiry, option.strike, option.right, option.multiplier) == ("20110917", 5, "C", 100)
    assert (told.underlying_conid, told.underlying_symbol) == (80789235, "VXX")


@pytest.mark.parametrize(
    ("category", "sec_type"),
    [
        ("STK", "STK"),
        ("OPT", "OPT"),
        ("FSOPT", "OPT"),
        ("FUT", "FUT"),
        ("SSF", "FUT"),
        ("FOP", "FOP"),
        ("FSFOP", "FOP"),
        ("CASH", "CASH"),
        ("BOND", "BOND"),
        ("BILL", "BILL"),
        ("CFD", "CFD"),
        ("FXCFD", "CFD"),
        ("WAR", "WAR"),
        ("IOPT", "IOPT"),
        ("FUND", "FUND"),
        ("CMDTY", "CMDTY"),
        ("CRYPTO", "CRYPTO"),
        ("NEWS", "NEWS"),
    ],
)
def test_asset_categories_become_what_the_connection_calls_them(category: str, sec_type: str) -> None:
    assert sec_type_of(category) == sec_type


@pytest.mark.parametrize(
    ("file", "symbol", "expected"),
    [
        ("CL_flip_close_open.xml", "CLZ8", ("CL", "FUT", "USD", "CLZ8", Decimal(1000))),
        ("TestForCoding.xml", "LOF9 P6000", ("CL", "FOP", "USD", "LOF9 P6000", Decimal(1000))),
        ("test_elements.xml", "EUR.USD", ("EUR", "CASH", "USD", "EUR.USD", Decimal(1))),
    ],
)
def test_recorded_trades_name_their_instruments(
    file: str, symbol: str, expected: tuple[str, str, str, str, Decimal]
) -> None:
    trades = only(Trade, rows_of(DATA / "flex-ib-flex-reader" / file))
    told = security_of(next(row for row in trades if row.symbol == symbol))
    assert told is not None
    one = told.instrument
    assert (one.symbol, one.sec_type, one.currency, one.local_symbol, one.multiplier) == expected


def test_an_id_that_only_its_type_names_is_one() -> None:
    stated = {"assetCategory": "BOND", "symbol": "T", "conid": "1"}
    assert security(**stated, securityID="US0378331005", securityIDType="ISIN").isin == "US0378331005"
    assert security(**stated, securityID="037833100", securityIDType="CUSIP").cusip == "037833100"
    assert security(**stated, securityID="BBG000B9XRY4", securityIDType="FIGI").figi == "BBG000B9XRY4"
    assert security(**stated, isin="--", cusip="N/A").isin == ""


@pytest.mark.parametrize("stated", [{"conid": ""}, {"conid": "0"}, {"assetCategory": ""}])
def test_a_row_about_no_instrument_tells_none(stated: dict[str, str]) -> None:
    whole = {"assetCategory": "STK", "conid": "1", "symbol": "A"}
    (row,) = only(SecurityInfo, rows_of(in_statement(element("SecurityInfo", **(whole | stated)))))
    assert security_of(row) is None


def test_every_recorded_row_about_an_instrument_tells_it() -> None:
    rows = [row for path in FILES for row in only(Held, rows_of(path))]
    named = [row for row in rows if getattr(row, "conid", None) and row.asset_category]
    assert len(named) > 40
    assert all(security_of(row) for row in named)
