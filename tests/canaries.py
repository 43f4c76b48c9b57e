"""The suite's own secrets are canaries: a test whose output or log shows one of them has failed.

Looked at is what pytest captured: what was printed, and what was logged. What a test reads of its output
itself (``capsys``) is its own business. ``@pytest.mark.shows_a_secret`` is for what must show one.
"""

import re
import secrets
from collections.abc import Generator
from typing import Final

import pytest

GIVEN: Final = (
    "test-token-test-token-test-token",
    "token-of-the-api-of-a-run-token",
    "violin harbour lamp 9",
    "copper meadow train 7",
    "471147114711",
)
"""The API's tokens, the passwords of users, and the token of the Flex Web Service."""

_SUSPECT: Final = re.compile(
    "|".join(
        (
            *map(re.escape, GIVEN),
            r"lk_[\w-]{43}",  # an API token, whoever made it
            r"(?:postgres(?:ql)?(?:\+\w+)?|rediss?)://[^:/@\s]*:[^@\s*]+@",  # a server's password
            r"(?<![\w-])[\w-]{32}(?:[\w-]{11})?(?![\w-])",  # as long as what is made below
        )
    )
)
_MADE: Final[set[str]] = set()
_make: Final = secrets.token_urlsafe


def _remembered(nbytes: int | None = None) -> str:
    """Sessions, tokens and the servers' passwords are made by this, in whichever module."""
    secret = _make(nbytes)
    _MADE.add(secret)
    return secret


secrets.token_urlsafe = _remembered


def found_in(text: str) -> str | None:
    """The first secret in a text."""
    for match in _SUSPECT.finditer(text):
        word = match[0]
        if word in GIVEN or word.startswith("lk_") or "://" in word or word in _MADE:
            return word
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at everything that the test left, once it is over."""
    report = yield
    if call.when == "teardown" and report.passed and item.get_closest_marker("shows_a_secret") is None:
        for name, text in report.sections:
            shown = found_in(text)
            if shown is not None:
                report.outcome = "failed"
                report.longrepr = (
                    f"{name}: shows a secret, {shown[:4]}… of {len(shown)} characters. Keep it out of there, "
                    "or mark the test with shows_a_secret and say why it must."
                )
                break
    return report
