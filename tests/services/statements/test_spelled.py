"""Rows that are spelled like one before are read as the parser would read them, and refused as it would."""

import pytest

from services.statements import read
from services.statements.errors import StatementError
from services.statements.read import StatementReader

HEAD = (
    '<FlexQueryResponse queryName="q">\n<FlexStatements count="1">\n'
    '<FlexStatement accountId="U1">\n<Trades>\n'
)
TAIL = "</Trades>\n</FlexStatement>\n</FlexStatements>\n</FlexQueryResponse>\n"


def _trade(number: int, text: str = "x", between: str = " ", quote: str = '"') -> str:
    said = {"accountId": "U1", "tradeID": str(number), "description": text, "quantity": "1"}
    return f"<Trade {between.join(f'{name}={quote}{one}{quote}' for name, one in said.items())} />"


def _told(content: bytes) -> tuple[list[object], str, object]:
    """All that reading comes to: rows and where they stand, what is wrong, what was counted."""
    rows: list[object] = []
    reader = StatementReader(content, "f")
    try:
        rows.extend((row.element, row.line, row.attributes, getattr(row, "text", "")) for row in reader)
    except StatementError as error:
        return rows, f"{type(error).__name__} {error}", None
    census = reader.census
    return rows, "", (dict(census.rows), dict(census.unreadable), reader.sections)


def _is_the_same(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, error, counted = _told(content)
    with monkeypatch.context() as patched:
        patched.setattr(read, "_MOST_APART", 0)
        by_parser, error_by_parser, counted_by_parser = _told(content)
    assert error == error_by_parser
    assert counted == counted_by_parser
    # How many are given out before a fault is met is up to what was read at once.
    both = len(by_parser) if not error else min(len(rows), len(by_parser))
    assert rows[:both] == by_parser[:both]
    assert error or len(rows) == both


SPELLED = {
    "alike": [_trade(n) for n in range(9)],
    "an entity": [_trade(n, "a &amp; b" if n % 3 == 1 else "x") for n in range(9)],
    "an unknown entity": [*(_trade(n) for n in range(5)), _trade(5, "&what;")],
    "beyond ASCII": [_trade(n, "Müller" if n % 2 else "x") for n in range(9)],
    "a line in a text": [_trade(n, "a\nb" if n == 4 else "x") for n in range(9)],
    "a tab in a text": [_trade(n, "a\tb" if n == 4 else "x") for n in range(9)],
    "a return in a text": [_trade(n, "a\rb" if n == 4 else "x") for n in range(9)],
    "the end of a tag in a text": [_trade(n, "a/>b" if n % 4 == 3 else "x") for n in range(9)],
    "a tag in a text": [*(_trade(n) for n in range(5)), _trade(5, "<Trade a='1'/>")],
    "a character of no XML": [*(_trade(n) for n in range(5)), _trade(5, "a\x01b")],
    "other spaces": [_trade(n, between="\n  " if n % 2 else " ") for n in range(9)],
    "other quotes": [_trade(n, quote="'" if n == 4 else '"') for n in range(9)],
    "more shapes than are remembered": [
        one for n in range(1100) for one in (_trade(n), f'<Lot accountId="U1" a{n % 550}="1"/>')
    ],
    "a comment": [*(_trade(n) for n in range(4)), f"<!-- {_trade(4)}\n{_trade(5)} -->", _trade(6)],
    "sections of text": [*(_trade(n) for n in range(4)), f"<![CDATA[{_trade(4)}\n{_trade(5)}]]>", _trade(6)],
    "an instruction": [*(_trade(n) for n in range(4)), f"<?x {_trade(4)}{_trade(5)}?>", _trade(6)],
    "text between": [*(_trade(n) for n in range(4)), f"text {_trade(4)}", _trade(5), _trade(6)],
    "not ended at once": [*(_trade(n) for n in range(4)), _trade(4)[:-2] + "></Trade>", _trade(5)],
    "never ended": [*(_trade(n) for n in range(4)), _trade(4)[:-2] + ">", _trade(5)],
    "a quote too many": [*(_trade(n) for n in range(4)), _trade(4, 'x" y="z" "'), _trade(5)],
    "twice the same name": [*(_trade(n) for n in range(4)), _trade(4, 'x" tradeID="9'), _trade(5)],
    "two kinds": [_trade(n) if n % 2 else f'<Lot accountId="U1" quantity="{n}"/>' for n in range(9)],
    "a figure that is none": [_trade(n).replace('"1"', '"one"') if n > 3 else _trade(n) for n in range(9)],
    "another statement": [
        *(_trade(n) for n in range(4)),
        '</Trades></FlexStatement><FlexStatement accountId="U2"><Trades>',
        *(_trade(n) for n in range(4)),
    ],
    "empty statements": [
        '</Trades></FlexStatement><FlexStatement accountId="U2"/><FlexStatement accountId="U3"/>'
    ],
}


@pytest.mark.parametrize("chunk_bytes", [1 << 16, 251, 64])
@pytest.mark.parametrize("lines_end", ["\n", "\r\n", "\r", ""])
@pytest.mark.parametrize("name", SPELLED)
def test_what_repeats_a_row_is_read_as_by_the_parser(
    name: str, lines_end: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (HEAD + "".join(one + lines_end for one in SPELLED[name]) + TAIL).encode()
    monkeypatch.setattr(read, "CHUNK_BYTES", chunk_bytes)
    for one in (content, content[:-300], content.replace(b"</Trades>", b"</Trade>")):
        _is_the_same(one, monkeypatch)


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "cp037"])
def test_other_encodings_are_read_as_by_the_parser(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "\n".join(_trade(n, "Müller" if n % 3 == 0 else "x") for n in range(9))
    content = f'<?xml version="1.0" encoding="{encoding}"?>{HEAD}{rows}{TAIL}'.encode(encoding)
    _is_the_same(content, monkeypatch)


def test_the_parser_sees_few_of_many_rows_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    start = StatementReader._start

    def counted(self: StatementReader, element: str, flat: list[str]) -> None:
        seen.append(element)
        start(self, element, flat)

    monkeypatch.setattr(StatementReader, "_start", counted)
    rows = list(StatementReader((HEAD + "\n".join(map(_trade, range(5000))) + TAIL).encode()))
    assert len(rows) == 5002
    assert seen.count("Trade") < 5
    assert [row.attributes["tradeID"] for row in rows[2:]] == [str(n) for n in range(5000)]
    assert [row.line for row in rows[2:]] == list(range(5, 5005))
