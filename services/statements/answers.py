"""What the Flex Web Service answers, read as it comes: a statement, the promise of one, or a refusal."""

from typing import Final, NamedTuple, NoReturn, TypeAlias
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from services.statements.flex_errors import FlexAnswerError, FlexUnreachableError

_STATEMENT: Final = "FlexQueryResponse"
_ABOUT_IT: Final = "FlexStatementResponse"
_MOST_TEXT: Final = 4096


class Complete(NamedTuple):
    """A whole statement, well-formed to its end."""


class Promise(NamedTuple):
    """A statement is being made; ``url`` is where the service says to get it, ``""`` if nowhere."""

    reference: str
    url: str


class Refusal(NamedTuple):
    """There is none, or not yet."""

    code: int | None
    message: str


Answer: TypeAlias = Complete | Promise | Refusal


class AnswerReader:
    """Takes an answer in, piece by piece, in constant memory.

    Well-formedness is looked at here so that a body that was cut off is never called a statement; the rows
    are the importer's affair.
    """

    def __init__(self) -> None:
        self._parser = ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._root = ""
        self._words: dict[str, str] = {}
        self._element = ""
        self._length = 0

    def feed(self, piece: bytes) -> None:
        """Take in what came.

        Raises:
            FlexAnswerError: it is neither XML nor anything of Flex.
        """
        self._parse(piece, last=False)

    def end(self) -> Answer:
        """What it was.

        Raises:
            FlexUnreachableError: it broke off.
            FlexAnswerError: it is nothing of Flex, or says nothing.
        """
        self._parse(b"", last=True)
        if self._root == _STATEMENT:
            return Complete()
        said = {name.lower(): text.strip() for name, text in self._words.items()}
        if said.get("status", "").lower() == "success":
            if not said.get("referencecode"):
                raise FlexAnswerError("The Flex service promised a statement without saying which one.")
            return Promise(said["referencecode"], said.get("url", ""))
        code = said.get("errorcode", "")
        return Refusal(int(code) if code.isascii() and code.isdigit() else None, said.get("errormessage", ""))

    def _parse(self, piece: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(piece, last)
        except ExpatError as error:
            reason, line = ErrorString(error.code) or "unknown", error.lineno
        except (LookupError, ValueError) as error:
            reason, line = f"its encoding cannot be read: {error}", 1
        else:
            return
        if last and self._root:
            raise FlexUnreachableError("The Flex service broke off in the middle of its answer.")
        if self._root:
            raise FlexAnswerError(f"What the Flex service sent is damaged in line {line}: {reason}.")
        raise FlexAnswerError(
            f"What the Flex service sent is not XML ({reason}). If the query's format is CSV or text, set it "
            "to XML in Client Portal → Performance & Reports → Flex Queries."
        )

    def _start(self, element: str, _: object) -> None:
        if not self._root:
            self._root = element
            if element == _STATEMENT:
                # Nothing else has to be told of it, and expat is fastest when it is asked nothing.
                self._parser.StartElementHandler = None
                return
            if element != _ABOUT_IT:
                self._stranger(element)
            self._parser.CharacterDataHandler = self._text
        self._element = element

    def _text(self, text: str) -> None:
        self._length += len(text)
        if self._length > _MOST_TEXT:
            raise FlexAnswerError("The Flex service's refusal is too long to be one.")
        self._words[self._element] = self._words.get(self._element, "") + text

    def _doctype(self, root: str, *_: object) -> None:
        self._stranger(root, " with a document type")

    def _stranger(self, element: str, more: str = "") -> NoReturn:
        if element.lower() == "html":
            raise FlexAnswerError(
                "The Flex service answered with a web page instead of a statement. It may be down for "
                "maintenance, or something between here and there asks for a login."
            )
        raise FlexAnswerError(f"What the Flex service sent is no statement, but <{element[:80]}>{more}.")
