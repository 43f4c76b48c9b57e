"""Executions: when they are asked for, what an answer covers, and whether what it told has arrived."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ib_async import ExecutionFilter

from core import logs
from core.domain.coverage import EXECUTIONS_OVERLAP
from services.broker import metrics
from services.broker.answers import Answers, Errors
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.gateway_time import (
    LAST_RESORT,
    filter_time,
    midnight_before,
    seconds_to_midnight,
    zone_named,
)
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.told import REMEMBERED

log = logs.get_logger(__name__)

_LAST_CALL_SECONDS = 2.0
_LAST_CALL_LEEWAY_SECONDS = 1.0
_HELD_UNTIL_SECONDS = 60.0
"""So long before the gateway's midnight nothing is kept back: a link that is killed is back by then."""
_CLOCKS_APART = timedelta(seconds=1.5)
"""What we know of the broker's clock, in whole seconds, may be off by so much."""
_MANY_FACTS = 2_000
"""Workers need a second or more for so many."""
_STORED_WITHIN_SECONDS = 15.0
_STORED_LOOK_SECONDS = 0.25
_ON_ITS_WAY = timedelta(seconds=10)
"""Workers that share the stream may store what was told earlier so much later."""


class Executions:
    """What one connection is asked about executions, of every account and client."""

    def __init__(
        self,
        connection: Connection,
        publisher: Publisher,
        link: Link,
        recorded: Recorded,
        answers: Answers,
    ) -> None:
        self._client: Any = connection.client
        self._wrapper: Any = connection.ib.wrapper
        self._listener = connection.listener
        self._publisher = publisher
        self._link = link
        self._recorded = recorded
        self._answers = answers
        self._zone = zone_named(connection.zone_name) or ZoneInfo(LAST_RESORT)
        self._asked_at: datetime | None = None
        self._losses_told = publisher.losses

    async def ask(
        self, *, skip_known: bool = False, since: datetime | None = None, hold: bool = False
    ) -> Errors:
        """Today's executions of every account and client. They come through the hooks like any other.

        ``skip_known`` leaves out those that were told before with the same figures. ``since`` asks only for
        those from then on, by the broker's clock. With ``hold`` what is traded meanwhile is told after them.
        """
        listener = self._listener
        accounts = listener.accounts
        listener.damaged.pop("executions", None)
        request = self._client.getReqId()
        listener.told.begin(request, skip_known=skip_known)
        if hold:
            listener.holding.begin(self._seconds_to_hold())
        future = self._wrapper.startReq(request)
        asked_at = self._link.broker_now()
        wanted = ExecutionFilter() if since is None else ExecutionFilter(time=filter_time(since))
        try:
            self._client.reqExecutions(request, wanted)
            error = await self._answers.wait(request, future, lambda: listener.told.replayed, "executions")
        finally:
            metrics.REPLAYS_SKIPPED.inc(len(listener.told.repeated))
            listener.told.end()
            listener.holding.end()
        errors = dict.fromkeys(accounts, error) if error else self._answers.damage("executions", accounts)
        losses = self._publisher.losses
        facts_lost = losses > self._losses_told
        if not errors:
            self._asked_at = asked_at
            self._losses_told = losses
        covers_from = self._covers_from(since)
        self._answers.completed(
            "executions", accounts, errors, covers_from=covers_from, facts_lost=facts_lost
        )
        return errors

    def _seconds_to_hold(self) -> float:
        """How long what is traded may be kept back: a link that is killed has to be back before midnight.

        With the gateway's midnight goes what was traded before it, which may be told a moment after it. While
        the link is live nothing is kept back: what is held would be taken for different from what is told.
        """
        now = self._link.broker_now()
        if self._link.complete:
            return 0.0
        if (now - midnight_before(now, self._zone)).total_seconds() <= _LAST_CALL_SECONDS:
            return 0.0
        return seconds_to_midnight(now, self._zone) - _HELD_UNTIL_SECONDS

    async def ask_unrecorded(self) -> Errors:
        """Today's executions, but those that PostgreSQL has as they are; all of them while it is away.

        What came since the last answer that is recorded is asked for first. It is nearly always all that is
        missing, and a busy day's whole answer takes seconds to come.
        """
        began_at, facts_before = self._listener.now, self._publisher.taken_facts
        is_up_to_date = await self._ask_recent()
        is_much = self._publisher.taken_facts - facts_before > _MANY_FACTS
        # With the gateway's midnight goes what it can tell of the day.
        if is_up_to_date and is_much and self._seconds_to_hold() > _STORED_WITHIN_SECONDS:
            await self._until_stored()
        now = self._link.broker_now()
        recorded = await self._recorded.since(
            self._by_our_clock(midnight_before(now, self._zone)), REMEMBERED
        )
        if recorded is None:
            return await self.ask(hold=not is_up_to_date)
        self._listener.told.know(recorded, but_after=began_at if is_up_to_date else None)
        return await self.ask(skip_known=True, hold=not is_up_to_date)

    async def _until_stored(self) -> None:
        """Let the workers have the machine for what was just told, for a while.

        The whole day's answer is for certainty; beside it, all of what is missing is shown much later.
        """
        told_until = self._asked_at
        with suppress(TimeoutError):
            async with asyncio.timeout(_STORED_WITHIN_SECONDS):
                while True:
                    stored_until = await self._recorded.heard_until(self._publisher.epoch)
                    if stored_until is not None and told_until is not None and stored_until >= told_until:
                        return
                    await asyncio.sleep(_STORED_LOOK_SECONDS)

    async def _ask_recent(self) -> bool:
        """Executions since the last answer that is recorded, with an overlap; whether all of them were told.

        Not while the link is live, nor where that answer was about another day.
        """
        if self._link.complete:
            return False
        until = await self._recorded.answered_until(self._listener.accounts)
        if until is None:
            return False
        since = until - EXECUTIONS_OVERLAP
        if since < midnight_before(self._link.broker_now(), self._zone):
            return False
        recorded = await self._recorded.since(self._by_our_clock(since), REMEMBERED)
        if recorded is None:
            return False
        self._listener.told.know(recorded)
        return not await self.ask(skip_known=True, since=since, hold=True)

    def _by_our_clock(self, at: datetime) -> datetime:
        return at - timedelta(seconds=self._link.clock_offset_seconds)

    def _covers_from(self, since: datetime | None) -> datetime | None:
        """Since when an answer that has just ended tells every execution; ``None``: since it was asked to."""
        # An answer about midnight counts as one after it, whichever clock is late.
        midnight = midnight_before(self._link.broker_now() + _CLOCKS_APART, self._zone)
        if since is not None and since >= midnight:
            return None
        oldest = self._listener.told.oldest
        return midnight if oldest is None else min(midnight, oldest)

    async def ask_again(self) -> None:
        """Executions that came since the last answer, with an overlap; before the day ends, all of them."""
        since = self._asked_at
        left = seconds_to_midnight(self._link.broker_now(), self._zone)
        if since is None or left <= _LAST_CALL_SECONDS + _LAST_CALL_LEEWAY_SECONDS:
            await self.check()
        else:
            await self.ask(skip_known=True, since=since - EXECUTIONS_OVERLAP)

    async def check(self) -> None:
        """All executions. What was told, and should have reached PostgreSQL, and has not, is told again."""
        if await self.ask(skip_known=True):
            return
        heard_until = await self._recorded.heard_until(self._publisher.epoch)
        if heard_until is None:
            return
        told = self._listener.told
        settled_at = self._by_our_clock(heard_until) - _ON_ITS_WAY
        missing = await self._recorded.missing(told.repeated_since_before(settled_at))
        if not missing:
            return
        metrics.EXECUTIONS_MISSING.inc(len(missing))
        log.warning("executions_missing_in_database", executions=len(missing))
        told.forget(missing)
        await self.ask(skip_known=True)

    def until_next(self, seconds: float) -> float:
        """When to ask for executions again: after so many seconds, or for the last time of the day.

        With the gateway's midnight goes what other clients traded and was not asked for before.
        """
        left = seconds_to_midnight(self._link.broker_now(), self._zone) - _LAST_CALL_SECONDS
        return left if _LAST_CALL_LEEWAY_SECONDS < left < seconds else seconds
