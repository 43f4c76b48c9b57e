"""Argon2id off the event loop, and few at a time: each takes 19 MiB and all of a core."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from services.api.problems import ProblemError

AT_A_TIME = 2
MOST_WAITING = 16

P = ParamSpec("P")
T = TypeVar("T")


class Hashing:
    """Does it for whoever comes; who comes while many wait is sent away."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="argon2")
        self._waiting = 0

    async def __call__(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do the work.

        Raises:
            ProblemError: 429; too many wait for theirs.
        """
        if self._waiting >= MOST_WAITING:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_attempts",
                "Too many are signing in just now. Try again in a second.",
                headers={"retry-after": "1"},
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, lambda: work(*arguments, **named)
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)
