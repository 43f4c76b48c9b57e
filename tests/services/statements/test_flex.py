"""A Flex file as what it states: every recorded one, statement by statement, without growing."""

import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import pytest

from core.domain.stated import (
    REPORTED_AS,
    Ignored,
    Stated,
    StatedAccount,
    StatedCashFlow,
    StatedEvent,
    StatedInstrument,
    StatedPeriod,
    StatedRate,
    StatedTrade,
)
from services.statements.errors import NotXmlError, TruncatedError, UnusableRowError
from services.statements.flex import FlexFile
from tests.services.statements.statements import (
    FILES,
    HEAD,
    all_of,
    element,
    in_statement,
    rows_of,
    stated,
    trade,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_recorded_file_states_something(path: Path) -> None:
    file = FlexFile(path)
    records = list(file)
    assert records
    assert file.bytes_read == path.stat().st_size
    assert dict(file.unknown) == {}
    assert dict(file.unreadable) == {}
    lines = {row.line for row in rows_of(path)}
    assert {record.line for record in records} <= lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_trade_of_a_recorded_file_is_told_or_ignored(path: Path) -> None:
    told = Counter(
        record.line
        for record in FlexFile(path)
        # Of a currency trade both amounts, and its commission, are told as well.
        if record.section in {"Trade", "Lot", "TradeConfirm", REPORTED_AS[StatedTrade]}
        and not isinstance(record, StatedCashFlow)
    )
    trades = [row.line for row in rows_of(path) if row.element in {"Trade", "Lot", "TradeConfirm"}]
    assert {line: told[line] for line in trades} == Counter(trades)


def test_what_the_recorded_files_come_to() -> None:
    """So that a change cannot pass by telling less."""
    found = Counter(type(record).__name__ for path in FILES for record in FlexFile(path))
    assert found == {
        "StatedTrade": 25,
        "StatedEvent": 6,
        "StatedPosition": 1,
        "StatedLot": 2,
        "StatedCashFlow": 13,
        "StatedBalance": 6,
        "StatedValue": 1,
        "StatedChange": 1,
        "StatedRate": 1,
        "StatedInstrument": 1,
        "StatedAccount": 1,
        "StatedPeriod": 4,
        "Ignored": 13,
    }


def test_bytes_and_open_files_are_read_as_well() -> None:
    content = in_statement(trade()).encode()
    assert [len(list(FlexFile(source))) for source in (content, BytesIO(content))] == [2, 2]


def sections(*names: str, head: str = HEAD) -> list[StatedPeriod]:
    return all_of(StatedPeriod, stated(*names, head=head))


def test_a_period_is_the_whole_days_of_the_broker_and_follows_its_rows() -> None:
    records = stated(f"<Trades>{trade()}</Trades>")
    assert [type(one).__name__ for one in records] == ["StatedTrade", "StatedPeriod"]
    (period,) = all_of(StatedPeriod, records)
    assert period == StatedPeriod(
        line=1,
        section="FlexStatement",
        account="U1",
        starts_at=datetime(2023, 1, 1, 5, tzinfo=UTC),
        ends_at=datetime(2023, 2, 1, 5, tzinfo=UTC),
        generated_at=None,
        complete=True,
    )


@pytest.mark.parametrize(
    ("inside", "complete"),
    [
        ("<Trades />", True),
        (f"<Trades>{trade()}</Trades>", True),
        (f"<Trades>{trade(levelOfDetail='ORDER')}{trade()}</Trades>", True),
        (f"<Trades>{trade(levelOfDetail='ORDER')}</Trades>", False),
        (f"<TradeConfirms>{trade()}</TradeConfirms>", False),
        ("<CashTransactions />", False),
        ("", False),
    ],
)
def test_a_period_is_complete_if_its_query_asked_for_executions(inside: str, complete: bool) -> None:
    assert [period.complete for period in sections(inside)] == [complete]


@pytest.mark.parametrize(
    ("written", "complete"), [("20230131;235959", False), ("20230201;000000", True), ("", True)]
)
def test_a_day_that_is_not_over_is_not_complete(written: str, complete: bool) -> None:
    head = HEAD.replace('whenGenerated=""', f'whenGenerated="{written}"')
    (period,) = sections("<Trades />", head=head)
    assert period.complete is complete
    assert (period.generated_at is None) is (written == "")


@pytest.mark.parametrize("changed", ['fromDate=""', 'fromDate="20230201"'])
def test_a_statement_without_a_period_covers_none(changed: str) -> None:
    head = HEAD.replace('fromDate="20230101"', changed)
    assert sections("<Trades />", head=head) == []


def test_each_statement_of_a_file_covers_its_own() -> None:
    head = '<FlexStatement accountId="{}" fromDate="20230101" toDate="{}">'
    periods = sections(
        "<Trades />",
        "</FlexStatement>",
        head.format("U2", "20230102"),
        trade(accountId="U2"),
        "</FlexStatement>",
        head.format("U3", "20230103"),
        "</FlexStatement>",
        head.format("U4,U5", "20230104"),
        "<Trades />",
    )
    assert [(one.account, one.complete) for one in periods] == [
        ("U1", True),
        ("U2", False),
        ("U3", False),
        ("U4", True),
        ("U5", True),
    ]


def test_what_one_statement_tells_says_nothing_of_the_next() -> None:
    order = trade(levelOfDetail="ORDER")
    second = '</FlexStatement><FlexStatement accountId="U1" fromDate="20230101" toDate="20230131">'
    filled, empty = f"<Trades>{trade()}</Trades>", "<Trades />"
    assert [one.complete for one in sections(filled, second, f"<Trades>{order}</Trades>")] == [True, False]
    assert [one.complete for one in sections(f"<Trades>{order}</Trades>", second, empty)] == [False, True]


def test_statements_that_follow_one_another_are_told_one_after_the_other() -> None:
    records = stated(
        trade(),
        element("OptionEAE", accountId="U1", conid="1", assetCategory="STK", quantity="1", date="20230103"),
        '</FlexStatement><FlexStatement accountId="U2" fromDate="20230101" toDate="20230102">',
        trade(accountId="U2"),
    )
    assert [(type(one).__name__, getattr(one, "account", "")) for one in records] == [
        ("StatedTrade", "U1"),
        ("StatedEvent", "U1"),
        ("StatedPeriod", "U1"),
        ("StatedTrade", "U2"),
        ("StatedPeriod", "U2"),
    ]


def test_a_fragment_without_a_statement_is_told_row_by_row() -> None:
    records: list[Stated] = list(FlexFile(f"<Trades>{trade()}{trade(accountId='')}</Trades>".encode()))
    assert [type(one).__name__ for one in records] == ["StatedTrade", "Ignored"]
    (ignored,) = all_of(Ignored, records)
    assert (ignored.reason, ignored.account) == ("no_account", "")


def test_an_account_is_told_with_its_base_currency() -> None:
    named = element("AccountInformation", accountId="U1", acctAlias="mine", currency="EUR")
    (account,) = all_of(StatedAccount, stated(named))
    assert (account.account, account.base_currency, account.alias) == ("U1", "EUR", "mine")
    (account,) = all_of(StatedAccount, stated(element("AccountInformation", accountId="U1", acctAlias="--")))
    assert (account.base_currency, account.alias) == (None, None)
    gone = element("AccountInformation", accountId="U1", dateOpened="20200102", dateClosed="20260304")
    (account,) = all_of(StatedAccount, stated(gone))
    assert account.closed_on == date(2026, 3, 4)
    nobody = stated(element("AccountInformation", accountId="U1,U2", acctAlias="--"))
    assert [one.reason for one in all_of(Ignored, nobody)] == ["no_account"]


def rate(**changed: str) -> str:
    said = {"fromCurrency": "HKD", "toCurrency": "USD", "rate": "0.12876", "reportDate": "20230103"}
    return element("ConversionRate", **(said | changed))


def test_rates_are_told_where_they_say_everything() -> None:
    (told,) = all_of(StatedRate, stated(rate(), rate(rate=""), rate(reportDate=""), rate(toCurrency="--")))
    assert (told.currency, told.into, str(told.rate)) == ("HKD", "USD", "0.12876")


def security(**changed: str) -> str:
    said = {"conid": "265598", "assetCategory": "STK", "symbol": "AAPL", "isin": "US0378331005"}
    return element("SecurityInfo", **(said | {"underlyingConid": "5"} | changed))


def test_an_instrument_is_told_with_what_identifies_it_elsewhere() -> None:
    (told,) = all_of(StatedInstrument, stated(security(currency="USD")))
    assert (told.instrument.symbol, told.isin, told.underlying_conid) == ("AAPL", "US0378331005", 5)
    assert [one.reason for one in all_of(Ignored, stated(security(conid="")))] == ["no_instrument"]


def test_what_its_trades_told_of_its_prices_is_told_with_an_instrument() -> None:
    grain = {"assetCategory": "FUT", "conid": "8", "symbol": "ZCH3", "multiplier": "5000"}
    priced = trade(**grain, quantity="1", tradePrice="612.25", tradeMoney="30612.5")
    (told,) = all_of(StatedInstrument, stated(priced, security(**grain, currency="USD")))
    assert told.instrument.price_magnifier == 100


@pytest.mark.parametrize("first", [True, False])
def test_an_instrument_without_a_currency_has_that_of_its_trades(first: bool) -> None:
    rows = [security(), trade()] if first else [trade(), security()]
    records = stated(*rows)
    assert [one.instrument.currency for one in all_of(StatedInstrument, records)] == ["USD"]
    assert [one.instrument.currency for one in all_of(StatedInstrument, stated(security()))] == [""]


def test_what_is_not_known_is_counted_and_changes_nothing() -> None:
    file = FlexFile(in_statement(trade(newThing="1"), "<Novelty a='1' />", trade(quantity="ten")).encode())
    assert len(all_of(StatedTrade, list(file))) == 1
    assert dict(file.unknown) == {"Novelty": 1, "Trade/@newThing": 1}
    assert dict(file.unreadable) == {"Trade/@quantity": 1}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (in_statement(trade(), trade(quantity="", tradePrice="")), UnusableRowError),
        (in_statement(trade())[:-30], TruncatedError),
        (in_statement(trade(), "<a></b>"), NotXmlError),
    ],
)
def test_a_fault_is_raised_when_the_reading_comes_to_it(content: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(FlexFile(content.encode(), "may.xml"))


def test_memory_does_not_grow_with_the_trades() -> None:
    def peak(count: int) -> int:
        content = in_statement(*[trade(ibExecID=f"a{number}.01") for number in range(count)]).encode()
        tracemalloc.start()
        try:
            assert sum(isinstance(one, StatedTrade) for one in FlexFile(BytesIO(content))) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(6_000) < peak(2_000) + 300_000


def test_exercises_are_kept_for_their_statement_alone() -> None:
    def booked(number: int) -> str:
        return trade(ibExecID="", transactionType="BookTrade", notes="Ep", quantity=str(number))

    second = '</FlexStatement><FlexStatement accountId="U1" fromDate="20230101" toDate="20230131">'
    file = FlexFile(in_statement(booked(1), second, booked(2)).encode())
    assert len(all_of(StatedEvent, list(file))) == 2
