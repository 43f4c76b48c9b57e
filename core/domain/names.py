"""Names that owners give to things of theirs: groups of accounts, benchmarks."""

from typing import Final

MOST_CHARACTERS: Final = 64


def why_no_name(name: str) -> str | None:
    """What is wrong with a name, in words that follow it; ``None``: nothing.

    >>> why_no_name("retirement")
    >>> why_no_name(" a")
    'begins or ends with a space'
    """
    if not name:
        return "is empty"
    if name != name.strip():
        return "begins or ends with a space"
    if not name.isprintable():
        return "holds characters that cannot be printed"
    if len(name) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    if name.startswith("-"):
        return "begins with a dash, as options do"
    return None
