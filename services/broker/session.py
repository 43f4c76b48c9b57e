"""The life of the link: connect, resync, watch, and do it again when it ends."""

import asyncio
import random
from collections.abc import Callable

from core import logs
from core.clock import Clock
from core.domain.link import NO_ROOM, LinkEvent
from core.events.facts import DatasetCompleted
from core.settings import Settings
from services.broker import metrics
from services.broker.backoff import Patience
from services.broker.beat import Link
from services.broker.codes import Meaning, farm_of, meaning_of, redact
from services.broker.connection import Connection, LinkLostError
from services.broker.gate import Gate
from services.broker.ibkr import Ibkr
from services.broker.pacer import Pacer
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.register import Register
from services.broker.resync import Resync
from services.broker.schedule import Schedule
from services.broker.subscriptions import Subscriptions
from services.broker.tenure import Tenure
from services.broker.translate import Instruments
from services.broker.watch import Watch
from services.broker.wishes import Wishes

log = logs.get_logger(__name__)


class Session:
    """The link to one gateway, for as long as the process runs. ``has_room``: facts can be kept."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        link: Link,
        register: Register,
        recorded: Recorded,
        clock: Clock,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._link = link
        self._register = register
        self._recorded = recorded
        self._clock = clock
        self._has_room = has_room
        self._instruments = Instruments()
        self._pacer = Pacer()
        self._problems = Problems(log)
        self._patience = Patience(clock, random.Random())  # noqa: S311 - jitter
        self._tenure = Tenure(settings, link, register, clock, has_room, self._leave)
        self._connection: Connection | None = None
        self._gate = Gate(publisher)
        self._ready = False
        self._ibkr = Ibkr()
        self._silences = 0
        self._wishes = Wishes(publisher.put, clock)
        self._described: set[int] = set()

    async def run(self) -> None:
        """Keep the link until cancelled; then say that it is down."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tenure.run(), name="lease")
                group.create_task(self._connect_forever(), name="connect")
        finally:
            self._link.apply(LinkEvent.STOPPED, "broker_link_down", "the broker link was stopped")

    async def end(self, seconds: float) -> None:
        """Note the end of the session in the register, and let go of the login."""
        await self._register.end(self._tenure.epoch, "stopped", seconds)
        await self._tenure.close()

    def request_resync(self, trigger: str, job_id: str = "") -> None:
        """Compare everything with the broker as soon as possible; ``job_id`` comes back in the fence.

        A standby leaves the answer to the link that has the login, and so does one that never had it.
        """
        if self._link.state == "fenced" or not self._tenure.epoch:
            return
        if self._ready and self._link.up:
            self._wishes.add(trigger, job_id)
        elif not self._wishes.is_known(job_id):
            self._wishes.refuse(trigger, job_id, f"the link to the broker is down: {self._link.reason}")

    def facts_lost(self) -> None:
        """Facts were lost on their way, and the broker has them: have all told again.

        A link that is down asks for all when it is up.
        """
        self._link.tell_again()
        if self._connection is not None:
            self._connection.listener.forget_unreadable()
        if self._link.up:
            self.request_resync("redis_lost")

    def request_descriptions(self, conids: tuple[int, ...]) -> None:
        """Fetch contract details of ``conids`` (again)."""
        if self._connection is not None:
            for conid in conids:
                self._connection.listener.signals.want_description(conid)

    def room_changed(self) -> None:
        """Listen to the gateway only while what it tells can be kept."""
        if self._ready and self._connection is not None:
            self._connection.flow.let(self._has_room())

    def _leave(self, reason: str, explanation: str) -> None:
        """Stop listening to the gateway at once."""
        if self._connection is not None:
            self._gate.close()
            self._connection.drop(reason, explanation)

    async def _connect_forever(self) -> None:
        """Connect, serve, and do it again, with growing patience, for as long as we may."""
        is_told = False
        while True:
            if await self._tenure.turn():
                self._patience.begin_anew()
            if not is_told:
                is_told = True
                if self._link.state == "disconnected":
                    self._link.apply(LinkEvent.CONNECT)
            lost, served_seconds = await self._one_connection()
            if lost.reason in {"fenced", NO_ROOM}:
                is_told, wait_seconds = False, self._patience.begin_anew()
            elif served_seconds is None:
                wait_seconds = self._patience.after_failure(
                    lost.reason, took_over=self._tenure.took_over_lately
                )
            else:
                is_told, wait_seconds = False, self._patience.after_connection(served_seconds, lost.reason)
            await asyncio.sleep(wait_seconds)

    async def _one_connection(self) -> tuple[LinkLostError, float | None]:
        """One attempt, and what comes of it: why it ended, and how long it was served if it was made."""
        # What an earlier attempt heard of IBKR, this gateway will say again if it still holds.
        self._ibkr.lost_by = 0
        self._gate = Gate(self._publisher)
        connection = self._connection = Connection(
            self._settings,
            self._gate,
            self._link,
            self._instruments,
            self._clock,
            self._heard_code,
            self._problems,
        )
        connection.listener.described = self._described
        connected_at = None
        try:
            await connection.open()
            await self._tenure.enter(connection.listener.accounts)
            self._gate.open()
            connected_at = self._clock()
            lost = await self._serve(connection)
        except LinkLostError as error:
            metrics.CONNECT_FAILURES.labels(error.reason).inc()
            lost = error
        finally:
            self._ready = False
            self._connection = None
            connection.close()
        if connected_at is not None:
            self._tenure.connection_ended(lost.reason)
            # A gateway that ends a connection itself may be another one when it is back.
            self._silences = self._silences + 1 if lost.reason == "gateway_silent" else 0
        if self._tenure.is_fenced:
            await self._tenure.stand_by()
        else:
            event = LinkEvent.NEEDS_LOGIN if lost.reason == "needs_login" else LinkEvent.LOST
            self._link.apply(event, lost.reason, lost.explanation)
        if connected_at is None:
            return lost, None
        return lost, (self._clock() - connected_at).total_seconds()

    async def _serve(self, connection: Connection) -> LinkLostError:
        """Everything that happens while one connection lasts."""
        metrics.CONNECTS.inc()
        self._register.connected(self._tenure.epoch, connection.server_version, connection.zone_name)
        answer_seconds = self._settings.ib_connect_timeout_seconds
        subscriptions = Subscriptions(connection, self._pacer, answer_seconds)
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
            self._wishes.answer,
        )
        self._wishes.begin()
        self._ready = True
        self.room_changed()
        self._ibkr.begin()
        if self._ibkr.lost_by:
            self._link.apply(LinkEvent.CONNECTED_OFFLINE, "ib_1100", Meaning.IBKR_LOST.value)
        else:
            self._link.apply(LinkEvent.CONNECTED)
        watch = Watch(
            connection,
            self._link,
            self._settings,
            ask=self.request_resync,
            ibkr_is_up=self._ibkr.up.is_set,
            silences=lambda: self._silences,
        )
        schedule = Schedule(
            connection,
            subscriptions,
            resync,
            self._wishes,
            self._ibkr,
            self._link,
            self._settings,
            on_answered=self._all_answered,
        )
        tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("heartbeat", watch.heartbeat()),
                ("data-age", watch.data_age()),
                ("room", watch.room()),
                ("pauses", watch.pauses()),
                ("resync", schedule.follow()),
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
            self._wishes.refuse_all("the link to the gateway was lost before it began")

    def _explain_failure(self, tasks: list["asyncio.Task[None]"], connection: Connection) -> None:
        for task in tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None and not isinstance(error, ConnectionError):
                log.error("broker_task_failed", task=task.get_name(), exc_info=error)
        connection.drop("gateway_unreachable", "the connection ended")

    async def _follow_accounts(self, connection: Connection) -> None:
        while True:
            await connection.listener.signals.accounts.wait()
            connection.listener.signals.accounts.clear()
            await self._tenure.hold_accounts(connection.listener.accounts)
            self.request_resync("accounts")

    def _all_answered(self) -> None:
        self._silences = 0

    def _heard_code(self, code: int, text: str) -> None:
        """React to a message of the gateway. Called from a callback: sets flags, asks for nothing."""
        meaning = meaning_of(code)
        if meaning is Meaning.IBKR_LOST:
            self._ibkr.lost(code)
            if self._ready:
                self._link.apply(LinkEvent.IBKR_LOST, "ib_1100", meaning.value)
        elif meaning in {Meaning.IBKR_BACK_DATA_LOST, Meaning.IBKR_BACK_DATA_KEPT}:
            self._ibkr_back(f"ib_{code}", renew=meaning is Meaning.IBKR_BACK_DATA_LOST)
        elif meaning is Meaning.MARKET_DATA_DOWN:
            self._market_data_down(code, text)
        elif meaning in {Meaning.MARKET_DATA_OK, Meaning.FARM_OK}:
            if self._ibkr.lost_by == 2110:  # noqa: PLR2004 - it restores itself, and this is how that shows
                self._ibkr_back(f"ib_{code}", renew=True)
            if meaning is Meaning.MARKET_DATA_OK:
                self._market_data_ok(farm_of(text))
        elif meaning not in {Meaning.BENIGN, Meaning.UNKNOWN_SUBSCRIPTION}:
            explanation = redact(text) if meaning is Meaning.OTHER else meaning.value
            self._problems.tell(("code", code), "gateway_says", code=code, explanation=explanation)

    def _ibkr_back(self, trigger: str, *, renew: bool) -> None:
        self._ibkr.back(renew=renew)
        if self._ready:
            self._link.apply(LinkEvent.RESTORED)
            self._ibkr.up.set()
            self._wishes.add(trigger)

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
            self._gate.put(
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
            self._ibkr.renew = True
            self._wishes.add("market_data_back")
