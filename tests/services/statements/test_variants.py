"""The same statement in every way that a query can be set to write it, and in ways that only editors do."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.statements.elements import ROWS
from services.statements.read import StatementReader
from services.statements.rows import OpenPosition, Other, Owned, Row, Statement, Trade, Transfer
from services.statements.rows_cash import CashTransaction
from services.statements.shapes import columns
from tests.services.statements.statements import (
    FILES,
    element,
    in_statement,
    only,
    rows_of,
    trade,
    trades_of,
)

DAYS = {
    "%Y%m%d": "20230113",
    "%Y-%m-%d": "2023-01-13",
    "%m/%d/%Y": "01/13/2023",
    "%m/%d/%y": "01/13/23",
    "%d/%m/%Y": "13/01/2023",
    "%d/%m/%y": "13/01/23",
    "%d-%b-%y": "13-JAN-23",
}
CLOCKS = ("%H%M%S", "%H:%M:%S", "%H%M%S EST", "%H:%M:%S EST")
SEPARATORS = (";", ", ", ",", " ", "T")
DECLARED = '<?xml version="1.0" encoding="{}"?>\n'


def typed(row: Row) -> tuple[object, ...]:
    """What a row says, apart from where it stands and how it is spelled."""
    skipped = {"line", "statement", "names", "values", "expiry"}
    return tuple(getattr(row, name) for name in row.__struct_fields__ if name not in skipped)


@pytest.mark.parametrize("form", DAYS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_days_and_hours_read_the_same_in_every_format(form: str, separator: str) -> None:
    at = datetime(2023, 1, 13, 9, 30, 5, tzinfo=UTC)
    for clock in CLOCKS:
        spelled = at.strftime(f"{form}{separator}{clock}")
        (row,) = trades_of([trade(tradeDate=at.strftime(form), dateTime=spelled)])
        assert row.trade_date == date(2023, 1, 13), spelled
        assert row.executed_at is not None, spelled
        assert row.executed_at.at == datetime(2023, 1, 13, 14, 30, 5, tzinfo=UTC), spelled
        assert row.executed_at.zone_assumed == ("EST" not in clock)


@pytest.mark.parametrize("zone", ["EDT", "US/Eastern", "America/New_York", "-0400", "ET"])
def test_a_zone_in_summer_is_the_one_that_is_named(zone: str) -> None:
    (row,) = trades_of([trade(dateTime=f"2023-07-03;09:30:00 {zone}")])
    assert row.executed_at is not None
    assert row.executed_at.at == datetime(2023, 7, 3, 13, 30, tzinfo=UTC)


AMBIGUOUS_FIRST = (
    trade(tradeDate="05/06/2023", ibExecID="a"),
    trade(tradeDate="{}", ibExecID="b"),
)


def sources(text: str, folder: Path) -> list[Path | bytes | BytesIO]:
    path = folder / "statement.xml"
    path.write_text(text, encoding="utf-16")
    return [text.encode(), path, BytesIO(text.encode())]


@pytest.mark.parametrize(
    ("telling", "first", "second"),
    [
        ("13/06/2023", date(2023, 6, 5), date(2023, 6, 13)),
        ("06/13/2023", date(2023, 5, 6), date(2023, 6, 13)),
    ],
)
def test_a_date_that_could_be_two_is_read_as_a_later_one_tells(
    telling: str, first: date, second: date, tmp_path: Path
) -> None:
    far = " " * 200_000  # in another chunk
    ambiguous, clear = AMBIGUOUS_FIRST
    for source in sources(in_statement(ambiguous, far, clear.format(telling)), tmp_path):
        reader = StatementReader(source)
        assert [row.trade_date for row in only(Trade, list(reader))] == [first, second]
        assert not reader.census.month_first_assumed
        assert reader.census.unreadable == {}


def test_a_date_that_tells_across_two_chunks_is_found() -> None:
    for offset in range(-36, 4):
        padding = " " * (
            (1 << 16) + offset - len(in_statement(AMBIGUOUS_FIRST[0]).split("</FlexStatement>")[0])
        )
        text = in_statement(AMBIGUOUS_FIRST[0], padding, '<Trade tradeDate="13/06/2023" quantity="1" />')
        first, _ = only(Trade, list(StatementReader(BytesIO(text.encode()))))
        assert first.trade_date == date(2023, 6, 5), offset


def test_a_file_whose_dates_do_not_tell_says_so() -> None:
    reader = StatementReader(in_statement(trade(tradeDate="05/06/2023")).encode())
    (row,) = only(Trade, list(reader))
    assert row.trade_date == date(2023, 5, 6)
    assert reader.census.month_first_assumed


class Stream(BytesIO):
    """What cannot be read twice."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise AssertionError


def test_what_cannot_be_read_twice_is_read_as_far_as_it_tells() -> None:
    text = in_statement(*AMBIGUOUS_FIRST).format("13/06/2023")
    reader = StatementReader(Stream(text.encode()))
    assert [row.trade_date for row in only(Trade, list(reader))] == [date(2023, 5, 6), None]
    assert reader.census.month_first_assumed
    assert reader.census.unreadable == {("Trade", "tradeDate"): 1}


BEFORE = b"another file, where it is the '06/13/2023'"


def test_looking_ahead_leaves_an_open_file_where_it_was() -> None:
    file = BytesIO(BEFORE + in_statement(*AMBIGUOUS_FIRST).format("13/06/2023").encode())
    file.seek(len(BEFORE))
    rows = only(Trade, list(StatementReader(file)))
    assert [row.trade_date for row in rows] == [date(2023, 6, 5), date(2023, 6, 13)]


@pytest.mark.parametrize("nothing", ["", "-", "--", "N/A", "MULTI", " "])
def test_what_has_no_value_or_several_is_unknown_and_not_a_fault(nothing: str) -> None:
    stated = dict.fromkeys(
        ("cost", "taxes", "tradeDate", "dateTime", "conid", "notes", "ibCommission"), nothing
    )
    reader = StatementReader(in_statement(trade(**stated)).encode())
    (row,) = only(Trade, list(reader))
    assert (row.cost, row.taxes, row.trade_date, row.executed_at, row.conid) == (None,) * 5
    assert (row.codes, row.commission) == ((), None)
    assert reader.census.unreadable == {}


@pytest.mark.parametrize(
    ("spelled", "number"),
    [
        ("1,234,567.80", "1234567.80"),
        ("-1,234", "-1234"),
        ("+5", "5"),
        (" 7 ", "7"),
        (".5", "0.5"),
        ("1.5E-7", "1.5E-7"),
    ],
)
def test_numbers_read_the_same_in_every_spelling(spelled: str, number: str) -> None:
    (row,) = trades_of([trade(cost=spelled)])
    assert row.cost == Decimal(number)


def test_a_time_that_is_not_stated_leaves_the_day() -> None:
    (row,) = trades_of([trade(dateTime="", tradeDate="20230113", tradeTime="--")])
    assert row.executed_at is not None
    assert row.executed_at.at == datetime(2023, 1, 13, 5, tzinfo=UTC)
    assert not row.executed_at.timed


@pytest.mark.parametrize("flag", ["Y", "N", "Yes", "No", "true", ""])
def test_flags_are_kept_as_they_are_spelled(flag: str) -> None:
    (row,) = trades_of([trade(isAPIOrder=flag, initialInvestment=flag)])
    assert (row.attributes["isAPIOrder"], row.attributes["initialInvestment"]) == (flag, flag)


@pytest.mark.parametrize("consolidated", ["-", "--", "", "U1,U2", "U1, U2"])
def test_a_consolidated_row_is_nobody_s(consolidated: str) -> None:
    head = f'<FlexStatement accountId="{consolidated}">'
    nobody, own, silent = only(
        Trade,
        rows_of(
            in_statement(trade(accountId=consolidated), trade(accountId="U2"), trade(accountId=""), head=head)
        ),
    )
    assert (nobody.account, own.account, silent.account) == ("", "U2", "")


@pytest.mark.parametrize(
    ("stated", "accounts"), [("U1", ("U1",)), ("U1,U2", ("U1", "U2")), ("U1, U2", ("U1", "U2")), ("-", ())]
)
def test_a_statement_says_whose_it_is(stated: str, accounts: tuple[str, ...]) -> None:
    (statement,) = only(Statement, rows_of(in_statement(head=f'<FlexStatement accountId="{stated}">')))
    assert statement.accounts == accounts


def test_a_file_says_how_many_statements_it_has() -> None:
    text = in_statement().replace("<FlexStatements>", '<FlexStatements count="{}">')
    for count, announced in (("2", 2), ("", None), ("two", None)):
        reader = StatementReader(text.format(count).encode())
        assert len(only(Statement, list(reader))) == 1
        assert reader.census.statements_announced == announced


def test_a_fragment_s_row_without_an_account_is_given_out_as_such() -> None:
    rows = rows_of(f"<Some>{trade(accountId='')}{element('CashTransaction', amount='1')}</Some>")
    assert [row.account for row in only(Owned, rows)] == ["", ""]


@pytest.mark.parametrize("row", ['<Trade quantity="1" tradePrice="2" accountId="U1"/>', trade()])
def test_a_single_row_is_a_fragment_too(row: str) -> None:
    (only_one,) = only(Trade, rows_of(row))
    assert only_one.account == "U1"
    assert only_one.statement is None


def test_positions_and_transfers_tell_sums_from_lots() -> None:
    def position(**stated: str) -> bool:
        (row,) = only(OpenPosition, rows_of(in_statement(element("OpenPosition", position="1", **stated))))
        return row.is_lot

    assert not position(levelOfDetail="SUMMARY", openDateTime="")
    assert position(levelOfDetail="LOT", openDateTime="20230103;093000")
    assert position(levelOfDetail="Lot")
    assert position(openDateTime="20230103;093000"), "without a level, by what only a lot has"
    assert not position(openDateTime="")
    whole, lot = only(Transfer, rows_of(in_statement('<Transfer type="FOP"/>', '<TransferLot type="FOP"/>')))
    assert (whole.is_lot, lot.is_lot) == (False, True)


@pytest.mark.parametrize(
    ("level", "detail"),
    [("Execution", "execution"), ("EXECUTION", "execution"), ("--", "execution"), ("Closed Lot", "lot")],
)
def test_a_level_of_detail_counts_in_every_spelling(level: str, detail: str) -> None:
    (row,) = trades_of([trade(levelOfDetail=level)])
    assert row.detail == detail


def test_of_two_columns_for_one_thing_the_one_that_says_something_counts() -> None:
    rows = trades_of(
        [
            trade(tradePrice="", price="4"),
            trade(tradePrice=" ", price="4"),
            trade(tradePrice="5", price="4"),
            trade(tradePrice="", price=""),
            trade(ibExecID="", execID="a.01"),
        ]
    )
    assert [row.price for row in rows[:4]] == [4, 4, 5, None]
    assert rows[4].exec_id == "a.01"
    assert rows[0].attributes["tradePrice"] == ""
    assert list(rows[0].attributes) == list(rows[0].names)


ROW_TYPES = sorted(ROWS)
ENVELOPES = {"FlexQueryResponse", "FlexStatement"}
values = st.sampled_from(
    [
        "",
        "--",
        "-",
        "MULTI",
        "0",
        "-1.5",
        "1,000",
        "20230113",
        "2023-01-13;093000",
        "13/01/2023",
        "U1",
        "A;P",
        "x",
    ]
)


@st.composite
def a_row(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from([one for one in ROW_TYPES if one not in ENVELOPES]))
    known = sorted({attribute for column in columns(ROWS[name]) for attribute in column.names} - {"quantity"})
    chosen = draw(st.lists(st.sampled_from(known), unique=True, max_size=8))
    return element(name, **{one: draw(values) for one in chosen}, quantity="1")


@given(st.lists(a_row(), max_size=6))
def test_whatever_a_query_leaves_out_or_says_oddly_the_rows_are_read(written: list[str]) -> None:
    reader = StatementReader(in_statement(*written).encode())
    rows = list(reader)
    assert len(rows) == len(written) + 2
    assert reader.census.unknown_elements == {}
    assert reader.census.unknown_attributes == {}
    for row in only(Owned, rows):
        assert row.account in {"U1", "", row.stated_account}
        assert "," not in row.account
        assert row.level == row.level.upper()


@given(st.permutations(["symbol", "quantity", "tradePrice", "dateTime", "notes", "conid", "cost"]))
def test_the_order_of_the_attributes_says_nothing(order: list[str]) -> None:
    stated = {
        "symbol": "AAPL",
        "quantity": "10",
        "tradePrice": "1.5",
        "dateTime": "20230113;093000",
        "notes": "P",
        "conid": "265598",
        "cost": "15",
    }
    same = {typed(row) for row in trades_of([element("Trade", **{name: stated[name] for name in order})])}
    assert same == {typed(row) for row in trades_of([element("Trade", **stated)])}


def windows(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def commented(text: str) -> bytes:
    return text.replace("<Trade ", "<!-- <Trade /> --><?note?><![CDATA[ ]]><Trade ").encode()


def pretty(text: str) -> bytes:
    return text.replace(" ", "\n\t").replace("<FlexQueryResponse", "\n\n<FlexQueryResponse").encode()


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "declared UTF-8": lambda text: (DECLARED.format("UTF-8") + text).encode(),
    "declared UTF-8 with a mark": lambda text: (DECLARED.format("utf-8") + text).encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "declared UTF-16": lambda text: (DECLARED.format("UTF-16") + text).encode("utf-16"),
    "ISO-8859-1": lambda text: (DECLARED.format("ISO-8859-1") + text).encode("latin-1"),
    "windows-1252": lambda text: (DECLARED.format("windows-1252") + text).encode("cp1252"),
    "Windows lines": windows,
    "comments": commented,
    "apostrophes": lambda text: text.replace('"', "'").encode(),
    "references": lambda text: text.replace("Nestlé", "Nestl&#233;").encode(),
    "pretty": pretty,
    "no space": lambda text: text.replace(" />", "/>").encode(),
    "end tags": lambda text: text.replace(" />", "></Trade>").encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_file_reads_the_same_however_it_is_spelled(spelling: str) -> None:
    text = in_statement(trade(symbol="Nestlé"), trade(quantity="-3", ibExecID="b"))
    rows = rows_of(BytesIO(SPELLINGS[spelling](text)))
    assert [typed(row) for row in rows] == [typed(row) for row in rows_of(text)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_recorded_file_reads_the_same_in_chunks_of_any_size(path: Path) -> None:
    class Dripping(BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(1009)

    whole = [(row.line, typed(row)) for row in rows_of(path)]
    assert [(row.line, typed(row)) for row in rows_of(Dripping(path.read_bytes()))] == whole


def test_what_stands_between_tags_is_whole_in_every_spelling() -> None:
    notes = [
        "<Note>a&amp;b</Note>",
        "<Note><![CDATA[a&b]]></Note>",
        "<Note>a<!-- -->&amp;<![CDATA[b]]></Note>",
    ]
    assert [row.text for row in only(Other, rows_of(in_statement(*notes)))] == ["a&b"] * 3


def test_a_day_of_an_option_in_any_format_is_a_day() -> None:
    for spelled in DAYS.values():
        (row,) = trades_of([trade(expiry=spelled, assetCategory="OPT")])
        assert row.expires_on == date(2023, 1, 13), spelled
        assert row.expiry == spelled


def test_empty_sections_and_sections_in_sections_are_passed_over() -> None:
    inside = (
        "<FxPositions><FxLots/></FxPositions><OptionEAE></OptionEAE><CashTransactions>\n</CashTransactions>"
    )
    reader = StatementReader(in_statement(inside).encode())
    assert len(list(reader)) == 2
    assert reader.census.unknown_elements == {}


def test_rows_of_two_kinds_under_one_section_are_each_what_they_are() -> None:
    rows = rows_of(in_statement("<A>", trade(), element("CashTransaction", amount="1"), trade(), "</A>"))
    assert [type(row) for row in rows[2:]] == [Trade, CashTransaction, Trade]
