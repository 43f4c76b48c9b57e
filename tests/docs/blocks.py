"""Every fenced block of the pages, and the lines of a shell in it."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "client" / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PROMPT = re.compile(r"^[$#] ", re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
BETWEEN = {"|", "||", "&&", ";", "&"}


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: str
    line: int
    """Of the opening fence, from 1."""
    language: str
    """Whatever stands behind the fence; empty: nothing."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One program of a line, as a shell takes it apart."""

    settings: tuple[str, ...]
    """Variables that are set for it, ``NAME=value``."""
    words: tuple[str, ...]
    """The program and its arguments; empty: only variables are set."""


def _tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def blocks_of(path: Path, root: Path = ROOT) -> list[Block]:
    """Also those within lists and quotations, and those that are only indented, which have no language."""
    return [
        Block(str(path.relative_to(root)), token.map[0] + 1, token.info.strip(), token.content)
        for token in _tokens(path)
        if token.type in {"fence", "code_block"} and token.map
    ]


def inline_code_of(path: Path) -> Iterator[str]:
    """What stands between single backticks, on one line each."""
    for token in _tokens(path):
        for child in token.children or ():
            if child.type == "code_inline":
                yield " ".join(child.content.split())


def shell_of(block: Block) -> str:
    """The block as a shell would be given it: of ``console`` only what is typed, without its prompt."""
    if block.language != "console":
        return block.text
    lines = block.text.splitlines()
    return "".join(f"{PROMPT.sub('', line)}\n" for line in lines if PROMPT.match(line))


def shell_lines(text: str) -> list[str]:
    """Its lines, continued ones as one, without empty ones and comments."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def commands_of(line: str) -> list[Command]:
    """The programs of a line, whatever is between them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in BETWEEN:
            found.append([])
        else:
            found[-1].append(word)
    return [_command(words) for words in found]


def _command(words: list[str]) -> Command:
    if words and words[0] == "export":
        return Command(tuple(words[1:]), ())
    settings = []
    while words and ASSIGNMENT.match(words[0]):
        settings.append(words.pop(0))
    return Command(tuple(settings), tuple(words))
