"""The state of the links, told on every change as a fact and about every second as a beat."""

import asyncio
import logging
from datetime import datetime, timedelta

from core import logs
from core.clock import Clock
from core.events.facts import LinkBeat, LinkChanged, UpDown
from services.broker import metrics
from services.broker.publish import Publisher

log = logs.get_logger(__name__)

BEAT_SECONDS = 1.0
_CLOCK_RESOLUTION_SECONDS = 1.0


class Link:
    """Gateway and IBKR: up, down or unknown, since when and why.

    Logs one line when it goes down (and one for each further reason of the same outage), one when it is back.
    """

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._told_reasons: set[str] = set()
        self.gateway: UpDown = "unknown"
        self.ibkr: UpDown = "unknown"
        self.reason = "not_yet_synced"
        self.since: datetime = clock()
        self.complete = False
        self.last_message_at: datetime | None = None
        self.clock_offset_seconds = 0.0

    @property
    def up(self) -> bool:
        """Whether both links are up."""
        return self.gateway == "up" and self.ibkr == "up"

    def broker_now(self) -> datetime:
        """Now by the broker's clock, as far as we know it."""
        return self._clock() + timedelta(seconds=self.clock_offset_seconds)

    def change(self, gateway: UpDown, ibkr: UpDown, reason: str = "", explanation: str = "") -> None:
        """Set the state; a change is told at once. ``explanation`` is for the log, in plain words."""
        if (gateway, ibkr, reason) == (self.gateway, self.ibkr, self.reason):
            return
        was_up, was_since = self.up, self.since
        self.gateway, self.ibkr, self.reason = gateway, ibkr, reason
        self.since = self._clock()
        self.complete = False
        self._publisher.put(
            LinkChanged(received_at=self.since, gateway=gateway, ibkr=ibkr, since=self.since, reason=reason)
        )
        self.beat()
        if self.up:
            self._told_reasons.clear()
            if not was_up:
                log.info("broker_link_up", after_seconds=round((self.since - was_since).total_seconds(), 1))
        elif reason not in self._told_reasons:
            self._told_reasons.add(reason)
            level = logging.INFO if reason == "broker_link_down" else logging.WARNING
            log.log(level, "broker_link_down", reason=reason, explanation=explanation)

    def completed(self) -> None:
        """The resync of this connection ended well."""
        if not self.complete:
            self.complete = True
            self.beat()

    def incomplete(self) -> None:
        """What is shown may be missing something until the next resync."""
        if self.complete:
            self.complete = False
            self.beat()

    def heard_time(self, unix_seconds: int) -> None:
        """The broker's clock, in whole seconds: an offset below that resolution is none."""
        offset = unix_seconds + _CLOCK_RESOLUTION_SECONDS / 2 - self._clock().timestamp()
        self.clock_offset_seconds = 0.0 if abs(offset) <= _CLOCK_RESOLUTION_SECONDS else round(offset, 1)

    def beat(self) -> None:
        """Say how things are."""
        metrics.LINK_UP.labels("gateway").set(self.gateway == "up")
        metrics.LINK_UP.labels("ibkr").set(self.ibkr == "up")
        metrics.LINK_COMPLETE.set(self.complete)
        metrics.CLOCK_OFFSET_SECONDS.set(self.clock_offset_seconds)
        self._publisher.tick(
            "link",
            LinkBeat(
                received_at=self._clock(),
                gateway=self.gateway,
                ibkr=self.ibkr,
                since=self.since,
                reason=self.reason,
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
