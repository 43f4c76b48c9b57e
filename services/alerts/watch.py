"""What one of all API processes does: look, decide, keep what is to be told, send it until it is taken."""

import asyncio
import functools
import shutil
import ssl
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx

from core import logs
from core.clock import Clock, utc_now
from core.domain.alerting import Condition, Message, Policy, QuietHours, decide, in_words
from core.domain.watched import Look, Seen
from core.errors import SettingsError
from core.exposure import api_url
from core.settings import Settings
from core.settings.values import read_quiet_hours
from models.queries.alerts import LimitRow, newest_drawdowns, price_limits_listed, standing_conditions
from models.queries.backups import last_backup_runs
from models.session import Database, OwnConnection, Reader, is_disconnect
from models.stores.alerts import (
    Due,
    due_deliveries,
    forget_messages,
    note_attempt,
    note_met,
    queue_message,
    remember,
)
from models.stores.leases import take_locks
from services.alerts.channels import Channel, channels_of
from services.alerts.limits import (
    Health,
    Limits,
    backup_conditions,
    disk_condition,
    money_limits,
    newly_met,
    price_conditions,
)
from services.alerts.send import send

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 60.0
TRIES: Final[tuple[timedelta, ...]] = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 3600, 3600, 7200, 7200, 14400)
)
"""Pauses after attempts that failed; after the last one a message is given up."""

DATABASE_SETTLES: Final = timedelta(minutes=2)
_LOCK: Final = "people are told of what stands wrong"
_LOCK_CLASS: Final = 0x10C7_A1E7
"""Not that of the broker links, each of which asks whether another link is about."""
_MOST_AT_ONCE: Final = 50


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Whom the system trusts, read once: for 50 ms nothing else runs meanwhile."""
    return httpx.create_ssl_context()


def policy_of(settings: Settings) -> Policy:
    """What the settings say of whom to tell when."""
    quiet = read_quiet_hours(settings.alerts_quiet) if settings.alerts_quiet is not None else None
    hours = settings.alerts_remind_hours
    return Policy(
        least=settings.alerts_severity,
        remind_after=timedelta(hours=hours) if hours else None,
        quiet=QuietHours(*quiet, ZoneInfo(settings.alerts_timezone)) if quiet is not None else None,
        quiet_all=settings.alerts_quiet_all,
    )


def limits_of(settings: Settings) -> Limits:
    """The limits that the settings name."""

    def percent(value: float | None) -> Decimal | None:
        return None if value is None else Decimal(str(value))

    return Limits(
        drawdown=percent(settings.alerts_drawdown_percent),
        daily_loss=percent(settings.alerts_daily_loss_percent),
        disk=Decimal(str(settings.alerts_disk_percent)),
        errors=Decimal(str(settings.alerts_error_percent)),
        details=settings.alerts_details,
    )


def page_of(settings: Settings) -> str:
    """Where the page is, as far as the settings tell."""
    return f"https://{settings.api_names[0]}/" if settings.api_names else f"{api_url(settings)}/"


class Found(NamedTuple):
    """What one look found."""

    conditions: list[Condition]
    markets_open: bool | None


class Alerter:
    """Looks again and again, as long as it is the one that does."""

    def __init__(self, settings: Settings, database: Database, look: Look, *, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._database = database
        self._look = look
        self._clock = clock
        self._policy = policy_of(settings)
        self._limits = limits_of(settings)
        self._health = Health()
        self._holder = OwnConnection(
            settings.require_database_direct_url(),
            application="alerts",
            answer_seconds=10,
            idle_seconds=6 * LOOK_SECONDS,
        )
        self._away = _DatabaseAway()
        self._beat_at: datetime | None = None
        self._unreadable = False

    async def run(self) -> None:
        """Go on until cancelled; nothing that fails here ends it."""
        failing = False
        try:
            while True:
                with logs.caused_by():
                    try:
                        await self.once()
                        failing = False
                    except Exception:
                        if not failing:
                            log.exception("alerts_fail")
                        failing = True
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._holder.close()

    async def once(self) -> None:
        """Look, decide and send, if no other process does; tell of it where the database is away."""
        try:
            is_ours = await self._is_ours()
        except Exception as error:
            if not is_disconnect(error):
                raise
            await self._say_away()
            return
        # It answers, whoever looks: a process that stands by forgets that it was away, too.
        await self._say_back()
        if not is_ours:
            return
        found = await self._find()
        if found is not None:
            await self._decide(found)
        await self.deliver()
        if found is not None:
            await self._beat()

    async def _is_ours(self) -> bool:
        # Asked for every time: what is held is counted, and a connection that ended holds nothing.
        async with self._holder.write() as writer:
            return await take_locks(writer, [_LOCK], lock_class=_LOCK_CLASS)

    async def _find(self) -> Found | None:
        seen = await self._look()
        if seen is None:
            return None
        async with self._database.read() as reader:
            limits = {one.id: one for one in await price_limits_listed(reader)}
        met = list(newly_met(limits.values(), seen))
        if met:
            async with self._database.write() as writer:
                for limit, price in met:
                    await note_met(writer, limit.id, price, seen.at)
                    limits[limit.id] = limit._replace(met_at=seen.at, met_price=price)
        async with self._database.read() as reader:
            conditions = await self._conditions(reader, seen, limits.values())
        return Found(conditions, seen.markets_open)

    async def _conditions(self, reader: Reader, seen: Seen, limits: Iterable[LimitRow]) -> list[Condition]:
        drawdowns = [] if self._limits.drawdown is None else await newest_drawdowns(reader)
        disk = disk_condition(str(self._settings.home), await asyncio.to_thread(self._used), self._limits)
        return [
            *seen.conditions,
            *money_limits(seen, drawdowns, self._limits),
            *price_conditions(limits, seen.at),
            *backup_conditions(await last_backup_runs(reader), self._settings, seen.at),
            *([] if disk is None else [disk]),
            *self._health.conditions(seen, self._limits),
        ]

    def _used(self) -> Decimal | None:
        """How much of the disk is taken, in percent; ``None``: it cannot be looked at."""
        folder = self._settings.data_dir
        try:
            while not folder.exists():
                folder = folder.parent
            usage = shutil.disk_usage(folder)
        except OSError:
            return None
        # As `df` counts: what is kept for root is nobody's.
        return Decimal(100 * usage.used) / max(1, usage.used + usage.free)

    async def _decide(self, found: Found) -> None:
        now = self._clock()
        channels = self._channels()
        if channels is None:
            return  # nobody could be told: what is new stays new until they can be
        async with self._database.write() as writer:
            known = await standing_conditions(writer)
            decision = decide(found.conditions, known, self._policy, now, markets_open=found.markets_open)
            await remember(writer, decision.standing, known)
            if decision.news:
                message = in_words(
                    decision.news,
                    profile=self._settings.profile,
                    zone=ZoneInfo(self._settings.alerts_timezone),
                    address=page_of(self._settings),
                )
                await queue_message(writer, message, [one.name for one in channels], now)
                log.info("people_told", news=len(decision.news), channels=len(channels))
            await forget_messages(writer, now)

    async def deliver(self) -> None:
        """Send what is due. What a service does not take is tried again, later and later."""
        now, channels = self._clock(), self._channels()
        if channels is None:
            return
        async with self._database.write() as writer:
            waiting = await due_deliveries(writer, now, most=_MOST_AT_ONCE)
        if not waiting:
            return
        by_channel: dict[str, list[Due]] = {}
        for due in waiting:
            by_channel.setdefault(due.channel, []).append(due)
        urls = {one.name: one.url for one in channels}
        # A channel that does not answer keeps no other waiting.
        async with asyncio.TaskGroup() as tasks:
            for name, dues in by_channel.items():
                tasks.create_task(self._deliver_to(urls.get(name), dues), name=f"alerts-{name}")

    async def _deliver_to(self, url: str | None, dues: Sequence[Due]) -> None:
        for due in dues:
            error = "there is no such channel any more" if url is None else await send(url, due.message)
            tries = due.attempts + 1
            is_over = error is None or url is None or tries > len(TRIES)
            next_try_at = None if is_over else self._clock() + TRIES[tries - 1]
            async with self._database.write() as writer:
                await note_attempt(writer, due, self._clock(), error=error, next_try_at=next_try_at)
            if error is not None:
                log.warning(
                    "alert_not_sent", channel=due.channel, attempt=tries, given_up=is_over, reason=error
                )
                if url is not None:
                    # The next would wait for it as long, and so would the next look.
                    return

    def _channels(self) -> list[Channel] | None:
        """Where messages go; ``None`` while the file of them cannot be read: that says nothing of any."""
        try:
            channels = channels_of(self._settings)
        except SettingsError as error:
            if not self._unreadable:
                log.warning("alert_channels_unreadable", reason=str(error))
            self._unreadable = True
            return None
        self._unreadable = False
        return channels

    async def _beat(self) -> None:
        url, now = self._settings.alerts_heartbeat_url, self._clock()
        if url is None or (
            self._beat_at is not None and now - self._beat_at < timedelta(seconds=HEARTBEAT_SECONDS)
        ):
            return
        self._beat_at = now
        try:
            async with httpx.AsyncClient(timeout=10, verify=_authorities()) as client:
                (await client.get(url.get_secret_value())).raise_for_status()
        except httpx.HTTPError as error:
            # Its text may hold the URL, which is a secret.
            log.warning("heartbeat_not_taken", reason=type(error).__name__)

    # -- without the database --------------------------------------------------------------------------

    async def _say_away(self) -> None:
        now = self._clock()
        quiet = self._policy.quiet
        if self._policy.quiet_all and quiet is not None and quiet.covers(now):
            return
        message = self._away.failed(now, self._settings.profile)
        if message is not None:
            await self._send_to_all(message)

    async def _say_back(self) -> None:
        message = self._away.answered(self._clock(), self._settings.profile)
        if message is not None:
            await self._send_to_all(message)

    async def _send_to_all(self, message: Message) -> None:
        for channel in self._channels() or ():
            error = await send(channel.url, message)
            if error is not None:
                log.warning("alert_not_sent", channel=channel.name, attempt=1, given_up=True, reason=error)


class _DatabaseAway:
    """PostgreSQL cannot be asked whether people were told that it is away: that is kept here."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._is_told = False

    def failed(self, now: datetime, profile: str) -> Message | None:
        if self._since is None:
            self._since = now
        if self._is_told or now - self._since < DATABASE_SETTLES:
            return None
        self._is_told = True
        return Message(
            f"Lotkeeper ({profile}): PostgreSQL cannot be reached",
            f"ERROR: PostgreSQL cannot be reached, since {self._since:%Y-%m-%d %H:%M} UTC\n  Start it, or "
            "look at LOTKEEPER_DATABASE_URL. What the broker says is kept on disk meanwhile.",
            "error",
        )

    def answered(self, now: datetime, profile: str) -> Message | None:
        since, self._since = self._since, None
        if not self._is_told or since is None:
            return None
        self._is_told = False
        return Message(
            f"Lotkeeper ({profile}): PostgreSQL answers again",
            f"It could not be reached from {since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC.",
            "error",
        )
