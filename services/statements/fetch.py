"""Fetch statements from IBKR's Flex Web Service, version 3.

``SendRequest`` with a query's number answers with the number of a statement that is being made, and
``GetStatement`` with the statement once it is ready
(https://www.interactivebrokers.com/campus/ibkr-api-page/flex-web-service/).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self, TypeVar

import httpx
from pydantic import SecretStr

from core.clock import Clock, utc_now
from services.statements.answers import Complete, Promise, Refusal
from services.statements.flex_codes import meaning_of, remedy_of
from services.statements.flex_errors import (
    FlexAnswerError,
    FlexBusyError,
    FlexError,
    FlexQueryError,
    FlexTokenError,
    FlexUnreachableError,
)
from services.statements.kept_file import KeptFile, draft_in
from services.statements.limiter import Limiter, Monotonic, Sleep
from services.statements.places import Places, address
from services.statements.transfer import Limits, Take, Transfer

_FIRST_WAIT_SECONDS: Final = 2.0
_MOST_WAIT_SECONDS: Final = 30.0
_THROTTLED_SECONDS: Final = 15.0
"""Ten requests a minute are allowed, and it may be another program that made them."""

_BREAKS_BORNE: Final = 2
"""A connection that breaks now and then does not cost the statement that is being made."""

_MOST_MESSAGE: Final = 200

Found = TypeVar("Found", Promise, KeptFile)


class _Errand:
    """One statement: how long there is for it, and how often it was waited for."""

    def __init__(self, query_id: str, ends_at: float) -> None:
        self.query_id = query_id
        self.ends_at = ends_at
        self.waits = 0
        self.breaks = 0


class FlexClient:
    """Fetches with one token, and paces itself: there should be one for each token in a process.

    ``clock``, ``now``, ``sleep`` and ``rng`` are for tests. It is a context that closes its connections.

    Raises:
        SettingsError: the address is none that the token may be sent to.
    """

    def __init__(
        self,
        token: SecretStr,
        base_url: str,
        *,
        limits: Limits | None = None,
        clock: Clock = utc_now,
        now: Monotonic = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._token = token
        self._places = Places(base_url)
        self._limits = limits or Limits()
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._limiter = Limiter(now, sleep)
        self._transfer = Transfer(self._places, self._limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transfer.close()

    async def check(self, query_id: str) -> None:
        """See that the service takes the token and knows the query; nothing is fetched.

        Raises:
            FlexError: as ``fetch``.
        """
        errand = self._errand(query_id)
        await self._persist(errand, lambda: self._order(query_id))

    async def fetch(self, query_id: str, folder: Path, name: str | None = None) -> KeptFile:
        """Have a statement made, and keep it in ``folder`` as a file that is whole.

        It is called ``name``, or after the query, the time and its content.

        Raises:
            FlexTokenError: the token has expired, or may not be used.
            FlexQueryError: the service has no such query, or nothing for it.
            FlexBusyError: the statement was not ready in time, or the service was asked too often.
            FlexUnreachableError: the service could not be reached, or broke off.
            FlexAnswerError: what came is nothing of Flex.
            FlexFolderError: it cannot be kept there.
        """
        errand = self._errand(query_id)
        while True:
            promise = await self._persist(errand, lambda: self._order(query_id))
            if promise is None:
                continue
            kept = await self._collect(errand, promise, folder, name)
            if kept is not None:
                return kept

    def _errand(self, query_id: str) -> _Errand:
        if not (query_id.isascii() and query_id.isdigit()):
            raise FlexQueryError("A Flex query is named by its number, the Query ID in Client Portal.")
        return _Errand(query_id, self._now() + self._limits.patience_seconds)

    async def _collect(
        self, errand: _Errand, promise: Promise, folder: Path, name: str | None
    ) -> KeptFile | None:
        """Get what was promised; ``None`` where the service knows of it no more."""
        documented = httpx.URL(f"{self._places.base_url}/GetStatement")
        named = address(promise.url)
        # IBKR's page calls the one that is named a legacy: the other is there for when it fails.
        place = documented if named is None or not self._places.may_have_token(named) else named

        async def receive() -> KeptFile | Refusal:
            url = documented if errand.breaks else place
            with draft_in(folder, self._clock().timestamp()) as draft:
                answer = await self._ask(url, promise.reference, draft.write)
                if isinstance(answer, Promise):
                    raise FlexAnswerError("The Flex service answered a promise with another promise.")
                if isinstance(answer, Refusal):
                    return answer
                stem = f"flex-{errand.query_id}-{self._clock():%Y%m%dT%H%M%SZ}"
                return await draft.keep(stem, name)

        return await self._persist(errand, receive)

    async def _order(self, query_id: str) -> Promise | Refusal:
        url = httpx.URL(f"{self._places.base_url}/SendRequest")
        answer = await self._ask(url, query_id)
        if isinstance(answer, Complete):
            raise FlexAnswerError("The Flex service sent a statement that it was not asked for yet.")
        return answer

    async def _ask(
        self, url: httpx.URL, number: str, take: Take | None = None
    ) -> Complete | Promise | Refusal:
        await self._limiter.turn()
        parameters = {"t": self._token.get_secret_value(), "q": number, "v": "3"}
        return await self._transfer.get(url, parameters, take)

    async def _persist(self, errand: _Errand, step: Callable[[], Awaitable[Found | Refusal]]) -> Found | None:
        """Repeat a step while patience may help; ``None`` where everything has to begin anew."""
        while True:
            anew = throttled = False
            trouble: FlexError
            try:
                found = await step()
            except FlexUnreachableError as error:
                errand.breaks += 1
                if errand.breaks > _BREAKS_BORNE:
                    raise
                trouble = error
            except FlexBusyError as error:
                throttled, trouble = True, error
            else:
                errand.breaks = 0
                if not isinstance(found, Refusal):
                    return found
                meaning = meaning_of(found.code)
                trouble = self._error_of(found, errand.query_id)
                if not isinstance(trouble, FlexBusyError):
                    raise trouble
                anew, throttled = meaning == "anew", meaning == "throttled"
            await self._wait(errand, trouble, throttled=throttled)
            if anew:
                return None

    async def _wait(self, errand: _Errand, trouble: FlexError, *, throttled: bool) -> None:
        seconds = min(_FIRST_WAIT_SECONDS * 1.5 ** min(errand.waits, 16), _MOST_WAIT_SECONDS)
        if throttled:
            seconds = max(seconds, _THROTTLED_SECONDS)
        seconds *= self._rng.uniform(0.75, 1.25)
        errand.waits += 1
        if self._now() + seconds > errand.ends_at:
            raise trouble
        await self._sleep(seconds)

    def _error_of(self, refusal: Refusal, query_id: str) -> FlexError:
        code = refusal.code
        message = refusal.message.replace(self._token.get_secret_value(), "…")[:_MOST_MESSAGE]
        said = f"{message.rstrip('.') or 'no reason'} (code {'none' if code is None else code})"
        remedy = remedy_of(code)
        more = f". {remedy}." if remedy else "."
        match meaning_of(code):
            case "token":
                return FlexTokenError(f"The Flex service refuses the token: {said}{more}", code)
            case "query":
                return FlexQueryError(f"The Flex service refuses query {query_id}: {said}{more}", code)
            case "throttled":
                return FlexBusyError(
                    f"The Flex service was asked too often: {said}. It allows one request a second and ten a "
                    "minute for one token, whichever program makes them.",
                    code,
                )
            case "later" | "anew":
                return FlexBusyError(
                    f"The Flex service has no statement of query {query_id} yet: {said}. Try again later.",
                    code,
                )
            case _:
                return FlexAnswerError(
                    f"The Flex service has no statement of query {query_id}: {said}.", code
                )
