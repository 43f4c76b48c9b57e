"""What people write in one line: the same words are the same text, however they were typed."""

import unicodedata

_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and ends of lines."""


def spelled_words(said: str) -> str:
    """The words with single spaces between them, composed (NFC); empty where some of it cannot be shown."""
    words = " ".join(unicodedata.normalize("NFC", said).split())
    return "" if any(unicodedata.category(one) in _UNSEEN for one in words) else words


def spelled_tag(said: str) -> str:
    """The same in small letters, so that nothing is tagged twice."""
    return unicodedata.normalize("NFC", spelled_words(said).lower())
