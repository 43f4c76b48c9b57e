"""The state of the link, told on every change as a fact and about every second as a beat."""

import asyncio
import logging
from collections import deque
from datetime import datetime, timedelta

from core import logs
from core.clock import Clock
from core.domain.link import NOT_YET_SYNCED, STATES, LinkEvent, LinkState, Standing, UpDown
from core.events.facts import LinkBeat, LinkChanged
from services.broker import metrics
from services.broker.publish import Publisher

log = logs.get_logger(__name__)

BEAT_SECONDS = 1.0
_CLOCK_RESOLUTION_SECONDS = 1.0
_MOST_UNTOLD = 100
_QUIET_REASONS = frozenset({"broker_link_down", "fenced"})
_UP = ("up", "up")


class Link:
    """Holds the link's state; ``apply`` says what happened to it.

    Logs one line when it goes down (and one for each further reason of the same outage), one when it is back.
    Changes before there is an epoch are told under the first one.
    """

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._standing = Standing()
        self._told_reasons: set[str] = set()
        self._untold: deque[LinkChanged] = deque(maxlen=_MOST_UNTOLD)
        self._has_epoch = False
        self._down_since: datetime = clock()
        self.since: datetime = self._down_since
        self.last_message_at: datetime | None = None
        self.clock_offset_seconds = 0.0
        metrics.LINK_STATE.labels(self.state).set(1)

    @property
    def state(self) -> LinkState:
        """Where the link is in its life."""
        return self._standing.state

    @property
    def reason(self) -> str:
        """Why it is not up; empty while it is."""
        return self._standing.reason

    @property
    def gateway(self) -> UpDown:
        """Whether the gateway is there."""
        return self._standing.gateway

    @property
    def ibkr(self) -> UpDown:
        """Whether the gateway is connected to IBKR."""
        return self._standing.ibkr

    @property
    def complete(self) -> bool:
        """Whether the resync of this connection has ended well."""
        return self._standing.is_live

    @property
    def is_stale(self) -> bool:
        """Whether the gateway answers and tells nothing."""
        return self._standing.is_stale

    @property
    def up(self) -> bool:
        """Whether answers of the gateway can be believed: it is there, and said nothing of an outage."""
        return self.gateway == "up" and self.ibkr != "down"

    def broker_now(self) -> datetime:
        """Now by the broker's clock, as far as we know it."""
        return self._clock() + timedelta(seconds=self.clock_offset_seconds)

    def apply(self, event: LinkEvent, reason: str = "", explanation: str = "") -> LinkChanged | None:
        """Let ``event`` happen; a change is told at once. ``explanation`` is for the log, in plain words.

        Raises:
            LinkEventRefusedError: it cannot happen in this state.
        """
        before, after = self._standing, self._standing.after(event, reason)
        if after == before:
            return None
        if event is LinkEvent.LEASED:
            # Who had the login meanwhile has a newer epoch, and we have none before we are connected.
            self._publisher.tick_without_epoch()
        now = self._clock()
        if (before.gateway, before.ibkr, before.reason) != (after.gateway, after.ibkr, after.reason):
            # A comparison that begins or ends is no news of how the links have been.
            self.since = now
        self._standing = after
        change = self._change(now, before.state)
        self._tell(change)
        self._count(before, after)
        self.beat()
        self._log(before, after, explanation, now)
        return change

    def begin_epoch(self, epoch: int) -> None:
        """What follows, and what was not told yet, happens under ``epoch``."""
        self._publisher.begin_epoch(epoch)
        self._has_epoch = True
        while self._untold:
            self._publisher.put(self._untold.popleft())

    def tell_again(self) -> None:
        """Say where the link stands: what was said of it may be lost. ``since`` is what it was."""
        if self._has_epoch:
            self._tell(self._change(self._clock(), self.state))

    def completed(self) -> None:
        """A resync ended well: nothing is missing."""
        if self.is_stale:
            self.apply(LinkEvent.RESTORED)
        if self.state == "syncing":
            self.apply(LinkEvent.SYNCED)

    def incomplete(self) -> None:
        """What is shown may be missing something until the next resync."""
        if self.state == "live":
            self.apply(LinkEvent.INCOMPLETE)

    def heard_time(self, unix_seconds: int) -> None:
        """The broker's clock, in whole seconds: an offset below that resolution is none."""
        offset = unix_seconds + _CLOCK_RESOLUTION_SECONDS / 2 - self._clock().timestamp()
        self.clock_offset_seconds = 0.0 if abs(offset) <= _CLOCK_RESOLUTION_SECONDS else round(offset, 1)
        metrics.CLOCK_OFFSET_SECONDS.set(self.clock_offset_seconds)

    def beat(self) -> None:
        """Say how things are."""
        metrics.LINK_UP.labels("gateway").set(self.gateway == "up")
        metrics.LINK_UP.labels("ibkr").set(self.ibkr == "up")
        metrics.LINK_COMPLETE.set(self.complete)
        self._publisher.tick(
            "link",
            LinkBeat(
                received_at=self._clock(),
                gateway=self.gateway,
                ibkr=self.ibkr,
                since=self.since,
                reason=self.reason,
                state=self.state,
                complete=self.complete,
                last_message_at=self.last_message_at,
                clock_offset_seconds=self.clock_offset_seconds,
                waiting_facts=self._publisher.waiting_facts,
                spooled_bytes=self._publisher.spooled_bytes,
            ),
        )

    async def run(self) -> None:
        """Beat about every second until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def _change(self, at: datetime, before: LinkState) -> LinkChanged:
        after = self._standing
        return LinkChanged(
            received_at=at,
            gateway=after.gateway,
            ibkr=after.ibkr,
            since=self.since,
            reason=after.reason,
            state=after.state,
            before=before,
        )

    def _tell(self, change: LinkChanged) -> None:
        if change.state == "fenced":
            # Nobody listens to this epoch any more: the register writes it down.
            self._has_epoch = False
        elif self._has_epoch:
            self._publisher.put(change)
        else:
            self._untold.append(change)

    def _count(self, before: Standing, after: Standing) -> None:
        if before.state != after.state:
            metrics.LINK_TRANSITIONS.labels(before.state, after.state).inc()
        for state in STATES:
            metrics.LINK_STATE.labels(state).set(state == after.state)

    def _log(self, before: Standing, after: Standing, explanation: str, now: datetime) -> None:
        is_up, was_up = ((each.gateway, each.ibkr) == _UP for each in (after, before))
        if is_up:
            self._told_reasons.clear()
            if not was_up:
                seconds = round((now - self._down_since).total_seconds(), 1)
                log.info("broker_link_up", after_seconds=seconds)
            return
        if was_up:
            self._down_since = now
        if after.reason != NOT_YET_SYNCED and after.reason not in self._told_reasons:
            self._told_reasons.add(after.reason)
            level = logging.INFO if after.reason in _QUIET_REASONS else logging.WARNING
            log.log(level, "broker_link_down", reason=after.reason, explanation=explanation)
