"""Read a Flex statement row by row: memory stays the same however long the file is.

The parser is expat, of Python's standard library: fast enough, and no dependency. A document type declaration
is refused, and with it every entity of the file's own making.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, NoReturn, TypeAlias
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, errors

from services.statements.errors import (
    DeclarationError,
    FlexServiceError,
    NotAStatementError,
    NotXmlError,
    StatementError,
    TruncatedError,
    UnusableRowError,
)
from services.statements.rows import Other, Row, Statement
from services.statements.shapes import ROWS, RowBuilder, Shape, shape_of

Source: TypeAlias = Path | bytes | BinaryIO

CHUNK_BYTES: Final = 1 << 16
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


class Census:
    """How many rows a file held, and what of them was not understood (all of which stays in the rows)."""

    def __init__(self) -> None:
        self.shapes: dict[tuple[str, tuple[str, ...]], Shape] = {}
        self.texts: Counter[str] = Counter()
        self.unreadable: Counter[tuple[str, str]] = Counter()

    @property
    def rows(self) -> Counter[str]:
        """Rows by element."""
        found = Counter(self.texts)
        for shape in self.shapes.values():
            found[shape.element] += shape.count
        return found

    @property
    def unknown_elements(self) -> Counter[str]:
        """Rows of elements that nothing here knows."""
        return Counter({element: count for element, count in self.rows.items() if element not in ROWS})

    @property
    def unknown_attributes(self) -> Counter[tuple[str, str]]:
        """How often elements that are known had attributes that are not, by element and attribute."""
        found: Counter[tuple[str, str]] = Counter()
        for shape in self.shapes.values():
            for name in shape.unknown:
                found[shape.element, name] += shape.count
        return found


class StatementReader:
    """Iterate once to get the rows of a file in its order; ``census`` and ``bytes_read`` grow with it.

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
        self._parser = ParserCreate()
        self._builder = RowBuilder()
        self._rows: list[Row] = []
        self._statement: Statement | None = None
        self._enveloped = False
        self._root: str | None = None
        self._text: list[str] = []
        self._answer: dict[str, str] = {}

    def __iter__(self) -> Iterator[Row]:
        """The rows, one after the other."""
        parser = self._parser
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        source = self._source
        if isinstance(source, bytes):
            source = BytesIO(source)
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            ended = False
            while not ended:
                chunk = file.read(CHUNK_BYTES)
                ended = not chunk
                self.bytes_read += len(chunk)
                self._parse(chunk, last=ended)
                rows, self._rows = self._rows, []
                yield from rows
        if not self._enveloped and not self.census.rows:
            self._fail(NotAStatementError, "there is nothing of a Flex statement in it", line=None)

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(chunk, last)
        except ExpatError as error:
            if not self.bytes_read:
                raise NotXmlError(self.name, None, "the file is empty") from error
            reason = ErrorString(error.code) or "unknown"
            if last and reason in _ENDS_EARLY and (self._root or reason != errors.XML_ERROR_NO_ELEMENTS):
                raise TruncatedError(
                    self.name, error.lineno, "the file ends before the statement does; download it again"
                ) from error
            raise NotXmlError(self.name, error.lineno, f"this is not XML ({reason})") from error
        except (LookupError, ValueError) as error:
            if self._root is not None:
                raise  # encodings are looked up before the first element
            raise NotXmlError(self.name, None, f"its encoding cannot be read ({error})") from error

    def _start(self, element: str, flat: list[str]) -> None:
        if self._root is None:
            self._root = element
            if element.lower() == "html":
                self._fail(NotAStatementError, "this is a web page; save the statement itself as XML")
        if self._text:
            self._text.clear()
        if element in _ENVELOPES:
            self._enveloped = True
        if not flat:
            # A section, or one word of the service's answer.
            self._parser.CharacterDataHandler = self._text.append
            return
        self._parser.CharacterDataHandler = None
        if element not in {"FlexStatements", _SERVICE_ANSWER}:
            self._row(element, tuple(flat[::2]), flat[1::2])

    def _row(self, element: str, names: tuple[str, ...], values: list[str]) -> None:
        census = self.census
        key = (element, names)
        shape = census.shapes.get(key)
        if shape is None:
            shape = census.shapes[key] = shape_of(element, names)
        shape.count += 1
        line = self._parser.CurrentLineNumber
        row = self._builder.build(shape, line, self._statement, values)
        unreadable = self._builder.unreadable
        if unreadable:
            said = row.attributes
            census.unreadable.update((element, name) for name in shape.read if said[name] in unreadable)
            unreadable.clear()
        flaw = row.flaw
        if flaw is not None:
            self._fail(UnusableRowError, flaw, line)
        if isinstance(row, Statement):
            self._statement = row
        self._rows.append(row)

    def _end(self, element: str) -> None:
        self._parser.CharacterDataHandler = None
        if self._text:
            self._say(element, "".join(self._text).strip())
            self._text.clear()
        if element == "FlexStatement":
            self._statement = None
        elif element == _SERVICE_ANSWER:
            self._refuse()

    def _say(self, element: str, text: str) -> None:
        """Keep what stood between the tags of an element without attributes."""
        if not text:
            return
        if self._root == _SERVICE_ANSWER:
            self._answer[element] = text
            return
        self.census.texts[element] += 1
        self._rows.append(Other(element, self._parser.CurrentLineNumber, self._statement, (), [], text=text))

    def _refuse(self) -> NoReturn:
        """The service answers in XML, too, when it has no statement to give, or not yet."""
        answer = self._answer
        if answer.get("Status") == "Success":
            self._fail(NotAStatementError, "this is only the service's promise of a statement, by its number")
        code = answer.get("ErrorCode", "")
        raise FlexServiceError(
            self.name,
            self._parser.CurrentLineNumber,
            int(code) if code.isascii() and code.isdigit() else None,
            answer.get("ErrorMessage", ""),
        )

    def _doctype(self, root: str, *_: object) -> None:
        if root.lower() == "html":
            self._fail(NotAStatementError, "this is a web page; save the statement itself as XML")
        self._fail(
            DeclarationError, "it declares a document type, which could hide entities; no statement does"
        )

    def _fail(self, kind: type[StatementError], reason: str, line: int | None = -1) -> NoReturn:
        raise kind(self.name, self._parser.CurrentLineNumber if line == -1 else line, reason)


def _name_of(source: Source) -> str:
    if isinstance(source, Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the statement"
