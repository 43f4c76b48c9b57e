"""Rows that are spelled like one before: read without a parser, which looks at each character several times.

A Flex query writes the rows of a section all alike: the same names in the same order with the same spaces.
Once the parser has read such a tag, the next one that differs from it in nothing but the texts between its
quotes can only mean the same, unless one of these texts has to be unescaped, decoded or refused. All others
are the parser's.
"""

from typing import Final, NamedTuple

from services.statements.shapes import Shape

SPACE: Final = " \t\r\n"
"""White space, as XML has it."""
MOST_SPELLINGS: Final = 512
_PLAIN: Final = bytes(range(ord(" "), 0x7F)) + b"\n"


class Tag(NamedTuple):
    """An empty element: its shape, the lines that end before it, its values, and the place behind it."""

    shape: Shape
    lines: int
    values: list[str]
    end: int


class Spellings:
    """How the empty elements of one file were spelled that the parser has read."""

    def __init__(self) -> None:
        # By the tag up to its first value, and how many pieces it has.
        self._known: dict[tuple[str, int], tuple[list[str], Shape]] = {}

    def knows(self, text: str, shape: Shape, values: list[str]) -> bool:
        """Whether ``text``, which the parser has read as one row of this shape, is spelled like others.

        It is remembered if its texts are spelled as they were read.
        """
        tag = text.strip(SPACE)[:-2]
        pieces = tag.split('"')
        between, key = pieces[::2], (pieces[0], len(pieces))
        known = self._known.get(key)
        if known is not None and known[0] == between and known[1] is shape:
            return True
        if tag.rfind("<") != 0 or pieces[1::2] != values:
            return False
        if len(self._known) >= MOST_SPELLINGS:
            self.forget()
        self._known[key] = between, shape
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._known.clear()

    def read(self, text: str, place: int, *, plain: bool) -> Tag | None:
        """The element at ``place``, if it is one that is spelled like one before, and all there.

        With ``plain`` the whole text is known to be as ``is_plain`` says.
        """
        end = text.find("/>", place)
        start = text.find("<", place, end) if end > 0 else -1
        if start < 0:
            return None
        tag = text[start:end]
        if tag.rfind("<") or "&" in tag or "\n" in tag:
            return None
        if not (plain or (tag.isascii() and tag.isprintable())):
            return None
        gap = text[place:start]
        if gap != "\n" and gap.strip(SPACE):
            return None
        pieces = tag.split('"')
        known = self._known.get((pieces[0], len(pieces)))
        if known is None or known[0] != pieces[::2]:
            return None
        return Tag(known[1], 1 if gap == "\n" else _lines(gap), pieces[1::2], end + 2)


def is_plain(content: bytes) -> bool:
    """Whether nothing in it is beyond printed ASCII and line feeds."""
    return not content.translate(None, _PLAIN)


def _lines(gap: str) -> int:
    return gap.count("\n") + gap.count("\r") - gap.count("\r\n")
