"""A CSV file of one's own: what it states, and everything that is wrong with it, at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from core.domain.stated import (
    Ignored,
    StatedCashFlow,
    StatedEvent,
    StatedInstrument,
    StatedTrade,
    Statement,
)
from core.errors import FaultyRowsError, LotkeeperError
from services.statements import csv_file
from services.statements.csv_file import CsvFile
from services.statements.errors import NotCsvError

NEW_YORK = ZoneInfo("US/Eastern")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STOCK = {
    "type": "trade",
    "account": "U1",
    "time": "2025-03-31 15:30:00",
    "symbol": "ACME",
    "asset_class": "STK",
    "currency": "USD",
    "quantity": "10",
    "price": "12.5",
}
CASH = {"type": "deposit", "account": "U1", "time": "2025-03-31", "amount": "100", "currency": "USD"}


def table(*rows: dict[str, str], delimiter: str = ",") -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *[[row.get(name, "") for name in columns] for row in rows]]
    return "".join(f"{delimiter.join(line)}\r\n" for line in lines)


def reading(content: str | bytes) -> CsvFile:
    encoded = content.encode() if isinstance(content, str) else content
    return CsvFile(BytesIO(encoded), "mine.csv", zone=NEW_YORK, now=NOW)


def stated(*rows: dict[str, str]) -> list[Statement]:
    return list(reading(table(*rows)))


def faults(content: str | bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(FaultyRowsError) as raised:
        list(reading(content))
    assert str(raised.value).startswith(
        "mine.csv has rows that cannot be used, so nothing of it was imported"
    )
    return [(one.line, one.column, one.reason) for one in raised.value.faults]


def fault(**changed: str) -> str:
    """What is wrong with the one cell of a trade that is changed."""
    row = STOCK | changed
    [(line, column, reason)] = faults(table(row, delimiter=";"))
    assert line == 2
    assert column in row
    return f"{column}: {reason}"


def test_a_trade() -> None:
    row = STOCK | {"id": "T1", "commission": "1.25", "order_ref": "plan b", "exchange": "NYSE"}
    instrument, fill = stated(row)
    assert isinstance(instrument, StatedInstrument)
    assert isinstance(fill, StatedTrade)
    assert fill.instrument == instrument.instrument
    assert fill.instrument.conid < 0
    assert (fill.account, fill.quantity, fill.price) == ("U1", 10, Decimal("12.5"))
    assert fill.executed_at == datetime(2025, 3, 31, 19, 30, tzinfo=UTC)
    assert (fill.zone_assumed, fill.timed) == (True, True)
    assert (fill.commission, fill.commission_currency) == (Decimal("1.25"), "")
    assert (fill.own_id, fill.order_ref, fill.exchange, fill.exec_id) == ("T1", "plan b", "NYSE", "")


@pytest.mark.parametrize(
    ("side", "quantity", "signed"),
    [("", "-3", -3), ("sell", "3", -3), ("SLD", "-3", -3), ("Buy", "3", 3), ("", "+3.5", Decimal("3.5"))],
)
def test_a_side_or_a_sign_tells_what_was_bought(side: str, quantity: str, signed: Decimal) -> None:
    fill = stated(STOCK | {"side": side, "quantity": quantity})[-1]
    assert isinstance(fill, StatedTrade)
    assert fill.quantity == signed


@pytest.mark.parametrize(
    ("time", "zone", "utc"),
    [
        ("2025-03-31T15:30:00+02:00", "", "2025-03-31 13:30:00"),
        ("2025-03-31 15:30:00Z", "Europe/Berlin", "2025-03-31 15:30:00"),
        ("2025-03-31 15:30", "Europe/Berlin", "2025-03-31 13:30:00"),
        ("2025-03-31 15:30:00.5 Asia/Tokyo", "", "2025-03-31 06:30:00.500000"),
        ("2025-03-31 15:30:00 EST", "", "2025-03-31 20:30:00"),
    ],
)
def test_a_time_has_the_zone_that_it_names_or_its_row(time: str, zone: str, utc: str) -> None:
    fill = stated(STOCK | {"time": time, "zone": zone})[-1]
    assert isinstance(fill, StatedTrade)
    assert fill.executed_at.replace(tzinfo=None).isoformat(" ") == utc
    assert not fill.zone_assumed


def test_of_a_day_alone_what_is_bought_comes_before_what_is_sold() -> None:
    bought, sold = [
        one
        for one in stated(STOCK | {"time": "2025-03-31"}, STOCK | {"time": "2025-03-31", "side": "sell"})
        if isinstance(one, StatedTrade)
    ]
    assert bought.executed_at == datetime(2025, 3, 31, 4, tzinfo=UTC)
    assert sold.executed_at == datetime(2025, 4, 1, 0, 29, tzinfo=UTC)
    assert not bought.timed


@pytest.mark.parametrize(
    ("kind", "quantity", "change", "cost", "carried"),
    [
        ("transfer_in", "10", 10, 120, False),
        ("transfer_out", "10", -10, -120, True),
        ("transfer_in", "-10", -10, -120, False),
    ],
)
def test_a_transfer(kind: str, quantity: str, change: int, cost: int, carried: bool) -> None:
    row = STOCK | {"type": kind, "quantity": quantity, "cost": "120", "notes": "from the old bank", "id": "7"}
    event = stated(row)[-1]
    assert isinstance(event, StatedEvent)
    assert (event.quantity, event.cost, event.carried, event.cause) == (change, cost, carried, "transfer")
    assert (event.kind, event.description, event.event_id) == (kind, "from the old bank", "csv:7")


@pytest.mark.parametrize(
    ("kind", "amount"), [("deposit", "100"), ("withdrawal", "-100"), ("fee", "-1"), ("dividend", "2.5")]
)
def test_cash(kind: str, amount: str) -> None:
    row = CASH | {
        "type": kind,
        "amount": amount,
        "symbol": "ACME",
        "conid": "265598",
        "notes": "n",
        "id": "9",
    }
    (flow,) = stated(row)
    assert isinstance(flow, StatedCashFlow)
    assert (flow.kind, flow.amount, flow.currency) == (kind, Decimal(amount), "USD")
    assert (flow.conid, flow.symbol, flow.description, flow.transaction_id) == (265598, "ACME", "n", "csv:9")


def instruments(*rows: dict[str, str]) -> list[StatedInstrument]:
    return [one for one in stated(*rows) if isinstance(one, StatedInstrument)]


def test_an_instrument_is_told_once_and_numbered_by_what_it_is_called() -> None:
    [acme, other, euro, isin] = instruments(
        STOCK,
        STOCK,
        STOCK | {"symbol": "OTHER"},
        STOCK | {"currency": "EUR"},
        STOCK | {"isin": "US0378331005"},
    )
    assert len({one.instrument.conid for one in (acme, other, euro, isin)}) == 4
    assert instruments(STOCK)[0].instrument.conid == acme.instrument.conid
    assert (acme.name, isin.isin, acme.lacks) == ("STK/USD/ACME", "US0378331005", ())


def test_an_option_by_its_osi_symbol_or_by_its_terms_is_the_same() -> None:
    terms = {"symbol": "ACME", "expiry": "2026-01-16", "strike": "200", "right": "call", "multiplier": "100"}
    [by_terms] = instruments(STOCK | terms | {"asset_class": "option"})
    [by_symbol] = instruments(
        STOCK | {"symbol": "ACME  260116C00200000", "asset_class": "OPT", "multiplier": "100"}
    )
    assert by_terms.instrument.conid == by_symbol.instrument.conid
    told = by_symbol.instrument
    assert (told.symbol, told.expiry, told.strike, told.right) == ("ACME", "20260116", 200, "C")
    [lacking] = instruments(STOCK | {"asset_class": "OPT"})
    assert lacking.lacks == ("multiplier", "expiry", "strike", "right")


def test_with_a_conid_nothing_else_has_to_be_said() -> None:
    row = {name: STOCK[name] for name in ("type", "account", "time", "quantity", "price")}
    [told] = instruments(row | {"conid": "265598"})
    assert told.instrument.conid == 265598
    assert told.lacks == ("symbol", "asset_class", "currency")


def test_currency_trades_and_combos_are_ignored() -> None:
    found = stated(
        STOCK | {"asset_class": "CASH"}, STOCK | {"asset_class": "BAG"}, STOCK | {"conid": "28812380"}
    )
    assert [one.reason for one in found if isinstance(one, Ignored)] == ["currency_trade", "combo", "combo"]
    assert len(found) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_spellings_of_a_file(encoding: str, delimiter: str) -> None:
    content = table(STOCK | {"description": "Überall AG"}, {}, STOCK, delimiter=delimiter).encode(encoding)
    found = list(reading(content))
    assert [type(one).__name__ for one in found].count("StatedTrade") == 2
    assert [one.line for one in found if isinstance(one, StatedTrade)] == [2, 4]


def test_columns_stand_in_any_order_and_those_unknown_are_counted() -> None:
    row = dict(reversed(STOCK.items())) | {"Broker Ref": "x", "My Tag": ""}
    file = reading(table(row, row).replace("symbol", " Symbol "))
    assert len([one for one in file if isinstance(one, StatedTrade)]) == 2
    assert dict(file.unknown) == {"broker_ref": 2}
    assert file.bytes_read == len(table(row, row)) + 2, "with two blanks more"


def test_a_quoted_cell_may_have_delimiters_quotes_and_lines_in_it() -> None:
    row = STOCK | {"notes": '"a, b\r\nsaid ""c"""'}
    bad = STOCK | {"quantity": "x", "notes": ""}
    assert [line for line, _, _ in faults(table(row, row, bad))] == [6]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"price": "1,234.50"}, "price: '1,234.50' has a comma"),
        ({"price": "12,5"}, "price: '12,5' has a comma"),
        ({"price": "1e30"}, "price: '1e30' has more digits"),
        ({"price": "9" * 60}, "price: '999"),
        ({"price": "1e-40"}, "price: '1e-40' has more digits"),
        ({"price": "NaN"}, "price: 'NaN' is not a number"),
        ({"price": "Infinity"}, "price: 'Infinity' is not a number"),
        ({"price": "$5"}, "price: '$5' is not a number"),
        ({"price": "１２"}, "price: '１２' is not a number"),
        ({"price": ""}, "price: it is needed"),
        ({"quantity": "0"}, "quantity: it is zero"),
        ({"quantity": "-1", "side": "buy"}, "quantity: it is negative"),
        ({"side": "hold"}, "side: 'hold' is neither buy nor sell"),
        ({"time": "31.03.2025"}, "time: '31.03.2025' is not a time"),
        ({"time": "2025-02-30"}, "time: '2025-02-30' is no time"),
        ({"time": "2025-03-31 25:00"}, "time: '2025-03-31 25:00' is no time"),
        ({"time": "2025-03-09 02:30:00"}, "time: 2025-03-09 02:30:00 does not exist in US/Eastern"),
        ({"time": "2025-11-02 01:30:00"}, "time: 2025-11-02 01:30:00 happens twice in US/Eastern"),
        ({"time": "2026-11-22"}, "time: '2026-11-22' lies in the future"),
        ({"time": "2026-11-21 23:00:00"}, "time: '2026-11-21 23:00:00' lies in the future"),
        ({"time": "0001-01-01 00:00:00"}, "time: '0001-01-01 00:00:00' is too long ago"),
        ({"time": "9999-12-31 23:59:59-12:00"}, "time: '9999-12-31 23:59:59-12:00' lies in the future"),
        ({"time": "2025-03-31 15:30:00 Nowhere/City"}, "time: the zone 'Nowhere/City' is not known"),
        ({"account": ""}, "account: it is needed"),
        ({"symbol": "", "notes": ""}, "symbol: it is needed where there is neither conid nor isin"),
        ({"asset_class": ""}, "asset_class: it is needed"),
        ({"asset_class": "thing"}, "asset_class: 'thing' is none of STK"),
        ({"currency": "DOLLAR"}, "currency: 'DOLLAR' is no currency"),
        ({"commission_currency": "$"}, "commission_currency: '$' is no currency"),
        ({"conid": "1.5"}, "conid: '1.5' is no conid"),
        ({"conid": "99999999999"}, "conid: '99999999999' is no conid"),
        ({"isin": "X"}, "isin: 'X' is no ISIN"),
        ({"multiplier": "0"}, "multiplier: '0' is not positive"),
        ({"expiry": "soon"}, "expiry: 'soon' is no day"),
        ({"right": "X"}, "right: 'X' is neither C nor P"),
        ({"type": "gift"}, "type: 'gift' is none of trade, transfer_in"),
        ({"type": "transfer_in", "cost": "-5"}, "cost: it is what was paid"),
        ({"type": "transfer_out", "quantity": "0"}, "quantity: it is zero"),
        ({"type": "deposit", "amount": "-5"}, "amount: the account sees a deposit: it must be positive"),
        ({"type": "withdrawal", "amount": "5"}, "amount: the account sees a withdrawal: it must be negative"),
        ({"type": "fee", "amount": "0"}, "amount: it is zero"),
        ({"notes": "x" * 1001}, "notes: it is longer than 1,000 characters"),
    ],
    ids=lambda value: (
        " ".join(f"{name}={text:.20}" for name, text in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_a_cell_that_cannot_be_used(changed: dict[str, str], said: str) -> None:
    assert fault(**changed).startswith(said)


def test_all_that_is_wrong_is_told_at_once() -> None:
    good, bad = STOCK, STOCK | {"price": "x", "quantity": ""}
    assert faults(table(good, bad, good, bad)) == [
        (3, "price", "'x' is not a number"),
        (3, "quantity", "it is needed, and empty"),
        (5, "price", "'x' is not a number"),
        (5, "quantity", "it is needed, and empty"),
    ]


def test_of_very_much_that_is_wrong_twenty_are_told() -> None:
    content = table(*[STOCK | {"price": "x"}] * 500)
    assert [line for line, _, _ in faults(content)] == list(range(2, 22))
    with pytest.raises(FaultyRowsError, match="and more after these"):
        list(reading(content))


def test_nothing_of_a_file_is_told_after_its_first_fault() -> None:
    told: list[Statement] = []
    with pytest.raises(FaultyRowsError):
        told.extend(reading(table(STOCK | {"price": "x"}, STOCK)))
    assert told == []


def test_a_row_with_too_many_fields_and_one_that_is_torn() -> None:
    content = table(STOCK)
    assert faults(content + "trade,U1,2025-01-01,ACME,STK,USD,1,1,5,\r\n") == [
        (3, "", "it has 10 fields, and there are 8 columns")
    ]
    [(line, _, reason)] = faults(content + 'trade,U1,"2025-01-01\r\n')
    assert line == 3
    assert "cannot be told apart into cells" in reason


def test_a_row_may_leave_out_its_last_cells() -> None:
    found = list(reading("type,account,time,currency,amount,notes\ndeposit,U1,2025-01-01,USD,5\n"))
    assert len(found) == 1


def test_a_cell_that_is_longer_than_any() -> None:
    [(line, _, reason)] = faults(table(STOCK | {"notes": "x" * 140_000}))
    assert (line, "field larger" in reason) == (2, True)


def a_file(content: str | bytes) -> tuple[int | None, str]:
    with pytest.raises(NotCsvError) as raised:
        list(reading(content))
    return raised.value.line, raised.value.reason


HEAD = "type,account,time,currency,amount\n"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (b"\r\n \r\n", 2, "the first line must name the columns"),
        (HEAD, None, "there are no rows"),
        (f"{HEAD},,,,\n", None, "there are no rows"),
        ("date,what\n2025-01-01,x\n", 1, "the first line must name the columns"),
        ("type\taccount\n", 1, "the first line must name the columns"),
        ("type,account,time,Time\n", 1, "the column time is there twice"),
        (b"PK\x03\x04rest of a workbook", None, "this is a workbook"),
        (b"<FlexQueryResponse/>", 1, "this is XML"),
        (b"type,account\n\x00\x01\x02", 2, "this is no text"),
        (f"{HEAD}deposit,U1,2025-01-01,USD,5,Überall\n".encode("latin-1"), 2, "it is not UTF-8"),
        (b"\xff\xfet", None, "it is not UTF-8"),
        ("\ufefftype,account\nx".encode("utf-16-le") + b"\x00", None, "it is not UTF-8"),
    ],
)
def test_a_file_that_is_none_of_ours(content: str | bytes, line: int | None, reason: str) -> None:
    told_line, told = a_file(content)
    assert told.startswith(reason)
    if line is not None:
        assert told_line == line


def test_a_line_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MOST_LINE", 100)
    assert a_file("x" * 1000) == (1, "the line is longer than 100 characters")


def test_random_bytes_are_an_error_with_a_reason() -> None:
    contents: Sequence[bytes] = [bytes(range(256)), HEAD.encode() + bytes(range(1, 256)), b'"' * 1000]
    for content in contents:
        with pytest.raises(LotkeeperError, match=r"mine\.csv"):
            list(reading(content))
