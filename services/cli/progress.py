"""How far a command has come: a line that is written over, only where a person looks on."""

import sys
from typing import Protocol


class Line(Protocol):
    """Puts a text in the place of the one before; the last one stays."""

    def __call__(self, text: str, *, is_last: bool) -> None:
        """Show ``text`` now."""


def terminal_line() -> Line | None:
    """A line on standard error; ``None`` where that is no terminal, but a file or a pipe."""
    if not sys.stderr.isatty():
        return None

    def tell(text: str, *, is_last: bool) -> None:
        # Erased first: what was there before may have been longer.
        sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if is_last else ""))
        sys.stderr.flush()

    return tell
