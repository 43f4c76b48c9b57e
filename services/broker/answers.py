"""Waiting for what was asked of a gateway, and saying account by account what of it came completely."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ib_async.wrapper import RequestError

from core.clock import Clock
from core.events.facts import Dataset, DatasetCompleted
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.flow import MOST_SECONDS
from services.broker.publish import Publisher

Errors = dict[str, str]
"""Why a dataset is incomplete, by account; empty when all is well."""


class Answers:
    """The answers of one connection.

    ``all_came`` says whether each came to its end, whatever was in it, since somebody last set it.
    """

    def __init__(
        self, connection: Connection, publisher: Publisher, link: Link, clock: Clock, answer_seconds: float
    ) -> None:
        self._wrapper: Any = connection.ib.wrapper
        self._flow = connection.flow
        self._listener = connection.listener
        self._publisher = publisher
        self._link = link
        self._clock = clock
        self._answer_seconds = answer_seconds
        self.all_came = False

    async def wait(
        self, key: object, future: "asyncio.Future[Any]", progress: Callable[[], int] | None, what: str
    ) -> str:
        """Wait for the end of an answer, as long as it keeps coming; why it is not complete, or nothing.

        While the gateway is held back nothing is expected of it, and of what it then says a part may be lost.
        Held back again and again, it has as long as it would have in one hold.
        """
        loop = asyncio.get_running_loop()
        breaks = self._flow.breaks
        seen, came_at = progress() if progress else 0, loop.time()
        while True:
            changes = self._flow.changes
            try:
                done, _ = await asyncio.wait({future}, timeout=self._answer_seconds)
            except asyncio.CancelledError:
                future.cancel()
                raise
            if done:
                break
            now = progress() if progress else 0
            if now != seen:
                seen, came_at = now, loop.time()
            elif self._flow.listened_since(changes) or loop.time() - came_at > MOST_SECONDS:
                self._wrapper._futures.pop(key, None)  # noqa: SLF001 - nobody waits for it any more
                self._wrapper._results.pop(key, None)  # noqa: SLF001 - the same
                future.cancel()
                self.all_came = False
                return f"the gateway did not answer the request for {what} completely"
        try:
            future.result()
        except RequestError as error:
            return f"the gateway refused the request for {what} (code {error.code})"
        return "" if self._flow.breaks == breaks else f"there was no room for the answer with {what}"

    def damage(self, dataset: Dataset, accounts: tuple[str, ...]) -> Errors:
        """The accounts of which a message of this dataset could not be read."""
        damaged = self._listener.damaged.get(dataset, set())
        if not damaged:
            return {}
        affected = accounts if damaged - set(accounts) else tuple(damaged)
        return dict.fromkeys(affected, f"a message about {dataset} could not be read")

    def completed(
        self,
        dataset: Dataset,
        accounts: tuple[str, ...],
        errors: Errors,
        *,
        covers_from: datetime | None = None,
        facts_lost: bool = False,
    ) -> None:
        """Tell of each account whether the dataset came completely."""
        for account in accounts:
            error = errors.get(account, "")
            self._publisher.put(
                DatasetCompleted(
                    received_at=self._clock(),
                    account=account,
                    dataset=dataset,
                    as_of=self._link.broker_now(),
                    complete=not error,
                    error=error,
                    covers_from=None if error else covers_from,
                    facts_lost=facts_lost,
                )
            )
