"""Read a Flex statement row by row: memory stays the same however long the file is.

The parser is expat, of Python's standard library: fast enough, and no dependency. What repeats a row that it
has read is spared it, see ``spelled``. A document type declaration is refused, and with it every entity of
the file's own making; so are depths and lengths of no statement.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, Final, NoReturn, TypeAlias
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, errors

from services.statements.census import Census
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
from services.statements.rows import Other, Row, Statement
from services.statements.shapes import RowBuilder, Shape
from services.statements.slashes import days_come_first
from services.statements.spelled import Spellings, is_plain
from services.statements.values import Calendar, read_whole

Source: TypeAlias = Path | bytes | IO[bytes] | BufferedIOBase

CHUNK_BYTES: Final = 1 << 16
MOST_DEPTH: Final = 64
"""How deep elements may be nested; a statement has half a dozen levels."""
MOST_PIECE: Final = 1 << 20
"""How many bytes one tag, comment or text may have; the largest tags of statements have 20,000."""
_MOST_APART: Final = 64
"""How many elements of a chunk are handed to the parser one by one, for others to be known by them."""
_TRADES: Final = frozenset({"Trade", "TradeConfirm"})
_ENVELOPES: Final = frozenset({"FlexQueryResponse", "FlexStatements", "FlexStatement"})
_SERVICE_ANSWER: Final = "FlexStatementResponse"
_ENDS_EARLY: Final = frozenset(
    {
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_UNCLOSED_TOKEN,
        errors.XML_ERROR_PARTIAL_CHAR,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    }
)


class StatementReader:
    """Iterate once to get the rows of a file in its order; ``census`` and ``bytes_read`` grow with it.

    ``sections`` has, for each statement in its order, the names of the sections found so far, empty ones too:
    that a query asked for trades and there were none is said by nothing else.

    ``source`` is a path, the bytes themselves or a file opened in binary mode, which stays open. ``name`` is
    what errors call it. Each row is given out as soon as it is read: a fault further on is raised only when
    the reading comes to it, so nothing may be kept of a file before its end.

    Raises:
        StatementError: while iterating; the subclass says what is wrong, the text where and why.
        OSError: the file cannot be opened or read.
    """

    def __init__(self, source: Source, name: str | None = None) -> None:
        self._source = source
        self.name = name or _name_of(source)
        self.census = Census()
        self.bytes_read = 0
        self.sections: list[set[str]] = []
        self._parser = ParserCreate()
        self._calendar = Calendar(self._days_come_first)
        self._builder = RowBuilder(self._calendar)
        self._rows: list[Row] = []
        self._statement: Statement | None = None
        self._enveloped = False
        self._root: str | None = None
        self._depth = 0
        self._text: list[str] = []
        self._listening = False
        self._answer: dict[str, str] = {}
        self._began = 0
        self._spellings = Spellings()
        self._held = b""
        self._fed_bytes = 0
        self._spared_lines = 0
        self._is_behind_row = False
        self._parsed: list[tuple[Shape, list[str]]] = []

    def __iter__(self) -> Iterator[Row]:
        """The rows, one after the other."""
        parser = self._parser
        parser.ordered_attributes = True
        parser.buffer_text = True  # pieces of text are few, however they are spelled
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        source = self._source
        if isinstance(source, bytes):
            source = BytesIO(source)
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            if file.seekable():
                self._began = file.tell()
            ended = False
            while not ended:
                chunk = file.read(CHUNK_BYTES)
                ended = not chunk
                self.bytes_read += len(chunk)
                self._take(chunk, last=ended)
                rows, self._rows = self._rows, []
                yield from rows
        if not self._enveloped and not self.census.rows:
            self._fail(NotAStatementError, "there is nothing of a Flex statement in it", line=None)
        self.census.month_first_assumed = self._calendar.month_first_assumed

    def _days_come_first(self) -> bool | None:
        """Look through the whole file for a date that tells; what cannot be read twice tells nothing."""
        source = self._source
        if isinstance(source, bytes):
            return days_come_first([source])
        if isinstance(source, Path):
            with source.open("rb") as file:
                return days_come_first(iter(partial(file.read, CHUNK_BYTES), b""))
        if not source.seekable():
            return None
        here = source.tell()
        source.seek(self._began)
        told = days_come_first(iter(partial(source.read, CHUNK_BYTES), b""))
        source.seek(here)
        return told

    def _take(self, chunk: bytes, *, last: bool) -> None:
        """Read on: what repeats a row without the parser, as long as it stands right behind one."""
        content, self._held = self._held + chunk, b""
        text, plain = content.decode("latin-1"), is_plain(content)
        place = 0
        for _ in range(_MOST_APART):
            if self._is_behind_row:
                place = self._repeat(text, place, plain=plain)
            end = text.find("/>", place) + 2
            if end < len("/>"):
                break
            self._is_behind_row = self._parse_one(content[place:end], text[place:end])
            place = end
        rest = content[place:]
        if last or not self._is_behind_row or b"/>" in rest or len(rest) > MOST_PIECE:
            self._is_behind_row = False
            self._parse(rest, last=last)
            self._parsed.clear()
        else:
            self._held = rest

    def _repeat(self, text: str, place: int, *, plain: bool) -> int:
        """Read the rows that repeat others; returns the place behind the last one."""
        read = self._spellings.read
        while (tag := read(text, place, plain=plain)) is not None:
            self._spared_lines += tag.lines
            self._row(tag.shape, tag.values)
            place = tag.end
        return place

    def _parse_one(self, content: bytes, text: str) -> bool:
        """Parse what ends like an empty element; whether it was just that, and is spelled like others."""
        depth = self._depth
        self._parsed.clear()
        self._parse(content, last=False)
        if self._depth != depth or len(self._parsed) != 1:
            return False
        shape, values = self._parsed[0]
        return self._spellings.knows(text, shape, values[: len(shape.names)])

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber + self._spared_lines

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        self._fed_bytes += len(chunk)
        try:
            self._parser.Parse(chunk, last)
        except ExpatError as error:
            line = self._spared_lines + error.lineno
            if not self.bytes_read:
                raise NotXmlError(self.name, None, "the file is empty") from error
            reason = ErrorString(error.code) or "unknown"
            if last and reason in _ENDS_EARLY and (self._root or reason != errors.XML_ERROR_NO_ELEMENTS):
                raise TruncatedError(
                    self.name, line, "the file ends before the statement does; download it again"
                ) from error
            raise NotXmlError(self.name, line, f"this is not XML ({reason})") from error
        except (LookupError, ValueError) as error:
            if self._root is not None:
                raise  # encodings are looked up before the first element
            raise NotXmlError(self.name, None, f"its encoding cannot be read ({error})") from error
        self._bound()

    def _bound(self) -> None:
        """Refuse a piece without end: expat keeps what is not complete, and scans it again and again."""
        pending = self._fed_bytes - self._parser.CurrentByteIndex
        if pending > MOST_PIECE + CHUNK_BYTES or sum(map(len, self._text)) > MOST_PIECE:
            self._fail(
                ExcessiveError, f"a piece of it is longer than {MOST_PIECE:,} bytes, as none of a statement"
            )

    def _start(self, element: str, flat: list[str]) -> None:
        if self._root is None:
            self._root = element
            if element.lower() == "html":
                self._fail(NotAStatementError, "this is a web page; save the statement itself as XML")
        self._depth += 1
        if self._depth > MOST_DEPTH:
            self._fail(ExcessiveError, f"elements are nested deeper than {MOST_DEPTH}; no statement's are")
        if self._text:
            self._text.clear()
        if element in _ENVELOPES:
            self._enveloped = True
        if not flat and element not in _TRADES:
            # A section, or one word of the service's answer.
            self._section(element)
            self._listen(self._text.append)
            return
        if self._listening:
            self._listen(None)
        if element == "FlexStatements":
            announced = dict(zip(flat[::2], flat[1::2], strict=True))
            self.census.statements_announced = read_whole(announced.get("count", ""))
        elif element != _SERVICE_ANSWER:
            self._parsed_row(element, tuple(flat[::2]), flat[1::2])

    def _section(self, element: str) -> None:
        if self._statement is not None:
            self.sections[-1].add(element)

    def _parsed_row(self, element: str, names: tuple[str, ...], values: list[str]) -> None:
        census = self.census
        shape = census.shapes.get((element, names))
        if shape is None:
            shape = census.shape(element, names)
            if len(census.shapes) == 1:
                self._spellings.forget()  # of shapes that count no more
        if element not in _ENVELOPES:
            self._parsed.append((shape, values))
        self._row(shape, values)

    def _row(self, shape: Shape, values: list[str]) -> None:
        shape.count += 1
        line = self._line
        row = self._builder.build(shape, line, self._statement, values)
        unreadable = self._builder.unreadable
        if unreadable:
            said = row.attributes
            self.census.unreadable.update(
                (shape.element, name) for name in shape.read if said[name] in unreadable
            )
            unreadable.clear()
        flaw = row.flaw
        if flaw is not None:
            self._fail(UnusableRowError, flaw, line)
        if isinstance(row, Statement):
            self._statement = row
            self.sections.append(set())
        self._rows.append(row)

    def _end(self, element: str) -> None:
        self._depth -= 1
        if self._listening:
            self._listen(None)
        if self._text:
            self._say(element, "".join(self._text).strip())
            self._text.clear()
        if element == "FlexStatement":
            self._statement = None
        elif element == _SERVICE_ANSWER:
            self._refuse()

    def _listen(self, hear: Callable[[str], None] | None) -> None:
        self._listening = hear is not None
        self._parser.CharacterDataHandler = hear

    def _say(self, element: str, text: str) -> None:
        """Keep what stood between the tags of an element without attributes."""
        if not text:
            return
        if self._root == _SERVICE_ANSWER:
            self._answer[element.lower()] = text
            return
        self.census.texts[element] += 1
        self._rows.append(Other(element, self._line, self._statement, (), [], text=text))

    def _refuse(self) -> NoReturn:
        """The service answers in XML, too, when it has no statement to give, or not yet."""
        answer = self._answer
        if answer.get("status", "").lower() == "success":
            self._fail(NotAStatementError, "this is only the service's promise of a statement, by its number")
        raise FlexServiceError(
            self.name,
            self._line,
            read_whole(answer.get("errorcode", "")),
            answer.get("errormessage", ""),
        )

    def _doctype(self, root: str, *_: object) -> None:
        if root.lower() == "html":
            self._fail(NotAStatementError, "this is a web page; save the statement itself as XML")
        self._fail(
            DeclarationError, "it declares a document type, which could hide entities; no statement does"
        )

    def _fail(self, kind: type[StatementError], reason: str, line: int | None = -1) -> NoReturn:
        raise kind(self.name, self._line if line == -1 else line, reason)


def _name_of(source: Source) -> str:
    if isinstance(source, Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the statement"
