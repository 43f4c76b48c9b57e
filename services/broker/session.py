"""The life of the link: connect, resync, watch, and do it again when it ends."""

import asyncio
import random
from typing import Any

from core import logs
from core.clock import Clock
from core.events.facts import DatasetCompleted, ResyncFenced
from core.settings import Settings
from models.tables.sync import CUT_OFF
from services.broker import metrics
from services.broker.backoff import backoff_seconds
from services.broker.beat import Link
from services.broker.codes import Meaning, farm_of, meaning_of, redact
from services.broker.connection import Connection, LinkLostError
from services.broker.pacer import Pacer
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.register import Register
from services.broker.resync import Resync
from services.broker.subscriptions import Subscriptions
from services.broker.translate import Instruments

log = logs.get_logger(__name__)

EXECUTIONS_SECONDS = 60.0
"""Between requests for the executions of all clients: only those of our own client id are sure to be told."""

_REPAIR_SECONDS = 2.0
_RETRY_FIRST_SECONDS = 5.0
_RETRY_MOST_SECONDS = 60.0
_STABLE_SECONDS = 30.0
_MISSES = 2


class Session:
    """The link to one gateway, for as long as the process runs."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        link: Link,
        register: Register,
        recorded: Recorded,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._link = link
        self._register = register
        self._recorded = recorded
        self._clock = clock
        self._instruments = Instruments()
        self._pacer = Pacer()
        self._problems = Problems(log)
        self._rng = random.Random()  # noqa: S311 - jitter
        self._connection: Connection | None = None
        self._subscriptions: Subscriptions | None = None
        self._ready = False
        self._ibkr_lost_by = 0
        self._renew = False
        self._wanted: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._ibkr_up = asyncio.Event()
        self._described: set[int] = set()
        self._epoch = 0

    async def run(self) -> None:
        """Keep the link until cancelled; then say that it is down."""
        ended = CUT_OFF
        attempt, down_since = 0, self._clock()
        try:
            while True:
                if attempt > 1:
                    # Connections that are made and do not last would otherwise follow each other without end.
                    await asyncio.sleep(backoff_seconds(attempt - 2, 0.0, ended, self._rng))
                self._epoch = await self._register.open(ended)
                self._publisher.begin_epoch(self._epoch)
                lost, attempt, down_since = await self._one_connection(attempt, down_since)
                ended = lost.reason
        finally:
            self._link.change("down", "unknown", "broker_link_down", "the broker link was stopped")

    async def end(self, seconds: float) -> None:
        """Note the end of the session in the register."""
        if self._epoch:
            await self._register.end(self._epoch, "stopped", seconds)

    def request_resync(self, trigger: str, job_id: str = "") -> None:
        """Compare everything with the broker as soon as possible; ``job_id`` comes back in the fence."""
        if not self._ready or not self._link.up:
            now = self._clock()
            self._publisher.put(
                ResyncFenced(
                    received_at=now,
                    trigger=trigger,
                    started_at=now,
                    ok=False,
                    error=f"the link to the broker is down: {self._link.reason}",
                    job_id=job_id,
                )
            )
            return
        self._wanted[job_id] = trigger
        self._wake.set()

    def request_descriptions(self, conids: tuple[int, ...]) -> None:
        """Fetch contract details of ``conids`` (again)."""
        if self._connection is not None:
            for conid in conids:
                self._connection.listener.signals.want_description(conid)

    async def _one_connection(self, attempt: int, down_since: Any) -> tuple[LinkLostError, int, Any]:
        """Attempt until one connection is made, serve it until it ends; why it ended."""
        while True:
            # What an earlier attempt heard of IBKR, this gateway will say again if it still holds.
            self._ibkr_lost_by = 0
            connection = self._connection = Connection(
                self._settings,
                self._publisher,
                self._link,
                self._instruments,
                self._clock,
                self._heard_code,
                self._problems,
            )
            connection.listener.described = self._described
            try:
                await connection.open()
                connected_at = self._clock()
                lost = await self._serve(connection)
            except LinkLostError as error:
                metrics.CONNECT_FAILURES.labels(error.reason).inc()
                self._link.change("down", "unknown", error.reason, error.explanation)
            else:
                self._link.change("down", "unknown", lost.reason, lost.explanation)
                now = self._clock()
                if (now - connected_at).total_seconds() >= _STABLE_SECONDS:
                    attempt = 0
                return lost, attempt + 1, now
            finally:
                self._ready = False
                self._connection = self._subscriptions = None
                connection.close()
            down_seconds = (self._clock() - down_since).total_seconds()
            await asyncio.sleep(backoff_seconds(attempt, down_seconds, self._link.reason, self._rng))
            attempt += 1

    async def _serve(self, connection: Connection) -> LinkLostError:
        """Everything that happens while one connection lasts."""
        metrics.CONNECTS.inc()
        self._register.connected(self._epoch, connection.server_version, connection.zone_name)
        answer_seconds = self._settings.ib_connect_timeout_seconds
        subscriptions = self._subscriptions = Subscriptions(connection, self._pacer, answer_seconds)
        resync = Resync(
            connection,
            subscriptions,
            self._publisher,
            self._link,
            self._instruments,
            self._clock,
            self._pacer,
            answer_seconds,
            self._recorded,
        )
        self._wanted = {"": "connect"}
        self._wake.set()
        self._ready = True
        self._renew = False
        if self._ibkr_lost_by:
            self._ibkr_up.clear()
            self._link.change("up", "down", "ib_1100", Meaning.IBKR_LOST.value)
        else:
            self._ibkr_up.set()
            self._link.change("up", "up")
        tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("heartbeat", self._heartbeat(connection)),
                ("resync", self._resync_forever(connection, subscriptions, resync)),
                ("subscriptions", subscriptions.follow()),
                ("instruments", subscriptions.follow_instruments()),
                ("accounts", self._follow_accounts(connection)),
            )
        ]
        lost = asyncio.create_task(connection.lost(), name="lost")
        try:
            await asyncio.wait({lost, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            if not lost.done():
                # Only a connection that is going away, or a fault of ours, ends one of the others.
                self._explain_failure(tasks, connection)
            return await lost
        finally:
            for task in (lost, *tasks):
                task.cancel()
            await asyncio.gather(lost, *tasks, return_exceptions=True)
            self._fail_what_waits()

    def _explain_failure(self, tasks: list["asyncio.Task[None]"], connection: Connection) -> None:
        for task in tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None and not isinstance(error, ConnectionError):
                log.error("broker_task_failed", task=task.get_name(), exc_info=error)
        connection.drop("gateway_unreachable", "the connection ended")

    def _fail_what_waits(self) -> None:
        for job_id, trigger in self._wanted.items():
            if job_id:
                now = self._clock()
                self._publisher.put(
                    ResyncFenced(
                        received_at=now,
                        trigger=trigger,
                        started_at=now,
                        ok=False,
                        error="the link to the gateway was lost before it began",
                        job_id=job_id,
                    )
                )
        self._wanted = {}

    async def _heartbeat(self, connection: Connection) -> None:
        """Ask the time; two questions in a row without any message at all mean that nobody is there."""
        interval = self._settings.ib_heartbeat_seconds
        patience = interval * 0.8
        misses = 0
        while True:
            before = connection.listener.messages
            connection.client.reqCurrentTime()
            await asyncio.sleep(patience)
            misses = misses + 1 if connection.listener.messages == before else 0
            if misses >= _MISSES:
                connection.drop(
                    "gateway_silent", f"the gateway has said nothing for about {interval * misses:g} s"
                )
            await asyncio.sleep(interval - patience)

    async def _follow_accounts(self, connection: Connection) -> None:
        while True:
            await connection.listener.signals.accounts.wait()
            connection.listener.signals.accounts.clear()
            self.request_resync("accounts")

    async def _resync_forever(
        self, connection: Connection, subscriptions: Subscriptions, resync: Resync
    ) -> None:
        loop = asyncio.get_running_loop()
        damage = connection.listener.signals.damage
        retry_seconds = _RETRY_FIRST_SECONDS
        retry_at: float | None = None
        executions_at = loop.time() + resync.until_executions(EXECUTIONS_SECONDS)
        positions_at = loop.time() + self._settings.sweep_seconds
        repair_after = 0.0
        while True:
            await self._ibkr_up.wait()
            deadlines = [executions_at, positions_at, *([retry_at] if retry_at is not None else [])]
            if damage.is_set():
                deadlines.append(max(repair_after, loop.time() + _REPAIR_SECONDS))
            await self._until(min(deadlines), damage)
            now = loop.time()
            if not self._ibkr_up.is_set():
                continue
            if self._wake.is_set() or (retry_at is not None and now >= retry_at):
                ok = await self._full(subscriptions, resync)
                retry_at = None if ok else loop.time() + retry_seconds
                retry_seconds = _RETRY_FIRST_SECONDS if ok else min(retry_seconds * 2, _RETRY_MOST_SECONDS)
                damage.clear()
                executions_at = loop.time() + resync.until_executions(EXECUTIONS_SECONDS)
                positions_at = loop.time() + self._settings.sweep_seconds
            elif damage.is_set() and now >= repair_after:
                damage.clear()
                repair_after = now + EXECUTIONS_SECONDS
                await self._repair(connection, resync)
            elif now >= executions_at:
                await resync.executions_again()
                executions_at = loop.time() + resync.until_executions(EXECUTIONS_SECONDS)
            elif now >= positions_at:
                positions_at = now + self._settings.sweep_seconds
                await resync.positions()
                await resync.check_executions()

    async def _until(self, deadline: float, damage: asyncio.Event) -> None:
        """Wait for ``deadline``, a wish, or news of damage."""
        loop = asyncio.get_running_loop()
        waits = [asyncio.create_task(self._wake.wait())]
        if not damage.is_set():
            waits.append(asyncio.create_task(damage.wait()))
        try:
            timeout = max(deadline - loop.time(), 0)
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _full(self, subscriptions: Subscriptions, resync: Resync) -> bool:
        wanted, self._wanted = self._wanted or {"": "retry"}, {}
        self._wake.clear()
        if self._renew:
            self._renew = False
            subscriptions.renew()
        return await resync.full(next(iter(wanted.values())), wanted)

    async def _repair(self, connection: Connection, resync: Resync) -> None:
        damaged = set(connection.listener.damaged)
        if "positions" in damaged:
            await resync.positions()
        if "executions" in damaged:
            # What could be read was told; told again each minute, a busy day's fills would be too much.
            await resync.executions(skip_known=True)
        if "account_values" in damaged:
            await resync.account_values()

    def _heard_code(self, code: int, text: str) -> None:
        """React to a message of the gateway. Called from a callback: sets flags, asks for nothing."""
        meaning = meaning_of(code)
        if meaning is Meaning.IBKR_LOST:
            self._ibkr_lost_by = code
            self._ibkr_up.clear()
            if self._ready:
                self._link.change("up", "down", "ib_1100", meaning.value)
        elif meaning in {Meaning.IBKR_BACK_DATA_LOST, Meaning.IBKR_BACK_DATA_KEPT}:
            self._ibkr_back(f"ib_{code}", renew=meaning is Meaning.IBKR_BACK_DATA_LOST)
        elif meaning is Meaning.MARKET_DATA_DOWN:
            self._market_data_down(code, text)
        elif meaning in {Meaning.MARKET_DATA_OK, Meaning.FARM_OK}:
            if self._ibkr_lost_by == 2110:  # noqa: PLR2004 - it restores itself, and this is how that shows
                self._ibkr_back(f"ib_{code}", renew=True)
            if meaning is Meaning.MARKET_DATA_OK:
                self._market_data_ok(farm_of(text))
        elif meaning not in {Meaning.BENIGN, Meaning.UNKNOWN_SUBSCRIPTION}:
            explanation = redact(text) if meaning is Meaning.OTHER else meaning.value
            self._problems.tell(("code", code), "gateway_says", code=code, explanation=explanation)

    def _ibkr_back(self, trigger: str, *, renew: bool) -> None:
        self._ibkr_lost_by = 0
        self._renew = self._renew or renew
        if self._ready:
            self._link.change("up", "up")
            self._link.incomplete()
            self._ibkr_up.set()
            self._wanted.setdefault("", trigger)
            self._wake.set()

    def _market_data_down(self, code: int, text: str) -> None:
        connection = self._connection
        if connection is None:
            return
        farm = farm_of(text)
        listener = connection.listener
        listener.farms_down.add(farm)
        listener.accounts_with_pnl.clear()
        self._problems.tell(("farm", farm), "market_data_down", code=code, farm=farm)
        for account in listener.accounts:
            self._publisher.put(
                DatasetCompleted(
                    received_at=self._clock(),
                    account=account,
                    dataset="pnl",
                    as_of=self._link.broker_now(),
                    complete=False,
                    error=f"IBKR's market data farm {farm} is down",
                )
            )

    def _market_data_ok(self, farm: str) -> None:
        connection = self._connection
        if connection is None or farm not in connection.listener.farms_down:
            return
        connection.listener.farms_down.discard(farm)
        self._problems.solved(("farm", farm), "market_data_back", farm=farm)
        if self._ready:
            self._renew = True
            self._wanted.setdefault("", "market_data_back")
            self._wake.set()
