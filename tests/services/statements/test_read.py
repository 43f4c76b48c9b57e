"""A statement, row by row: what is understood, what is kept as it came, and what is refused."""

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.statements.elements import ROWS
from services.statements.read import StatementReader
from services.statements.rows import (
    ConversionRate,
    CorporateAction,
    OpenPosition,
    OptionEvent,
    Other,
    Query,
    Row,
    Statement,
    Trade,
    Transfer,
)
from services.statements.shapes import columns
from tests.services.statements.statements import (
    DATA,
    FILES,
    element,
    in_statement,
    only,
    rows_of,
    trade,
    trades_of,
)

IBFLEX = DATA / "flex-ibflex" / "test_types_elements.xml"
CODING = DATA / "flex-ib-flex-reader" / "TestForCoding.xml"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_recorded_statement_is_read_and_no_value_of_it_is_lost(path: Path) -> None:
    text = path.read_text(encoding="utf-8-sig")
    reader = StatementReader(path)
    rows = list(reader)
    assert sum(reader.census.rows.values()) == len(rows) > 0
    assert reader.census.unknown_elements == {}
    assert reader.census.unknown_attributes == {}
    assert reader.census.unreadable == {}
    assert reader.bytes_read == path.stat().st_size
    attributes = sum(len(row.names) for row in rows)
    counted = text.count('="') + text.count("='") - text.count("<FlexStatements count=")
    assert attributes == counted - text.count('<?xml version="')


def test_a_statement_says_whose_it_is_and_of_when() -> None:
    query, statement, *rest = rows_of(CODING)
    assert isinstance(query, Query)
    assert (query.name, query.type) == ("TestForCoding", "AF")
    assert isinstance(statement, Statement)
    assert statement.account == "U1234567"
    assert (statement.from_date, statement.to_date) == (date(2018, 11, 9), date(2018, 11, 9))
    assert statement.period == "LastBusinessDay"
    assert statement.generated_at is not None
    assert statement.generated_at.at == datetime(2018, 11, 11, 15, 36, 34, tzinfo=UTC)
    assert statement.generated_at.zone_assumed
    assert all(row.statement is statement for row in rest)


def test_a_row_without_an_account_is_of_its_statement_s_account() -> None:
    (row,) = trades_of([trade(accountId="")])
    assert (row.stated_account, row.account) == ("", "U1")


def test_several_statements_in_a_file_are_kept_apart() -> None:
    other = '</FlexStatement><FlexStatement accountId="U2">'
    rows = only(Trade, rows_of(in_statement(trade(accountId=""), other, trade(accountId=""))))
    assert [row.account for row in rows] == ["U1", "U2"]


def test_a_fragment_without_a_statement_is_read_row_by_row() -> None:
    (row,) = only(Trade, rows_of(f"<Some>{trade(accountId='')}</Some>"))
    assert row.statement is None
    assert row.account == ""
    assert row.quantity == 10


def test_a_row_after_the_end_of_a_statement_is_of_none() -> None:
    fragment = f'<Some><FlexStatement accountId="U1" />{trade(accountId="")}</Some>'
    (row,) = only(Trade, rows_of(fragment))
    assert row.statement is None


@pytest.mark.parametrize("row_type", sorted(set(ROWS.values()), key=lambda kind: kind.__name__))
def test_what_a_row_does_not_state_is_nothing(row_type: type[Row]) -> None:
    name = next(element for element, kind in ROWS.items() if kind is row_type)
    level = 'levelOfDetail="ORDER"' if row_type is Trade else ""
    (row,) = rows_of(f'<Some><{name} somethingElse="20230103" {level} /></Some>')
    own = [getattr(row, field) for field in row.__struct_fields__ if field not in Row.__struct_fields__]
    assert own
    assert [value for value in own if value not in {"", None, (), "ORDER"}] == []


def test_a_trade_is_read_to_the_last_digit() -> None:
    flip = only(Trade, rows_of(DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"))[1]
    assert (flip.symbol, flip.conid, flip.asset_category, flip.expiry) == (
        "CLZ8",
        70407716,
        "FUT",
        "20181119",
    )
    assert (flip.quantity, flip.price, flip.multiplier) == (Decimal(-2), Decimal("61.7"), Decimal(1000))
    assert (flip.open_close, flip.detail, flip.exec_id) == ("C;O", "execution", "0001f4e5.5be236f9.01.01")
    assert (flip.stated_commission, flip.commission) == (Decimal("-4.74"), Decimal("4.74"))
    assert flip.realized_pnl == Decimal("-34.74")
    assert flip.executed_at is not None
    assert flip.executed_at.at == datetime(2018, 11, 7, 6, 40, 12, tzinfo=UTC)
    assert flip.attributes["exchOrderId"] == "002039a1.0001f4e0.5be242ca[2]"
    assert flip.line == 4


def test_a_rebate_is_a_negative_commission_and_no_commission_is_unknown() -> None:
    rebate, free, unsaid = trades_of([trade(ibCommission=text) for text in ("0.25", "0", "")])
    assert rebate.commission == Decimal("-0.25")
    assert free.commission == 0
    assert not free.commission.is_signed()
    assert unsaid.commission is None


@pytest.mark.parametrize(
    ("stated", "open_close", "category", "realized"),
    [
        ("0", "", "STK", None),
        ("0", "-", "STK", None),
        ("", "C", "STK", None),
        ("0", "C", "STK", Decimal(0)),
        ("0", "O", "STK", Decimal(0)),
        ("0", "", "CASH", Decimal(0)),
        ("-3.5", "", "STK", Decimal("-3.5")),
    ],
)
def test_a_zero_is_believed_only_with_a_word_on_opening_or_closing(
    stated: str, open_close: str, category: str, realized: Decimal | None
) -> None:
    (row,) = trades_of([trade(fifoPnlRealized=stated, openCloseIndicator=open_close, assetCategory=category)])
    assert row.realized_pnl == realized


@pytest.mark.parametrize(
    ("name", "level", "detail"),
    [
        ("Trade", "EXECUTION", "execution"),
        ("Trade", "", "execution"),
        ("Trade", "ORDER", "order"),
        ("Trade", "CLOSED_LOT", "lot"),
        ("Trade", "SYMBOL_SUMMARY", "summary"),
        ("Trade", "WASH_SALE", "other"),
        ("TradeConfirm", "EXECUTION", "execution"),
        ("Lot", "CLOSED_LOT", "lot"),
        ("Order", "ORDER", "order"),
        ("SymbolSummary", "SYMBOL_SUMMARY", "summary"),
        ("AssetSummary", "ASSET_SUMMARY", "summary"),
        ("TradeTransfer", "TRADE_TRANSFERS", "transfer"),
    ],
)
def test_only_an_execution_is_an_execution(name: str, level: str, detail: str) -> None:
    (row,) = trades_of([element(name, conid="1", quantity="1", tradePrice="1", levelOfDetail=level)])
    assert row.detail == detail


def test_trade_confirmations_say_the_same_with_other_words() -> None:
    confirmed = only(Trade, rows_of(DATA / "flex-ib-flex-reader" / "test_elements.xml"))[-1]
    assert (confirmed.element, confirmed.exec_id, confirmed.order_id) == (
        "TradeConfirm",
        "i.j.k.01",
        "1116965779",
    )
    assert (confirmed.price, confirmed.commission, confirmed.commission_currency) == (
        4,
        Decimal("1.65"),
        "USD",
    )
    assert (confirmed.trade_money, confirmed.codes) == (-400, ("O",))
    assert confirmed.settle_date == date(2018, 11, 14)
    assert confirmed.realized_pnl is None


def test_a_trade_with_date_and_time_apart_has_a_time() -> None:
    row = only(Trade, rows_of(IBFLEX))[0]
    assert row.stated_time is None
    assert row.executed_at is not None
    assert row.executed_at.at == datetime(2011, 8, 11, 20, 20, tzinfo=UTC)
    assert row.codes == ("A",)


def test_positions_events_actions_transfers_and_rates_are_read() -> None:
    rows = rows_of(IBFLEX)
    (position,) = only(OpenPosition, rows)
    assert (position.account, position.conid, position.quantity) == ("U123456", 80789235, -100)
    assert (position.cost, position.mark_price) == (Decimal("-3440.5"), Decimal("35.53"))
    assert (position.report_date, position.level_of_detail) == (date(2011, 12, 30), "LOT")
    assignment, bought = only(OptionEvent, rows)
    assert (assignment.type, assignment.quantity, assignment.cost) == ("Assignment", 20, Decimal("21792.73"))
    assert (bought.type, bought.price, bought.on_date) == ("Buy", 25, date(2011, 8, 5))
    (tender,) = only(CorporateAction, rows)
    assert (tender.type, tender.quantity, tender.realized_pnl) == ("TC", -1000, 10315)
    transfer, lot = only(Transfer, rows)
    assert (transfer.type, transfer.direction, transfer.market_value) == ("ACATS", "IN", Decimal("11.51"))
    assert (transfer.account, transfer.other_account) == ("U123456", "12345678")
    assert (lot.element, lot.quantity, lot.company) == ("TransferLot", Decimal("701.5"), "HOOLI")
    (rate,) = only(ConversionRate, rows)
    assert (rate.from_currency, rate.to_currency, rate.rate) == ("HKD", "USD", Decimal("0.12876"))


def test_an_element_that_nobody_knows_is_kept_and_counted() -> None:
    reader = StatementReader(in_statement(element("Horoscope", sign="Leo"), "<Horoscope/>").encode())
    (row,) = only(Other, list(reader))
    assert reader.census.unknown_elements == {"Horoscope": 1}
    assert reader.census.kept_raw == {}
    assert row.attributes == {"sign": "Leo"}
    assert row.statement is not None


def test_an_element_that_the_ledger_has_no_use_for_is_kept_and_not_told_as_unknown() -> None:
    reader = StatementReader(
        in_statement(element("SLBFee", fee="-1.5"), element("Trades", total="0")).encode()
    )
    assert [row.attributes for row in only(Other, list(reader))] == [{"fee": "-1.5"}, {"total": "0"}]
    assert reader.census.unknown_elements == {}
    assert reader.census.kept_raw == {"SLBFee": 1, "Trades": 1}


def test_a_word_between_tags_is_kept_too() -> None:
    (row,) = only(Other, rows_of(in_statement("<Remark>all is well</Remark>")))
    assert (row.element, row.text, row.attributes) == ("Remark", "all is well", {})


def test_an_attribute_that_nobody_knows_is_kept_and_counted() -> None:
    reader = StatementReader(in_statement(trade(moonPhase="full"), trade(moonPhase="new"), trade()).encode())
    assert [row.attributes.get("moonPhase") for row in only(Trade, list(reader))] == ["full", "new", None]
    assert reader.census.unknown_attributes == {("Trade", "moonPhase"): 2}


def test_a_value_that_cannot_be_read_is_unknown_kept_and_counted() -> None:
    reader = StatementReader(in_statement(trade(cost="plenty", dateTime="one day")).encode())
    (row,) = only(Trade, list(reader))
    assert (row.cost, row.executed_at) == (None, None)
    assert row.attributes["cost"] == "plenty"
    assert reader.census.unreadable == {("Trade", "cost"): 1, ("Trade", "dateTime"): 1}


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
texts = st.text(st.characters(blacklist_categories=("Cc", "Cs"), max_codepoint=0xFFFD), max_size=20).filter(
    lambda text: not set(text) & {"\ufffe", "\uffff"}
)


@given(st.sampled_from(sorted(ROWS)), st.dictionaries(names, texts, min_size=1, max_size=8))
def test_whatever_attributes_a_row_has_it_is_read_and_keeps_them(
    name: str, attributes: dict[str, str]
) -> None:
    rows = rows_of(f"<Some>{element(name, **(attributes | {'quantity': '1'}))}</Some>")
    assert rows[-1].attributes == attributes | {"quantity": "1"}


def test_the_fields_of_every_row_stand_in_the_order_of_their_kinds() -> None:
    for row_type in set(ROWS.values()):
        kinds = [column.kind for column in columns(row_type)]
        assert kinds == sorted(kinds), row_type


def test_bytes_a_path_and_an_open_file_read_the_same() -> None:
    with CODING.open("rb") as file:
        opened = [row.attributes for row in StatementReader(file)]
        assert not file.closed
    assert opened == [row.attributes for row in StatementReader(CODING)]
    assert opened == [row.attributes for row in StatementReader(CODING.read_bytes())]


class Generated(BytesIO):
    """A statement of many trades that is nowhere as a whole."""

    def __init__(self, trades: int) -> None:
        super().__init__()
        self._parts = self._all(trades)

    @staticmethod
    def _all(trades: int) -> Iterator[bytes]:
        head, tail = in_statement("|").split("|")
        yield head.encode()
        for number in range(0, trades, 100):
            yield "".join(trade(ibExecID=f"{one}.01") for one in range(number, number + 100)).encode()
        yield tail.encode()

    def read(self, _: int | None = -1, /) -> bytes:
        return next(self._parts, b"")


def test_a_longer_file_needs_no_more_memory() -> None:
    def peak(trades: int) -> int:
        gc.collect()
        tracemalloc.start()
        count = sum(1 for row in StatementReader(Generated(trades)) if isinstance(row, Trade))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == trades
        return most

    peak(100)
    short = peak(2_000)
    assert peak(10_000) < 1.5 * short
