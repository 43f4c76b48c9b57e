"""What is refused, each with its line and its reason, and nothing of it taken for whole."""

import gzip
import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.statements.errors import (
    DeclarationError,
    ExcessiveError,
    FlexServiceError,
    NotAStatementError,
    NotXmlError,
    StatementError,
    TruncatedError,
    UnusableRowError,
)
from services.statements.read import MOST_DEPTH, MOST_PIECE, StatementReader
from services.statements.rows import Query, Statement
from tests.services.statements.statements import (
    FILES,
    element,
    failure,
    in_statement,
    rows_of,
    trade,
    trades_of,
)


@pytest.mark.parametrize(
    "source", ["Date,Symbol,Quantity\n2023-01-03,AAPL,10\n", "<a><b></a>", "{}", "PK\x03"]
)
def test_what_is_not_xml_is_refused_with_its_line(source: str) -> None:
    error = failure(source)
    assert type(error) is NotXmlError
    assert error.line == 1


def test_an_empty_file_is_refused() -> None:
    assert "empty" in failure(b"").reason


def test_a_file_in_no_known_encoding_is_refused() -> None:
    source = b'<?xml version="1.0" encoding="klingon"?><FlexQueryResponse queryName="q" type="AF" />'
    assert type(failure(source)) is NotXmlError


@pytest.mark.parametrize("left", [30, 200, 400, 700])
def test_a_file_that_ends_early_is_refused_wherever_it_ends(left: int) -> None:
    error = failure(in_statement(trade(), trade())[:left])
    assert type(error) is TruncatedError
    assert error.line == 1
    assert "download it again" in str(error)


def test_what_came_before_the_end_was_given_out_and_the_end_is_an_error() -> None:
    lines = "\n".join([trade()] * 3)
    reader = StatementReader(BytesIO(in_statement(lines).encode()[:-20]), "may.xml")
    with pytest.raises(TruncatedError) as caught:
        list(reader)
    assert caught.value.line == 3


def test_a_bomb_of_entities_is_refused_at_its_declaration() -> None:
    lol = "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
    bomb = (
        f'<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY lol0 "lol">{lol}]>\n<lolz a="&lol9;">&lol9;</lolz>'
    )
    error = failure(bomb)
    assert type(error) is DeclarationError
    assert error.line == 2


def test_an_entity_from_elsewhere_is_refused() -> None:
    xxe = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a b="c"/>'
    assert type(failure(xxe)) is DeclarationError


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html><body/></html>", '<html lang="en"><body/></html>'])
def test_a_login_page_is_refused_as_what_it_is(page: str) -> None:
    error = failure(page)
    assert type(error) is NotAStatementError
    assert "web page" in error.reason


def test_xml_without_a_single_row_is_no_statement() -> None:
    assert type(failure("<note><to/></note>")) is NotAStatementError


def test_a_statement_without_any_trades_is_one_all_the_same() -> None:
    assert [type(row) for row in rows_of(in_statement("<Trades></Trades>", "<OpenPositions/>"))] == [
        Query,
        Statement,
    ]


SERVICE = "<FlexStatementResponse timestamp='28 August, 2012 10:37 AM EDT'>\n{}\n</FlexStatementResponse>"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1019, "Statement generation in progress. Please try again shortly."),
        (1012, "Token has expired."),
        (1015, "Token is invalid."),
        (1018, "Too many requests have been made from this token."),
    ],
)
def test_an_answer_that_there_is_no_statement_carries_the_service_s_code(code: int, message: str) -> None:
    said = f"<Status>Fail</Status><ErrorCode>{code}</ErrorCode><ErrorMessage>{message}</ErrorMessage>"
    error = failure(SERVICE.format(said))
    assert isinstance(error, FlexServiceError)
    assert error.flex_code == code
    assert message in str(error)
    assert error.line == 3


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("<Status>Warn</Status><ErrorCode>1019</ErrorCode>", 1019),
        ("<Status>Fail</Status><ErrorCode>soon</ErrorCode>", None),
        ("<status>Fail</status><errorCode>1015</errorCode>", 1015),
        ("", None),
    ],
)
def test_an_answer_of_another_make_is_the_service_s_too(said: str, code: int | None) -> None:
    error = failure(SERVICE.format(said))
    assert isinstance(error, FlexServiceError)
    assert error.flex_code == code
    assert "no reason" in str(error)


def test_a_promise_of_a_statement_is_no_statement() -> None:
    said = "<Status>Success</Status><ReferenceCode>123</ReferenceCode><Url>https://example.com</Url>"
    error = failure(SERVICE.format(said))
    assert type(error) is NotAStatementError


def test_a_trade_with_neither_price_nor_quantity_is_refused_with_its_line() -> None:
    error = failure(in_statement("\n", trade(), "\n", trade(quantity="", tradePrice="--")))
    assert type(error) is UnusableRowError
    assert error.line == 3
    assert "neither a price nor a quantity" in error.reason
    rows_of(in_statement(trade(quantity="", tradePrice="", levelOfDetail="ASSET_SUMMARY")))


@pytest.mark.parametrize("name", ["Trade", "TradeConfirm"])
def test_a_trade_that_says_nothing_at_all_is_no_section(name: str) -> None:
    error = failure(in_statement(f"\n<Trades><{name}/></Trades>"))
    assert type(error) is UnusableRowError
    assert error.line == 2
    spelled_out = f"<{name}><quantity>1</quantity></{name}>"
    assert type(failure(in_statement(spelled_out))) is UnusableRowError


def cut(source: bytes, at: int) -> None:
    """Whatever is left of ``source`` after ``at`` bytes is refused, and whatever was given out was whole."""
    whole = [row.attributes for row in StatementReader(source)]
    reader = StatementReader(BytesIO(source[:at]), "may.xml")
    given_out = []
    with pytest.raises(StatementError) as caught:
        given_out.extend(row.attributes for row in reader)
    assert given_out == whole[: len(given_out)]
    assert (caught.value.line is None) == (at == 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_recorded_file_is_refused_wherever_it_is_cut(path: Path) -> None:
    source = path.read_bytes().rstrip()
    for at in range(0, len(source), max(1, len(source) // 97)):
        cut(source, at)


SMALL = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n<!-- é -->\r\n'
    + in_statement("<Trades>", trade(description="Nestlé & Söhne"), "</Trades><Note><![CDATA[a<b]]></Note>")
).encode()


@given(st.integers(0, len(SMALL) - 1))
def test_a_file_is_refused_at_whichever_byte_it_is_cut(at: int) -> None:
    cut(SMALL, at)


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_a_damaged_byte_is_read_or_refused_and_nothing_else(at: int, byte: int) -> None:
    damaged = bytearray(SMALL)
    damaged[at] = byte
    try:
        rows_of(BytesIO(bytes(damaged)))
    except StatementError as error:
        assert error.reason  # noqa: PT017 - either is right


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    failure(noise)


@pytest.mark.parametrize("where", ["<Trades>\0</Trades>", '<Trade symbol="A\0B"/>', "\0\0\0"])
def test_zero_bytes_are_refused(where: str) -> None:
    assert type(failure(in_statement("\n", where))) is NotXmlError


def test_a_file_that_was_padded_with_zero_bytes_is_refused() -> None:
    error = failure(in_statement(trade()).encode() + b"\n" + b"\0" * 4096)
    assert type(error) is NotXmlError
    assert error.line == 2


def test_an_attribute_that_is_there_twice_is_refused() -> None:
    error = failure(in_statement("\n\n", '<Trade quantity="1" quantity="2" tradePrice="1" />'))
    assert type(error) is NotXmlError
    assert error.line == 3
    assert "duplicate" in error.reason


def test_two_files_in_one_are_refused() -> None:
    whole = in_statement(trade())
    error = failure(f"{whole}\n{whole}")
    assert type(error) is NotXmlError
    assert error.line == 2


def test_a_packed_file_is_refused() -> None:
    assert type(failure(gzip.compress(in_statement(trade()).encode()))) is NotXmlError


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_letters_that_are_not_of_the_declared_encoding_are_refused(encoding: str) -> None:
    source = '<?xml version="1.0" encoding="utf-8"?>\n' + in_statement(trade(description="Nestlé"))
    error = failure(source.encode(encoding))
    assert type(error) is NotXmlError
    assert error.line == 2


def test_a_file_that_declares_another_encoding_than_it_has_is_refused() -> None:
    source = '<?xml version="1.0" encoding="utf-16"?>\n' + in_statement(trade())
    assert "encoding" in failure(source.encode()).reason


def test_elements_may_be_nested_only_so_deep() -> None:
    deepest = MOST_DEPTH - in_statement().count("<Flex")
    rows_of(in_statement("<a>" * deepest + "</a>" * deepest))
    error = failure(in_statement("\n", "<a>" * (deepest + 1)))
    assert type(error) is ExcessiveError
    assert error.line == 2


class Endless(BytesIO):
    """A file that goes on and on after its beginning; ``given`` is how much of it was read."""

    def __init__(self, beginning: str, on_and_on: str) -> None:
        super().__init__()
        self.given = 0
        self._next = beginning.encode()
        self._on_and_on = on_and_on.encode()

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        part, self._next = self._next, (self._on_and_on * (size // len(self._on_and_on)))
        self.given += len(part)
        return part


OPEN = in_statement("|").split("|")[0]


@pytest.mark.parametrize(
    ("beginning", "on_and_on"),
    [
        (f'{OPEN}<Trade quantity="', "9"),
        (f"{OPEN}<", "a"),
        (f"{OPEN}<Trade ", 'quantity="1" '),
        (f"{OPEN}<!-- ", "so it goes "),
        (f"{OPEN}<?note ", "so it goes "),
        (f"{OPEN}<Note>", "so it goes "),
        (f"{OPEN}<Note><![CDATA[", "so it goes "),
        (f"{OPEN}<Note>", "&#65;"),
        (OPEN, "<a>"),
        ("<", "a"),
    ],
)
def test_what_has_no_end_is_refused_before_it_fills_the_memory(beginning: str, on_and_on: str) -> None:
    file = Endless(beginning, on_and_on)
    tracemalloc.start()
    with pytest.raises(ExcessiveError):
        list(StatementReader(file, "may.xml"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.given < 8 * MOST_PIECE
    assert most < 10 * MOST_PIECE


def test_a_long_value_is_read_to_its_end() -> None:
    (row,) = trades_of([trade(description="x" * (MOST_PIECE // 2))])
    assert len(row.description) == MOST_PIECE // 2


def test_rows_that_are_each_of_another_shape_are_counted_in_bounded_memory() -> None:
    rows = [element("Trade", **{f"news{number}": "1", "quantity": "1"}) for number in range(2_000)]
    reader = StatementReader(in_statement(*rows).encode())
    assert len(list(reader)) == 2_002
    assert reader.census.rows["Trade"] == 2_000
    assert len(reader.census.unknown_attributes) == 2_000
    assert len(reader.census.shapes) < 1_000
