"""One connection to a gateway, from the first byte to the last, and why it ended."""

import asyncio
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from ib_async import IB

from core import logs
from core.clock import Clock
from core.errors import LotkeeperError
from core.settings import Settings
from services.broker.allowed import GuardedConnection
from services.broker.beat import Link
from services.broker.codes import Meaning, meaning_of
from services.broker.decode import RecordingDecoder
from services.broker.flow import Flow
from services.broker.frames import FrameReader
from services.broker.gate import Sink
from services.broker.gateway_time import LAST_RESORT, GatewayTimes, zone_named
from services.broker.listen import Listener, OnCode
from services.broker.problems import Problems
from services.broker.told import Told
from services.broker.translate import Instruments

log = logs.get_logger(__name__)


class LinkLostError(LotkeeperError):
    """The connection could not be made or has ended. ``reason`` is one of ``LINK_REASONS``."""

    code = "broker_link_lost"

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation


class Connection:
    """One ``ib_async.IB`` with our hooks in it. Use once: ``open``, then ``lost``, then ``close``.

    The start-up of ``IB.connectAsync`` is not used: it asks for positions in a way that fails a login of more
    than 50 accounts, and takes the whole link down when one answer is missing. ``resync`` asks for the same,
    believes no list without its end, and keeps what does come.
    """

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        link: Link,
        instruments: Instruments,
        clock: Clock,
        on_code: OnCode,
        problems: Problems,
    ) -> None:
        self._settings = settings
        self._problems = problems
        self._on_code = on_code
        self._lost: asyncio.Future[LinkLostError] = asyncio.get_running_loop().create_future()
        self._times = GatewayTimes(ZoneInfo(settings.ib_timezone or LAST_RESORT))
        self.zone_name = settings.ib_timezone or ""
        self._handshaken = False
        self.flow = Flow(self._set_reading)
        self.ib = IB()
        self.ib.RaiseRequestErrors = True
        self.client: Any = self.ib.client
        told = Told()
        self.client.decoder = RecordingDecoder(self.ib.wrapper, self._times, self._unreadable, told)
        self.listener = Listener(self.ib, sink, link, instruments, clock, self._heard_code, told)
        self.listener.attach()
        self._reader = FrameReader(
            self.client,
            on_data=self.listener.data_arrived,
            on_handshake=self._shook_hands,
            on_message=self.listener.message_arrived,
            on_broken=self._broken,
            on_desync=self._lost_step,
        )
        stream: Any = GuardedConnection()  # type: ignore[no-untyped-call]
        stream.hasData += self._reader.feed
        stream.disconnected += self.client._onSocketDisconnected  # noqa: SLF001 - it was on the socket replaced
        stream.disconnected += self._socket_closed
        self.client.conn = stream

    @property
    def server_version(self) -> int:
        """The protocol version both agreed on."""
        version: int = self.client.serverVersion()
        return version

    async def open(self) -> None:
        """Connect and wait until the gateway has named its accounts.

        Raises:
            LinkLostError: it refused, closed, stayed silent or turned us away.
        """
        where = f"{self._settings.ib_host}:{self._settings.ib_port}"
        self.ib.wrapper.clientId = self._settings.ib_client_id
        attempt = asyncio.create_task(
            self.client.connectAsync(
                self._settings.ib_host, self._settings.ib_port, self._settings.ib_client_id, 0
            ),
            name="connect",
        )
        try:
            await asyncio.wait(
                {attempt, self._lost},
                timeout=self._settings.ib_connect_timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._lost.done():
                raise self._lost.result()
            if not attempt.done():
                raise self._not_ready(where)
            try:
                attempt.result()
            except OSError as error:
                raise LinkLostError(
                    "gateway_unreachable",
                    f"{where} cannot be reached ({error.strerror or error.__class__.__name__}). Is TWS or IB "
                    "Gateway running there, with its API port enabled?",
                ) from error
        finally:
            if not attempt.done():
                attempt.cancel()
            # Not awaited itself: its cancellation and ours could not be told apart.
            await asyncio.wait({attempt})
            if not attempt.cancelled():
                attempt.exception()

    def _not_ready(self, where: str) -> LinkLostError:
        seconds = self._settings.ib_connect_timeout_seconds
        if self.server_version:
            return LinkLostError(
                "needs_login",
                f"{where} answered but named no account within {seconds:g} s. Someone may have to log in "
                "there, or confirm a notice.",
            )
        if self.client.conn.isConnected():
            return LinkLostError(
                "gateway_not_answering",
                f"{where} accepts connections but did not answer within {seconds:g} s. It may be starting, "
                "waiting for someone to allow this connection, or not be a TWS at all.",
            )
        return LinkLostError(
            "gateway_unreachable", f"{where} did not accept the connection within {seconds:g} s."
        )

    async def lost(self) -> LinkLostError:
        """Wait until the connection ends; why it did."""
        return await asyncio.shield(self._lost)

    def drop(self, reason: str, explanation: str) -> None:
        """End the connection for a reason of ours."""
        if not self._lost.done():
            self._lost.set_result(LinkLostError(reason, explanation))

    def close(self) -> None:
        """Close the socket, whatever state it is in. A peer that reads nothing cannot keep it open."""
        transport = self.client.conn.transport
        with suppress(OSError, RuntimeError):
            self.client.disconnect()
        if transport is not None:
            transport.abort()
        self.drop("gateway_unreachable", "the connection was closed by us")

    def _set_reading(self, on: bool) -> None:
        transport = self.client.conn.transport
        if transport is None or transport.is_closing():
            return
        if on:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _socket_closed(self, message: str) -> None:
        if self._handshaken and not self.listener.accounts:
            explanation = (
                "the gateway closed the connection before it was ready; it may not allow this address"
            )
        else:
            explanation = f"the gateway closed the connection{f' ({message})' if message else ''}"
        self.drop("gateway_unreachable", explanation)

    def _lost_step(self, length: int) -> None:
        self._unreadable("parsing", "a message length that makes no sense", ["", str(length)])
        self.drop("gateway_unreachable", "the gateway sent bytes that are no messages; connecting anew")

    def _broken(self, error: str, fields: list[str]) -> None:
        self._unreadable("parsing", f"a message during start-up that does not decode ({error})", fields)

    def _unreadable(self, category: Any, reason: str, fields: list[str]) -> None:
        self.listener.unreadable(category, reason, fields)

    def _heard_code(self, code: int, text: str) -> None:
        meaning = meaning_of(code)
        if meaning is Meaning.CLIENT_ID_IN_USE:
            client_id = self._settings.ib_client_id
            self.drop(
                "client_id_in_use",
                f"another program is connected to the gateway with client id {client_id}. Stop it, or set "
                "LOTKEEPER_IB_CLIENT_ID to another number. After a drop an id can stay taken for a while.",
            )
        elif meaning is Meaning.NEEDS_LOGIN:
            self.drop("needs_login", "the gateway waits for someone to confirm a notice or to log in")
        elif meaning is Meaning.PORT_CHANGED:
            self.drop("gateway_unreachable", meaning.value)
        self._on_code(code, text)

    def _shook_hands(self, gateway_time: str) -> None:
        """Choose the zone of times that carry none: the setting, the gateway's own, IBKR's home."""
        self._handshaken = True
        named = gateway_time.split(" ", 2)[2].strip() if gateway_time.count(" ") > 1 else ""
        if self._settings.ib_timezone:
            zone: ZoneInfo | None = ZoneInfo(self._settings.ib_timezone)
        else:
            zone = zone_named(named) if named else None
        if zone is None:
            self._problems.tell(
                ("zone", named),
                "gateway_time_zone_unknown",
                gateway_says=named,
                assumed=LAST_RESORT,
                explanation="set LOTKEEPER_IB_TIMEZONE to the zone of the machine that the gateway runs on",
            )
            zone = ZoneInfo(LAST_RESORT)
        self._times.default_zone = zone
        self.zone_name = zone.key
        self.ib.TimezoneTWS = zone.key
