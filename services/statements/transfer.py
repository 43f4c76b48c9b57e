"""One request to the Flex Web Service, and its answer as it comes in.

The service wants the token in the address of each request: so no address is ever logged, told or kept.
"""

import asyncio
import logging
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final, NamedTuple

import httpx

from services.statements.answers import Answer, AnswerReader, Refusal
from services.statements.flex_errors import (
    FlexAnswerError,
    FlexBusyError,
    FlexError,
    FlexUnreachableError,
)
from services.statements.places import Places

Take = Callable[[bytes], None]

_MOST_REDIRECTS: Final = 5
_REFUSAL_BYTES: Final = 1 << 16
_TALKATIVE: Final = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "proxy", "socks")))


class Limits(NamedTuple):
    """How long and how much at most."""

    patience_seconds: float = 300.0
    """From the first request until the statement is there to be had."""

    connect_seconds: float = 15.0
    silence_seconds: float = 60.0
    """Before an answer and within it."""

    answer_seconds: float = 600.0
    """For one answer in all."""

    answer_bytes: int = 1 << 30


class Transfer:
    """Sends requests where the token may go, and nowhere else."""

    def __init__(self, places: Places, limits: Limits) -> None:
        self._places = places
        self._limits = limits
        _hush()
        self._http = httpx.AsyncClient(
            # The service answers nobody without one (IBKR: the technology and its version).
            headers={"User-Agent": f"Python/{platform.python_version()} Lotkeeper/{version('lotkeeper')}"},
            timeout=httpx.Timeout(limits.silence_seconds, connect=limits.connect_seconds),
            follow_redirects=False,
            # A proxy is for the way out of this machine.
            trust_env=not places.is_loopback,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, url: httpx.URL, parameters: Mapping[str, str], take: Take | None = None) -> Answer:
        """Ask; ``take`` gets the answer's pieces as they come.

        Raises:
            FlexUnreachableError: there was no answer, or not all of it.
            FlexBusyError: HTTP 429.
            FlexAnswerError: it is nothing of Flex, too large, or elsewhere.
        """
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await self._follow(url.copy_merge_params(parameters), take)
        except TimeoutError:
            reason = f"its answer did not end within {self._limits.answer_seconds:g} seconds"
        except httpx.ConnectError as error:
            reason = f"no connection ({error})"
        except httpx.TimeoutException:
            reason = "it did not answer in time"
        except httpx.RemoteProtocolError:
            reason = "it broke off in the middle of its answer"
        except httpx.HTTPError as error:
            reason = error.__class__.__name__
        # Outside of the except clauses: what httpx raised knows the address, and the token in it.
        raise FlexUnreachableError(f"The Flex service cannot be reached: {reason}.")

    async def _follow(self, url: httpx.URL, take: Take | None) -> Answer:
        for _ in range(_MOST_REDIRECTS + 1):
            if not self._places.may_have_token(url):
                raise FlexAnswerError(
                    "The Flex service sent us to an address that is not IBKR's. It was not asked: it must "
                    "not have the token."
                )
            async with self._http.stream("GET", url) as response:
                if response.next_request is None:
                    return await self._read(response, take)
                url = response.next_request.url
        raise FlexAnswerError("The Flex service sends us from one address to the next without end.")

    async def _read(self, response: httpx.Response, take: Take | None) -> Answer:
        if response.status_code == httpx.codes.OK:
            return await _answer_of(response, self._limits.answer_bytes, take)
        try:
            answer: Answer | None = await _answer_of(response, _REFUSAL_BYTES, None)
        except FlexError:
            answer = None
        if isinstance(answer, Refusal):
            return answer
        status = f"HTTP {response.status_code}"
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise FlexBusyError(f"The Flex service was asked too often ({status}). Try again later.")
        raise FlexUnreachableError(f"The Flex service is not there: it answers with {status}.")


async def _answer_of(response: httpx.Response, most_bytes: int, take: Take | None) -> Answer:
    reader = AnswerReader()
    size_bytes = 0
    async for piece in response.aiter_bytes():
        size_bytes += len(piece)
        if size_bytes > most_bytes:
            raise FlexAnswerError(
                f"What the Flex service sent is larger than {most_bytes:,} bytes. Choose a shorter period "
                "for the query."
            )
        reader.feed(piece)
        if take is not None:
            take(piece)
    return reader.end()


def _is_of_weight(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _hush() -> None:
    """Have httpx log no addresses, whatever level someone sets."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_of_weight)  # a filter that is there already is not added again
